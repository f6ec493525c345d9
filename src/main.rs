//! The program `cutwater`; everything is in [`cutwater::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    cutwater::cli::run(std::env::args_os())
}
