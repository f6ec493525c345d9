//! `cutwater guard`: what `serve` starts each program through. Not for people.

use super::output::Failure;

/// Run a program that ends when standard input does
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many files the program may have open
    #[arg(long)]
    files: Option<u64>,
    /// The guard that has started this process, which is to become the program
    #[arg(long, hide = true)]
    under: Option<u32>,
    /// Program and arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
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
