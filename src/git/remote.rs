//! A remote, how it is called, what is fetched from it, and a look at its tags and branches.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::ask;
use super::credentials::{Credentials, deliver};
use super::embedded::Embedded;
use super::error::{Caller, GitError, GitErrorKind};
use super::interrupt::Aim;
use super::progress::{Heard, Stage};
use super::run::{Call, RESULT_MAX};
use super::url::RemoteUrl;

/// A repository of this machine together with one remote of it.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
    pub(super) remote: Remote,
    /// What it pushes puts right an earlier push.
    pub(super) mends: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Remote {
    /// A remote of a person's clone, by name or address, with all of that person's configuration.
    Person {
        name: String,
        quiet_ssh: bool,
        /// It is on this machine.
        local: bool,
        embedded: Embedded,
    },
    /// A remote of the controller or of `serve`: no configuration of anybody's, only the credentials that were given.
    Program {
        url: RemoteUrl,
        credentials: Option<Credentials>,
        caller: Caller,
    },
}

/// Seconds for which a server may send nothing to the controller. One that packs says every five that it is at work.
const SILENCE: u32 = 30;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
enum Patience {
    /// In all.
    Whole(Duration),
    /// Without a word of a server that sends, of one that tells of its progress.
    Silence(Duration),
}

/// Has git tell of its progress.
const PROGRESS: &str = "--progress";

/// Longest time for a server to show that it answers.
const ANSWER: Duration = Duration::from_secs(10);

/// Longest time for a fetch of `serve`, which goes on all the while.
const LONGEST: Duration = Duration::from_hours(1);
/// The same of the controller, in which other repositories wait for a turn.
const LONGEST_TURN: Duration = Duration::from_mins(10);

/// How a fetch of what is missing begins.
const FETCH: [&str; 6] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--refmap=",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
];

impl Git {
    /// The remote `name` of a person's clone, which is at `url`. `ssh_is_set` says that the environment names an ssh program.
    #[must_use]
    pub fn of_person(dir: &Path, name: &str, url: &str, ssh_is_set: bool) -> Self {
        let plain = url.starts_with("http://") || url.starts_with("https://");
        let local = url.starts_with("file://") || dir.join(url).exists();
        Self {
            dir: dir.to_owned(),
            remote: Remote::Person {
                name: name.to_owned(),
                quiet_ssh: !(plain || local || ssh_is_set || names_ssh(dir)),
                local,
                embedded: if local {
                    Embedded::default()
                } else {
                    Embedded::of_remote(dir, name)
                },
            },
            mends: false,
        }
    }

    /// A remote that is reached with these credentials, and nobody's configuration; `caller` is no person.
    #[must_use]
    pub fn of_program(
        dir: &Path,
        url: RemoteUrl,
        credentials: Option<Credentials>,
        caller: Caller,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            remote: Remote::Program {
                url,
                credentials,
                caller,
            },
            mends: false,
        }
    }

    /// The same remote for another repository of this machine.
    #[must_use]
    pub fn beside(&self, dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            remote: self.remote.clone(),
            mends: self.mends,
        }
    }

    /// Fetches exactly these refspecs, and drops what is gone at the remote below the globs among them.
    ///
    /// The server is told that the commits `known`, by id or by a glob of refs, are here, beside what is fetched: telling it
    /// of all that a repository holds would cost more, the more there is of other apps. An id that is not here is an error.
    ///
    /// # Errors
    /// In the words of `git`, without credentials.
    pub fn fetch(
        &self,
        refspecs: &[String],
        known: &[String],
        timeout: Duration,
    ) -> Result<(), GitError> {
        let (patience, heard) = (Patience::Whole(timeout), Heard::default());
        self.fetch_for("--quiet", refspecs, known, patience, &heard)
    }

    /// The same, where it is to be known whether more time is of use: then the error is [`GitErrorKind::TakesLong`].
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn fetch_soon(
        &self,
        refspecs: &[String],
        known: &[String],
        timeout: Duration,
    ) -> Result<(), GitError> {
        let (patience, heard) = (Patience::Whole(timeout), Heard::default());
        let fetched = self.fetch_for(PROGRESS, refspecs, known, patience, &heard);
        fetched.map_err(|error| {
            // One that says nothing may wait for git, which compares in silence what is here with what is there.
            let answers =
                || heard.stage() > Stage::Asked || self.reach(ANSWER.min(timeout)).is_ok();
            if error.kind == GitErrorKind::TimedOut && answers() {
                GitError::takes_long(timeout, error.caller)
            } else {
                error
            }
        })
    }

    /// The same for as long as something comes: it ends when nothing is heard for `silence` of a server that sends. What git does with
    /// what came has no such end. After an hour it ends in any case, and after ten minutes in the controller, where others wait for
    /// their turns.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn fetch_patiently(
        &self,
        refspecs: &[String],
        known: &[String],
        silence: Duration,
    ) -> Result<(), GitError> {
        let (patience, heard) = (Patience::Silence(silence), Heard::default());
        self.fetch_for(PROGRESS, refspecs, known, patience, &heard)
    }

    fn fetch_for(
        &self,
        says: &str,
        refspecs: &[String],
        known: &[String],
        patience: Patience,
        heard: &Heard,
    ) -> Result<(), GitError> {
        let options = [
            "fetch",
            says,
            "--no-tags",
            "--prune",
            "--refmap=",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-show-forced-updates",
            "--stdin",
        ];
        let mut args = options.map(OsString::from).to_vec();
        args.extend(
            known
                .iter()
                .map(|tip| format!("--negotiation-tip={tip}").into()),
        );
        args.push("--end-of-options".into());
        let stdin = refspecs
            .iter()
            .fold(String::new(), |all, spec| all + spec + "\n");
        self.call_for(args, Vec::new(), (stdin, false), patience, heard)
            .map(drop)
    }

    /// Asks the remote for one ref: it answers, or why it does not.
    ///
    /// # Errors
    /// In the words of `git`, without credentials.
    pub fn reach(&self, timeout: Duration) -> Result<(), GitError> {
        let options = ["ls-remote", "--quiet", "--end-of-options"];
        let args = options.map(OsString::from).to_vec();
        let head = vec!["HEAD".into()];
        self.call(args, head, String::new(), false, timeout)
            .map(drop)
    }

    /// Fetches these objects, and no commit beside them; with a tree comes what is below it, `deep` or not at all, and no file.
    ///
    /// This is what git does by itself where it misses an object of a partial clone, one by one.
    ///
    /// # Errors
    /// In the words of `git`, without credentials.
    pub fn fetch_objects(
        &self,
        objects: &[git2::Oid],
        deep: bool,
        timeout: Duration,
    ) -> Result<(), GitError> {
        let filter = if deep { "blob:none" } else { "tree:0" };
        let mut args: Vec<OsString> = vec!["-c".into(), "fetch.negotiationAlgorithm=noop".into()];
        if let Remote::Person { name, .. } = &self.remote {
            // Git writes both into the clone's configuration where they are not set, also of a remote that has promised nothing.
            for set in ["promisor=true", &format!("partialclonefilter={filter}")] {
                args.extend(["-c".into(), format!("remote.{name}.{set}").into()]);
            }
        }
        args.extend(FETCH.map(OsString::from));
        args.extend(["--filter", filter, "--stdin", "--end-of-options"].map(OsString::from));
        let lines: Vec<String> = objects.iter().map(|oid| format!("{oid}\n")).collect();
        self.call(args, Vec::new(), lines.concat(), false, timeout)
            .map(drop)
    }

    /// Fetches older commits of branches, or of commits by their ids, into a shallow clone: so many, or all of them.
    ///
    /// # Errors
    /// In the words of `git`, without credentials; also where the clone is not shallow.
    pub fn deepen(
        &self,
        refspecs: &[String],
        commits: Option<u32>,
        timeout: Duration,
    ) -> Result<(), GitError> {
        let depth = commits.map_or_else(
            || "--unshallow".to_owned(),
            |commits| format!("--deepen={commits}"),
        );
        let mut args = FETCH.map(OsString::from).to_vec();
        args.extend([depth.as_str(), "--stdin", "--end-of-options"].map(OsString::from));
        let stdin = refspecs
            .iter()
            .fold(String::new(), |all, spec| all + spec + "\n");
        self.call(args, Vec::new(), stdin, false, timeout).map(drop)
    }

    /// The names of all tags at the remote that match a pattern such as `*/v*`, without `refs/tags/`. Nothing where there
    /// are too many to be held.
    ///
    /// # Errors
    /// In the words of `git`, without credentials.
    pub fn tags(&self, pattern: &str, timeout: Duration) -> Result<Option<Vec<String>>, GitError> {
        let options = ["ls-remote", "--quiet", "--refs", "--end-of-options"];
        let args = options.map(OsString::from).to_vec();
        let patterns = vec![format!("refs/tags/{pattern}").into()];
        let output = self.call(args, patterns, String::new(), true, timeout)?;
        if output.len() >= RESULT_MAX {
            return Ok(None);
        }
        let output = String::from_utf8_lossy(&output);
        let name = |line: &str| Some(line.split_once("\trefs/tags/")?.1.to_owned());
        Ok(Some(output.lines().filter_map(name).collect()))
    }

    /// True where the remote has a branch.
    ///
    /// # Errors
    /// In the words of `git`, without credentials.
    pub fn has_branch(&self, timeout: Duration) -> Result<bool, GitError> {
        let options = ["ls-remote", "--quiet", "--refs", "--end-of-options"];
        let args = options.map(OsString::from).to_vec();
        let patterns = vec!["refs/heads/*".into()];
        let output = self.call(args, patterns, String::new(), true, timeout)?;
        Ok(!output.is_empty())
    }

    /// Runs `args`, the remote, `rest`. Gives what it printed where that is wanted.
    pub(super) fn call(
        &self,
        args: Vec<OsString>,
        rest: Vec<OsString>,
        stdin: String,
        reads_output: bool,
        timeout: Duration,
    ) -> Result<Vec<u8>, GitError> {
        let (patience, heard) = (Patience::Whole(timeout), Heard::default());
        self.call_for(args, rest, (stdin, reads_output), patience, &heard)
    }

    fn call_for(
        &self,
        mut args: Vec<OsString>,
        rest: Vec<OsString>,
        (stdin, reads_output): (String, bool),
        patience: Patience,
        heard: &Heard,
    ) -> Result<Vec<u8>, GitError> {
        let mut env = vec![("GIT_PROTOCOL_FROM_USER".to_owned(), "0".to_owned())];
        let mut config = vec![
            ("core.hooksPath".to_owned(), "/dev/null".to_owned()),
            // People's clones are tidied when they say so; the controller's between two fetches.
            ("maintenance.auto".to_owned(), "false".to_owned()),
            // Advice for people at a terminal, in each message otherwise.
            (
                "advice.fetchShowForcedUpdates".to_owned(),
                "false".to_owned(),
            ),
        ];
        let secrets;
        let caller;
        // Held until the call has ended: it has the private files.
        let _private;
        match &self.remote {
            Remote::Person {
                name,
                quiet_ssh,
                embedded,
                ..
            } => {
                caller = Caller::Person;
                config.extend(embedded.config.iter().cloned());
                secrets = embedded.secrets.clone();
                args.push(name.into());
                env.push((
                    "GIT_ALLOW_PROTOCOL".to_owned(),
                    "file:http:https:ssh".to_owned(),
                ));
                if *quiet_ssh {
                    env.push((
                        "GIT_SSH_COMMAND".to_owned(),
                        "ssh -o BatchMode=yes".to_owned(),
                    ));
                }
                _private = None;
            }
            Remote::Program {
                url,
                credentials,
                caller: program,
            } => {
                caller = *program;
                args.push(url.as_str().into());
                let local = url.local_path().is_some() || url.as_str().starts_with("http:");
                let protocols = if local {
                    "file:http:https:ssh"
                } else {
                    "https:ssh"
                };
                env.push(("GIT_ALLOW_PROTOCOL".to_owned(), protocols.to_owned()));
                // A server that goes silent in the middle is given up before the deadline of the whole.
                config.push(("http.lowSpeedLimit".to_owned(), "1".to_owned()));
                config.push(("http.lowSpeedTime".to_owned(), SILENCE.to_string()));
                let home = tempfile::Builder::new()
                    .prefix("cutwater-")
                    .tempdir()
                    .map_err(|error| GitError::local("no temporary directory", &error, caller))?;
                let no_file =
                    |error: std::io::Error| GitError::local("no temporary file", &error, caller);
                let delivery = deliver(home.path(), url, credentials.as_ref()).map_err(no_file)?;
                env.extend(delivery.env);
                config.extend(delivery.config);
                secrets = credentials
                    .as_ref()
                    .map(Credentials::secrets)
                    .unwrap_or_default();
                // A repository of another user on this machine was named by the administrator.
                let global = home.path().join("gitconfig");
                std::fs::write(&global, "[safe]\n\tdirectory = *\n").map_err(no_file)?;
                env.push(("HOME".to_owned(), home.path().display().to_string()));
                env.push(("GIT_CONFIG_GLOBAL".to_owned(), global.display().to_string()));
                _private = Some(home);
            }
        }
        args.extend(rest);
        let (timeout, silence) = match patience {
            Patience::Whole(timeout) => (timeout, None),
            Patience::Silence(silence) => {
                // Few objects would be unpacked one by one, and nothing said while a large one comes.
                config.push(("fetch.unpackLimit".to_owned(), "1".to_owned()));
                let longest = match caller {
                    Caller::Controller => LONGEST_TURN,
                    Caller::Person | Caller::Server => LONGEST,
                };
                (longest, Some(silence))
            }
        };
        let call = Call {
            aim: Aim::at_a_remote(caller, self.mends, &args),
            dir: &self.dir,
            args,
            stdin,
            env,
            config,
            caller,
            secrets,
            reads_output,
            timeout,
            silence,
            heard: heard.clone(),
        };
        call.run().map_err(|error| self.explain(error))
    }

    /// Where the password of the address was refused, git asks for another one, and says only that nobody answers.
    fn explain(&self, mut error: GitError) -> GitError {
        let has_password =
            matches!(&self.remote, Remote::Person { embedded, .. } if !embedded.config.is_empty());
        if has_password && error.kind == GitErrorKind::Authentication {
            "the server refuses the user name and password that stand in the remote's address"
                .clone_into(&mut error.message);
        }
        error
    }
}

/// True where a person's configuration names an ssh program.
fn names_ssh(dir: &Path) -> bool {
    ask(dir, &["config", "--get", "core.sshCommand"]).is_some()
}
