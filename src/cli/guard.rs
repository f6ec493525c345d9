//! `cutwater guard`: what `serve` starts each program through, and what stands beside each push and each call of git that `serve`
//! makes. Not for people.

use super::output::Failure;
use crate::processes::Order;

/// Run a program that ends when standard input does
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many files the program may have open
    #[arg(long)]
    files: Option<u64>,
    /// End a process group, whose number standard input tells, unless `done` follows
    #[arg(long)]
    pushes: bool,
    /// The guard that has started this process, which is to become the program
    #[arg(long, hide = true)]
    under: Option<u32>,
    /// A variable of the environment that `$(NAME)` in the command means
    #[arg(long, hide = true)]
    known: Vec<String>,
    /// Program and arguments
    #[arg(last = true, required_unless_present = "pushes")]
    command: Vec<String>,
}

/// The words behind this program's name that watch a push.
pub(super) const PUSHES: [&str; 2] = ["guard", "--pushes"];

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.pushes {
            crate::git::watch();
            return Ok(());
        }
        let mut words = self.command.into_iter();
        let Some(program) = words.next() else {
            return Err(Failure::usage("the program is missing"));
        };
        let order = Order {
            program,
            args: words.collect(),
            known: self.known,
            files: self.files,
        };
        let code = match self.under {
            Some(guard) => crate::processes::last_step(&order, guard),
            None => crate::processes::guard(&order),
        };
        match code {
            0 => Ok(()),
            code => Err(Failure::code(code)),
        }
    }
}
