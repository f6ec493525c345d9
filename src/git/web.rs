//! What a person's git knows of an address of the web, for others who go there: a password, a proxy, an authority. Nobody is asked at
//! a terminal or by a window.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::ask;
use super::error::Caller;
use super::interrupt::Aim;
use super::progress::Heard;
use super::run::Call;

/// Longest time for the helpers of git that keep passwords.
const HELPERS: Duration = Duration::from_secs(15);

/// How git goes to an address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebSettings {
    /// Its proxy, where git is set up to one beside that of the environment.
    pub proxy: Option<String>,
    /// A file with the certificates of an authority of one's own.
    pub authority: Option<PathBuf>,
}

impl std::fmt::Debug for WebSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address of a proxy may hold a password.
        write!(f, "WebSettings(proxy: {})", self.proxy.is_some())
    }
}

impl WebSettings {
    /// How the git of the clone at `dir` goes to `url`.
    #[must_use]
    pub fn of(dir: &Path, url: &str) -> Self {
        let set = |name: &str| ask(dir, &["config", "--get-urlmatch", name, url]);
        let path = |name: &str| ask(dir, &["config", "--type=path", "--get-urlmatch", name, url]);
        let authority = std::env::var_os("GIT_SSL_CAINFO").filter(|file| !file.is_empty());
        let authority = authority.map(PathBuf::from);
        Self {
            proxy: set("http.proxy"),
            authority: authority.or_else(|| path("http.sslCAInfo").map(PathBuf::from)),
        }
    }
}

/// The user and the password that git has for an address, without asking anybody; nothing where it has none. `url` may hold them
/// itself.
#[must_use]
pub fn password(dir: &Path, url: &str) -> Option<(String, String)> {
    if url.contains(char::is_control) {
        return None;
    }
    let never = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let call = Call {
        dir,
        args: ["credential", "fill"].map(OsString::from).to_vec(),
        stdin: format!("url={url}\n\n"),
        env: vec![never("GIT_ASKPASS", ""), never("SSH_ASKPASS", "")],
        config: vec![
            never("core.askPass", ""),
            never("credential.interactive", "never"),
        ],
        caller: Caller::Person,
        secrets: Vec::new(),
        reads_output: true,
        aim: Aim::Here,
        timeout: HELPERS,
        silence: None,
        heard: Heard::default(),
    };
    let text = String::from_utf8(call.run().ok()?).ok()?;
    let field = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    Some((field("username").unwrap_or_default(), field("password")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_what_a_helper_has_and_nobody_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| ask(dir.path(), args);
        git(&["init", "-q"]);
        // Whatever helpers this machine has, none is asked.
        git(&["config", "--add", "credential.helper", ""]);
        let url = "https://forge.invalid/acme/shop.git";
        assert_eq!(password(dir.path(), url), None);
        let of_url = password(dir.path(), "https://ada:p%40ss@forge.invalid/acme/shop.git");
        assert_eq!(of_url, Some(("ada".to_owned(), "p@ss".to_owned())));
        let helper = "!f() { test \"$1\" = get && echo username=ada && echo password=hunter2; }; f";
        git(&[
            "config",
            "--add",
            "credential.https://forge.invalid.helper",
            helper,
        ]);
        assert_eq!(
            password(dir.path(), url),
            Some(("ada".to_owned(), "hunter2".to_owned()))
        );
        assert_eq!(password(dir.path(), "https://other.invalid/a/b.git"), None);
        git(&["config", "http.https://forge.invalid.sslCAInfo", "/ca.pem"]);
        let web = WebSettings::of(dir.path(), url);
        // The environment of whoever runs this goes before.
        let authority = std::env::var_os("GIT_SSL_CAINFO").unwrap_or("/ca.pem".into());
        assert_eq!((web.authority, web.proxy), (Some(authority.into()), None));
    }
}
