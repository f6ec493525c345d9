//! Fetch and push, and a look at the tags: all that is done with a remote.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::ask;
use super::credentials::{Credentials, deliver};
use super::embedded::Embedded;
use super::error::{Caller, GitError, GitErrorKind};
use super::run::{Call, RESULT_MAX};
use super::url::RemoteUrl;

/// One ref that a push changes: to `new`, only if it is at `expected` now. Nothing means that the ref is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full name.
    pub name: String,
    /// What the remote must hold for this to happen.
    pub expected: Option<git2::Oid>,
    /// What it holds afterwards.
    pub new: Option<git2::Oid>,
}

/// A repository of this machine together with one remote of it.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
    remote: Remote,
}

#[derive(Debug, Clone)]
enum Remote {
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

/// How a fetch of what is missing begins.
const FETCH: [&str; 6] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--refmap=",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
];

/// Longest time for the look at the remote after a push that was stopped.
const LOOK: Duration = Duration::from_secs(10);

/// How each push begins.
const PUSH: [&str; 5] = [
    "push",
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
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
        }
    }

    /// The same remote for another repository of this machine.
    #[must_use]
    pub fn beside(&self, dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            remote: self.remote.clone(),
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
        let options = [
            "fetch",
            "--quiet",
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
        self.call(args, Vec::new(), stdin, false, timeout).map(drop)
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

    /// Fetches older commits of a branch into a shallow clone: so many, or all of them.
    ///
    /// # Errors
    /// In the words of `git`, without credentials; also where the clone is not shallow.
    pub fn deepen(
        &self,
        refspec: &str,
        commits: Option<u32>,
        timeout: Duration,
    ) -> Result<(), GitError> {
        let depth = commits.map_or_else(
            || "--unshallow".to_owned(),
            |commits| format!("--deepen={commits}"),
        );
        let mut args = FETCH.map(OsString::from).to_vec();
        args.extend([depth.as_str(), "--stdin", "--end-of-options"].map(OsString::from));
        let stdin = format!("{refspec}\n");
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

    /// Pushes these changes, each only if the remote is as expected; all or none where `atomic`.
    ///
    /// # Errors
    /// In the words of `git` and the server. Which changes were made, the refs say: read them again.
    pub fn push(
        &self,
        updates: &[RefUpdate],
        atomic: bool,
        timeout: Duration,
    ) -> Result<(), GitError> {
        let mut args = PUSH.map(OsString::from).to_vec();
        if atomic {
            args.push("--atomic".into());
        }
        let text = |oid: Option<git2::Oid>| oid.map_or_else(String::new, |oid| oid.to_string());
        for update in updates {
            let expected = text(update.expected);
            args.push(format!("--force-with-lease={}:{expected}", update.name).into());
        }
        args.push("--end-of-options".into());
        let specs = updates
            .iter()
            .map(|update| format!("{}:{}", text(update.new), update.name).into())
            .collect();
        let pushed = self.call(args, specs, String::new(), false, timeout);
        pushed
            .map(drop)
            .or_else(|error| self.stopped(updates, error))
    }

    /// What became of a push that a signal ended: done where everything arrived all the same, else an error that says what did
    /// and what did not. Other errors are given back.
    ///
    /// # Errors
    /// As it is told, with what the remote holds now.
    pub fn stopped(&self, updates: &[RefUpdate], error: GitError) -> Result<(), GitError> {
        if error.kind != GitErrorKind::Interrupted {
            return Err(error);
        }
        // Some servers show no others than these.
        let shown = |update: &&RefUpdate| {
            let name = &update.name;
            let usual = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
            usual && update.expected != update.new
        };
        let wanted: Vec<&RefUpdate> = updates.iter().filter(shown).collect();
        let names = wanted.iter().map(|update| (&update.name).into()).collect();
        let options = ["ls-remote", "--quiet", "--refs", "--end-of-options"];
        let args = options.map(OsString::from).to_vec();
        let said = self.call(args, names, String::new(), true, LOOK);
        let fail = |message: String| {
            Err(GitError {
                message,
                ..error.clone()
            })
        };
        let said = match said {
            Ok(said) => String::from_utf8_lossy(&said).into_owned(),
            Err(away) => {
                return fail(format!(
                    "the push was stopped; whether it arrived is not known, because the remote cannot be looked at ({away})"
                ));
            }
        };
        let now: HashMap<&str, &str> = (said.lines())
            .filter_map(|line| line.split_once('\t').map(|(oid, name)| (name, oid)))
            .collect();
        let arrived = |update: &&&RefUpdate| {
            let oid = update.new.map(|oid| oid.to_string());
            now.get(update.name.as_str()).copied() == oid.as_deref()
        };
        let names = |updates: &mut dyn Iterator<Item = &&RefUpdate>| -> String {
            let names = updates.map(|update| update.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let missing = names(&mut wanted.iter().filter(|update| !arrived(update)));
        let there = names(&mut wanted.iter().filter(arrived));
        match (missing.is_empty(), there.is_empty()) {
            (true, false) => Ok(()),
            (_, true) => fail(format!(
                "stopped, and not pushed: the remote holds nothing of it{}",
                self.may_go_on()
            )),
            (false, false) => fail(format!(
                "stopped in the middle: {there} arrived, and {missing} did not{}",
                self.may_go_on()
            )),
        }
    }

    /// A server elsewhere is not ended with the push.
    fn may_go_on(&self) -> &'static str {
        match &self.remote {
            Remote::Person { local: true, .. } => "",
            _ => " (a server that was at work on it may take it yet: look again)",
        }
    }

    /// Pushes all refs below `prefix` (with a slash at its end) to the refs of those names below `refs/`. Where another one is
    /// there already, it stays, and that is an error: git takes neither another tag nor an unrelated commit without force.
    ///
    /// With a refspec for each, git compares each with every ref of the remote: importing 3,000 versions took 17 s of processor
    /// time in that way, and takes one in this.
    ///
    /// # Errors
    /// In the words of `git` and the server. Which refs were made, the refs say: read them again.
    pub fn push_new(&self, prefix: &str, timeout: Duration) -> Result<(), GitError> {
        let mut args = PUSH.map(OsString::from).to_vec();
        args.push("--end-of-options".into());
        let specs = vec![format!("{prefix}*:refs/*").into()];
        self.call(args, specs, String::new(), false, timeout)
            .map(drop)
    }

    /// Runs `args`, the remote, `rest`. Gives what it printed where that is wanted.
    fn call(
        &self,
        mut args: Vec<OsString>,
        rest: Vec<OsString>,
        stdin: String,
        reads_output: bool,
        timeout: Duration,
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
        let call = Call {
            is_push: caller == Caller::Person && args.first().is_some_and(|arg| arg == "push"),
            dir: &self.dir,
            args,
            stdin,
            env,
            config,
            caller,
            secrets,
            reads_output,
            timeout,
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
