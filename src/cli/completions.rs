//! `cutwater completions`: what a shell has to read so that Tab completes.

use clap::ValueEnum;
use clap_complete::env::Shells;

use super::candidates::VARIABLE;
use super::output::{Failure, Ui};

/// Print the completion script of a shell
///
/// The script asks this program at each Tab. It completes commands and flags, and app names, versions and labels as this
/// clone knows them: nothing is asked of the remote.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bash:        echo 'source <(cutwater completions bash)' >> ~/.bashrc
  zsh:         echo 'source <(cutwater completions zsh)' >> ~/.zshrc
  fish:        echo 'cutwater completions fish | source' >> ~/.config/fish/config.fish
  elvish:      echo 'eval (cutwater completions elvish | slurp)' >> ~/.config/elvish/rc.elv
  powershell:  echo 'cutwater completions powershell | Out-String | Invoke-Expression' >> $PROFILE

The script belongs to this version of the program: print it anew when a shell starts, as above, and keep no copy.")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

impl Args {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        let name = match self.shell {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
            Shell::Elvish => "elvish",
            Shell::Powershell => "powershell",
        };
        let shells = Shells::builtins();
        let shell = shells
            .completer(name)
            .ok_or_else(|| Failure::new(format!("there are no completions for {name}")))?;
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, "cutwater", "cutwater", &program()?, &mut script)?;
        ui.result(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}

/// How the script calls this program: as it was called itself, and by its whole path where that was a path.
fn program() -> Result<String, Failure> {
    let called = std::env::args_os().next().unwrap_or_default();
    let path = std::path::PathBuf::from(called);
    let path = if path.components().count() > 1 {
        std::path::absolute(path)?
    } else {
        path
    };
    Ok(path.to_string_lossy().into_owned())
}
