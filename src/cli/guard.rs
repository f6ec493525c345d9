//! `cutwater guard`: what `serve` starts each program through. Not for people.

use super::output::Failure;

/// Run a program that ends when standard input does
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many files the program may have open
    #[arg(long)]
    files: Option<u64>,
    /// Program and arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(Failure::usage("the program is missing"));
        };
        match crate::processes::guard(program, args, self.files) {
            0 => Ok(()),
            code => Err(Failure::code(code)),
        }
    }
}
