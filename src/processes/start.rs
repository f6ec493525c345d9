//! One start of a program: what is prepared for it, and what comes of that once it has a port.
//!
//! Commands keep their `$(NAME)`: values may be secret, and everybody on this machine may read the arguments of a process. The
//! last step before the program puts them in, from its environment.

use std::io;
use std::path::PathBuf;

use super::expand::expand;
use super::guarded::Environment;
use super::health::Probes;
use super::ports::Port;

/// What is to be started.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Program and arguments, with `$(NAME)` for variables.
    pub command: Vec<String>,
    /// Where it runs.
    pub dir: PathBuf,
    /// Variables that no `$(NAME)` means.
    pub inherited: Vec<(String, String)>,
    /// All others, but for `PORT`. The last one of a name counts.
    pub env: Vec<Variable>,
    /// How it is asked whether it is well.
    pub probes: Probes,
}

/// A variable of a program.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The value may name variables that stand above, as `$(NAME)`.
    pub expands: bool,
}

/// What is started.
pub(super) struct Launch {
    /// Where it is to listen; nobody else is given that while it runs.
    pub(super) port: Port,
    /// Program and arguments, with `$(NAME)` for variables.
    pub(super) command: Vec<String>,
    pub(super) dir: PathBuf,
    pub(super) env: Environment,
    pub(super) probes: Probes,
}

impl Start {
    /// Finds a port for the program.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn launch(self) -> io::Result<Launch> {
        Ok(self.at(Port::find()?))
    }

    /// Puts the values of variables where they are named.
    fn at(self, port: Port) -> Launch {
        let mut known = vec![("PORT".to_owned(), port.address.port().to_string())];
        for variable in self.env {
            let value = if variable.expands {
                filled(&variable.value, &known)
            } else {
                variable.value
            };
            known.push((variable.name, value));
        }
        Launch {
            port,
            command: self.command,
            dir: self.dir,
            env: Environment {
                inherited: self.inherited,
                known,
            },
            probes: self.probes,
        }
    }
}

/// The text with the values of these variables, the last of a name.
fn filled(text: &str, known: &[(String, String)]) -> String {
    expand(text, |name| {
        let found = known.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_by_those_below_them() {
        let variable = |name: &str, value: &str, expands| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
            expands,
        };
        let start = Start {
            inherited: vec![("HOME".to_owned(), "/root".to_owned())],
            env: vec![
                variable("URL", "early", true),
                variable("LATER", "$(BELOW)", true),
                variable("BELOW", "x", true),
                variable("PASSWORD", "$(BELOW)", false),
                variable("URL", "http://$(PASSWORD)@$(PORT)/$(HOME)", true),
            ],
            ..Start::default()
        };
        let launch = start.launch().unwrap();
        let port = launch.port.address.port().to_string();
        let url = format!("http://$(BELOW)@{port}/$(HOME)");
        let value = |name: &str| {
            let all: Vec<_> = launch.env.all().collect();
            let found = all.iter().rev().find(|(other, _)| other == name);
            found.unwrap().1.clone()
        };
        assert_eq!(value("URL"), url);
        assert_eq!(value("LATER"), "$(BELOW)");
        assert_eq!((value("HOME"), value("PORT")), ("/root".to_owned(), port));
    }
}
