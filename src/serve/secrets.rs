//! What a cluster would take from Secrets and ConfigMaps: here it comes from files, or from variables of `serve`, by name and key.
//!
//! It is read anew each time, so that a value that was changed counts from the next start of a program on. No message holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;

/// Where values come from.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// The environment of `serve`.
    given: BTreeMap<String, String>,
    /// The folder of `--secrets`.
    secret_files: Option<PathBuf>,
    /// The folder of `--config-maps`.
    config_map_files: Option<PathBuf>,
    /// What each variable was taken for: `a-b` with key `c` and `a` with key `b-c` have one, and none may get the other's.
    taken: Mutex<BTreeMap<String, (String, String)>>,
}

/// A kind of object that holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    ConfigMap,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Secret => "CUTWATER_SECRET_",
            Self::ConfigMap => "CUTWATER_CONFIG_MAP_",
        }
    }

    const fn flag(self) -> &'static str {
        match self {
            Self::Secret => "--secrets",
            Self::ConfigMap => "--config-maps",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        })
    }
}

/// Why a value that is there cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// No variable can hold what its file holds.
    #[error("{}: holds a NUL byte, which no variable can", .0.display())]
    Nul(PathBuf),
    /// Its file cannot be read.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its variable holds that of another key.
    #[error(
        "the variable {variable} is that of key `{key}` of {kind} `{name}` already; give both in files, with {} DIR",
        kind.flag()
    )]
    Taken {
        /// The variable.
        variable: String,
        /// What holds the other key.
        kind: Kind,
        /// The name of that.
        name: String,
        /// The other key.
        key: String,
    },
}

impl Secrets {
    pub(super) fn new(
        given: BTreeMap<String, String>,
        secrets: Option<PathBuf>,
        config_maps: Option<PathBuf>,
    ) -> Self {
        Self {
            given,
            secret_files: secrets,
            config_map_files: config_maps,
            taken: Mutex::default(),
        }
    }

    /// The value of a key, from its file, else from its variable; nothing where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub(super) fn find(
        &self,
        kind: Kind,
        name: &str,
        key: &str,
    ) -> Result<Option<String>, SecretError> {
        let folder = match kind {
            Kind::Secret => &self.secret_files,
            Kind::ConfigMap => &self.config_map_files,
        };
        let plain = |word: &str| !matches!(word, "" | "." | "..") && !word.contains(['/', '\0']);
        if let Some(folder) = folder.as_ref().filter(|_| plain(name) && plain(key)) {
            let file = folder.join(name).join(key);
            match std::fs::read_to_string(&file) {
                Ok(text) if text.contains('\0') => {
                    return Err(SecretError::Nul(file));
                }
                Ok(mut text) => {
                    // An editor ends each file with a line end, which is no part of any password.
                    let end = text.trim_end_matches(['\r', '\n']).len();
                    text.truncate(end);
                    return Ok(Some(text));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SecretError::File { file, source }),
            }
        }
        let variable = variable(kind, name, key);
        let Some(value) = self.given.get(&variable) else {
            return Ok(None);
        };
        let mut taken = self.taken.lock();
        let this = (name.to_owned(), key.to_owned());
        let (first_name, first_key) = taken.entry(variable.clone()).or_insert(this);
        if (first_name.as_str(), first_key.as_str()) != (name, key) {
            return Err(SecretError::Taken {
                variable,
                kind,
                name: first_name.clone(),
                key: first_key.clone(),
            });
        }
        Ok(Some(value.clone()))
    }

    /// Where the value of a key is looked for, in words.
    pub(super) fn place(&self, kind: Kind, name: &str, key: &str) -> String {
        let folder = match kind {
            Kind::Secret => &self.secret_files,
            Kind::ConfigMap => &self.config_map_files,
        };
        let file = match folder {
            Some(folder) => format!("the file {}/{name}/{key}", folder.display()),
            None => format!("the file DIR/{name}/{key} of {} DIR", kind.flag()),
        };
        format!(
            "the variable {} of serve, or {file}",
            variable(kind, name, key)
        )
    }
}

/// `CUTWATER_SECRET_<NAME>_<KEY>`, in capital letters and digits, with `_` for everything else.
fn variable(kind: Kind, name: &str, key: &str) -> String {
    let words = format!("{name}_{key}");
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    kind.prefix()
        .chars()
        .chain(words.chars().map(plain))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(owned).collect()
    }

    #[test]
    fn a_value_is_that_of_its_own_name_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("blog-db/url", b"blog\n");
        write("shop-db/url", b"shop");
        write("bad/nul", b"a\0b");
        write("bad/bytes", b"\xff");
        let variables = given(&[
            ("CUTWATER_SECRET_WIKI_DB_URL", "wiki"),
            ("CUTWATER_SECRET_BLOG_DB_URL", "not this"),
            ("CUTWATER_CONFIG_MAP_WIKI_DB_URL", "plain"),
            ("URL", "of everybody"),
        ]);
        let secrets = Secrets::new(variables, Some(dir.path().to_owned()), None);
        let find = |name: &str, key: &str| secrets.find(Kind::Secret, name, key);
        let found = |name: &str, key: &str| find(name, key).unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found("blog-db", "url"), text("blog"));
        assert_eq!(found("shop-db", "url"), text("shop"));
        assert_eq!(found("wiki-db", "url"), text("wiki"));
        assert_eq!(found("other-db", "url"), None);
        assert_eq!(found("..", "url"), None);
        assert_eq!(found("blog-db", "../shop-db/url"), None);
        assert!(matches!(find("bad", "nul"), Err(SecretError::Nul(_))));
        let bytes = find("bad", "bytes");
        assert!(matches!(bytes, Err(SecretError::File { .. })));
        let plain = secrets.find(Kind::ConfigMap, "wiki-db", "url");
        assert_eq!(plain.unwrap(), text("plain"));
        // What was changed counts.
        write("shop-db/url", b"another");
        assert_eq!(found("shop-db", "url"), text("another"));
    }

    #[test]
    fn two_that_would_share_a_variable_do_not() {
        let secrets = Secrets::new(given(&[("CUTWATER_SECRET_A_B_C", "x")]), None, None);
        let find = |name: &str, key: &str| secrets.find(Kind::Secret, name, key);
        assert_eq!(find("a-b", "c").unwrap().as_deref(), Some("x"));
        let refused = find("a", "b.c").unwrap_err().to_string();
        assert!(refused.contains("key `c` of Secret `a-b`"), "{refused}");
        assert_eq!(find("a-b", "c").unwrap().as_deref(), Some("x"));
    }
}
