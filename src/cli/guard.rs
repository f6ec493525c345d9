//! `cutwater guard`: what `serve` starts each program through, and what stands beside each push. Not for people.

use super::output::Failure;

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
        let Some((program, args)) = self.command.split_first() else {
            return Err(Failure::usage("the program is missing"));
        };
        let code = match self.under {
            Some(guard) => crate::processes::last_step(program, args, self.files, guard),
            None => crate::processes::guard(program, args, self.files),
        };
        match code {
            0 => Ok(()),
            code => Err(Failure::code(code)),
        }
    }
}
