//! Why a call of `git` failed, and what can be done about it.

use std::io::ErrorKind;
use std::time::Duration;

/// A call of the `git` program that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GitError {
    /// What kind of failure it was.
    pub kind: GitErrorKind,
    /// Whose call it was: what can be done differs.
    pub caller: Caller,
    /// What `git` or the server said: bounded, in one piece, without credentials and control characters.
    pub message: String,
}

/// On whose behalf `git` was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A person or a pipeline, with its own configuration of git and ssh.
    Person,
    /// The controller, with nothing but the credentials of a Secret.
    Controller,
    /// `cutwater serve`, with nothing but the credentials that its flags name.
    Server,
}

/// Kinds of failure. A guess from the exit and the text: for people and conditions, never to decide what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitErrorKind {
    /// `git` cannot be started.
    NoGit,
    /// It took longer than allowed and was ended.
    TimedOut,
    /// The same of a fetch whose server answers: it may do with more time.
    TakesLong,
    /// All that was asked for came, and was not taken in before the call was ended.
    Unfinished,
    /// A signal to this program ended it. Nothing is tried again then. Of a push nothing, or not all, is at the remote.
    Interrupted,
    /// A signal came before it was begun: nothing was sent.
    NotBegun,
    /// A signal ended a push, and whether it arrived is not known: the remote cannot be looked at, is at work on it yet, or somebody
    /// moved a ref meanwhile.
    Unsettled,
    /// The web server wants a user name and a password or a token, or others.
    Authentication,
    /// The ssh server accepts none of the keys.
    Key,
    /// The server knows who asks, and does not allow this.
    Forbidden,
    /// There is no repository at that address, or nothing that may be read.
    NotARepository,
    /// The web server's certificate is not trusted.
    Certificate,
    /// The ssh server's host key is not known, or another one.
    HostKey,
    /// A ref that was asked for is not there.
    MissingRef,
    /// The server refused a change, mostly by a hook.
    Refused,
    /// A rule of the server protects the tag or the ref.
    Protected,
    /// A disk or a quota is full, or what is pushed is larger than allowed.
    Full,
    /// History is missing here or there, and the server wants it.
    Shallow,
    /// The server takes several refs one by one only.
    NotAtomic,
    /// One side has SHA-1 object ids and the other SHA-256.
    ObjectFormat,
    /// Another process holds a lock, or left it there.
    Locked,
    /// A ref whose name is the beginning of the new one's is in the way.
    InTheWay,
    /// Signed pushes are asked for, and the server takes none.
    SignedPush,
    /// The remote is set up as a mirror.
    Mirror,
    /// The ref was moved or made by somebody else.
    Moved,
    /// The files of the repository may not be read or written.
    NotWritable,
    /// The server sends to another address.
    Redirected,
    /// Nothing takes a connection at that host and port.
    Away,
    /// The host's name is not known.
    UnknownHost,
    /// The proxy is away, or refuses.
    Proxy,
    /// The server answered, and had a problem of its own.
    Server,
    /// Anything else: mostly the network.
    Unreachable,
}

/// How it is said that there was no program to say anything.
const NOT_STARTED: &str = "the program `git` could not be started";

impl GitError {
    /// The program `git`, or a thread that it takes, could not be started.
    pub(crate) fn not_started(error: &std::io::Error, caller: Caller) -> Self {
        let remedy = match error.kind() {
            ErrorKind::NotFound => "install git 2.36 or newer and put it on the PATH",
            ErrorKind::PermissionDenied => {
                "this account must be allowed to run it, and to enter the folder of the repository"
            }
            _ => {
                "the system has no process, thread, file or memory left for it; raise its limits (ulimit -u and -n, TasksMax, the limits of the pod), or end what uses them up"
            }
        };
        let kind = match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => GitErrorKind::NoGit,
            _ => GitErrorKind::Unreachable,
        };
        Self {
            kind,
            caller,
            message: format!("{NOT_STARTED} ({error}); {remedy}"),
        }
    }

    pub(super) fn timed_out(after: Duration, caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::TimedOut,
            caller,
            message: format!("no answer within {} s", after.as_secs_f32()),
        }
    }

    /// It was not at its end by then, and the server answers.
    pub(super) fn takes_long(after: Duration, caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::TakesLong,
            caller,
            message: format!("not at its end after {} s", after.as_secs_f32()),
        }
    }

    /// It went on, and had not ended by then.
    pub(super) fn took_too_long(after: Duration, caller: Caller) -> Self {
        let minutes = after.as_secs().div_ceil(60);
        Self {
            kind: GitErrorKind::TimedOut,
            caller,
            message: format!("not at its end after {minutes} min"),
        }
    }

    /// Everything came, and git had not finished with it by then.
    pub(super) fn not_finished(after: Duration, caller: Caller) -> Self {
        let minutes = after.as_secs().div_ceil(60);
        Self {
            kind: GitErrorKind::Unfinished,
            caller,
            message: format!(
                "everything came, and git had not finished with it after {minutes} min"
            ),
        }
    }

    pub(super) fn interrupted(caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::Interrupted,
            caller,
            message: "stopped".to_owned(),
        }
    }

    /// A signal came before the call was begun.
    pub(super) fn not_begun(caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::NotBegun,
            caller,
            message: "stopped before it was begun".to_owned(),
        }
    }

    /// True where the program is to end: then nothing is tried again.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        let kinds = [
            GitErrorKind::Interrupted,
            GitErrorKind::NotBegun,
            GitErrorKind::Unsettled,
        ];
        kinds.contains(&self.kind)
    }

    /// The same, where the person stopped it and an earlier push of the same thing got no answer.
    #[must_use]
    pub fn after(self, may_arrive: bool) -> Self {
        if !may_arrive || !self.is_interrupt() {
            return self;
        }
        Self {
            message: format!(
                "{}; an earlier try got no answer, and may arrive yet: look again",
                self.message
            ),
            ..self
        }
    }

    /// True for a push to which the server gave no answer: it may have taken it, and may take it yet.
    #[must_use]
    pub fn may_arrive(&self) -> bool {
        let kinds = [
            GitErrorKind::TimedOut,
            GitErrorKind::Unsettled,
            GitErrorKind::Server,
            GitErrorKind::Unreachable,
        ];
        kinds.contains(&self.kind) && !self.message.starts_with(NOT_STARTED)
    }

    /// True for a push that may be there already: a request that was sent twice on the way finds the first one, and is refused.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        self.may_arrive() || self.kind == GitErrorKind::Moved
    }

    /// A call that succeeded printed what it never should.
    pub(super) fn unknown_output(call: &str, caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::Unreachable,
            caller,
            message: format!("`{call}` printed what is not understood; use git 2.36 or newer"),
        }
    }

    /// Something that a call needs could not be made on this machine.
    pub(super) fn local(what: &str, error: &std::io::Error, caller: Caller) -> Self {
        Self {
            kind: GitErrorKind::Unreachable,
            caller,
            message: format!("{what}: {error}"),
        }
    }

    /// True where `git` itself said what is wrong: it was started, and ended by itself.
    pub(super) fn is_told(&self) -> bool {
        let kinds = [
            GitErrorKind::TimedOut,
            GitErrorKind::TakesLong,
            GitErrorKind::Unfinished,
            GitErrorKind::NoGit,
            GitErrorKind::Interrupted,
            GitErrorKind::NotBegun,
            GitErrorKind::Unsettled,
        ];
        !kinds.contains(&self.kind)
            && !self.message.is_empty()
            && !self.message.starts_with(NOT_STARTED)
    }

    /// False where a damaged repository on this machine is hardly the cause.
    #[must_use]
    pub fn may_be_local(&self) -> bool {
        !matches!(
            self.kind,
            GitErrorKind::NoGit
                | GitErrorKind::TimedOut
                | GitErrorKind::TakesLong
                | GitErrorKind::Unfinished
                | GitErrorKind::Interrupted
                | GitErrorKind::NotBegun
                | GitErrorKind::Unsettled
                | GitErrorKind::Authentication
                | GitErrorKind::Key
                | GitErrorKind::Forbidden
                | GitErrorKind::Certificate
                | GitErrorKind::HostKey
                | GitErrorKind::MissingRef
                | GitErrorKind::Full
                | GitErrorKind::Locked
                | GitErrorKind::Redirected
                | GitErrorKind::Away
                | GitErrorKind::UnknownHost
                | GitErrorKind::Proxy
        )
    }

    /// How a message begins about what was pushed and is not there: not every failure is a refusal.
    #[must_use]
    pub fn not_taken(&self) -> &'static str {
        match self.kind {
            GitErrorKind::Refused
            | GitErrorKind::Protected
            | GitErrorKind::Forbidden
            | GitErrorKind::Full
            | GitErrorKind::Shallow
            | GitErrorKind::NotAtomic
            | GitErrorKind::InTheWay
            | GitErrorKind::Locked
            | GitErrorKind::Moved
            | GitErrorKind::NotWritable => "the remote refused to take",
            _ => "the remote did not take",
        }
    }

    /// What to do about it, to stand behind the message; may be empty.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        let person = self.caller == Caller::Person;
        let server = self.caller == Caller::Server;
        match self.kind {
            GitErrorKind::Authentication if person => {
                " (log in: run `git fetch` once where git can ask you, or set up a credential helper; in a pipeline, give git its token)"
            }
            GitErrorKind::Authentication if server => {
                " (check the token in the file of --token-file or in CUTWATER_TOKEN, and --username)"
            }
            GitErrorKind::Authentication => {
                " (check username and password, or bearerToken, in the Secret that spec.secretRef names)"
            }
            GitErrorKind::Key if person => {
                " (no key was accepted: see `ssh-add -l`; load yours with `ssh-add`, or name it as IdentityFile in ~/.ssh/config, and add its public half to your account)"
            }
            GitErrorKind::Key if server => {
                " (check the key of --ssh-key-file: the server has to know its public half)"
            }
            GitErrorKind::Key => {
                " (check ssh-privatekey in the Secret that spec.secretRef names: the server has to know its public half)"
            }
            GitErrorKind::Forbidden if person => {
                " (you were recognised, and may not do this: ask for the right to push, or use another account or token)"
            }
            GitErrorKind::Forbidden if server => {
                " (the credential is recognised, and may not do this: give it that right)"
            }
            GitErrorKind::Forbidden => {
                " (the credential in the Secret is recognised, and may not read this repository: give it that right)"
            }
            GitErrorKind::NotARepository => {
                " (check the address; a private repository needs credentials)"
            }
            GitErrorKind::Certificate if person => {
                " (name the certificate authority: git config http.sslCAInfo FILE; check the host's name and the clock)"
            }
            GitErrorKind::Certificate if server => {
                " (name the file with the certificate authority with --ca-file)"
            }
            GitErrorKind::Certificate => {
                " (put the certificate authority into ca.crt of the Secret that spec.secretRef names)"
            }
            GitErrorKind::HostKey if person => {
                " (compare the server's fingerprint with the one that it publishes, then run ssh to that host once and accept it; a key that changed is removed with `ssh-keygen -R HOST`)"
            }
            GitErrorKind::HostKey if server => {
                " (put the line of the server's host key into the file of --known-hosts-file)"
            }
            GitErrorKind::HostKey => {
                " (put the line of the server's host key into known_hosts of the Secret that spec.secretRef names)"
            }
            GitErrorKind::Refused => {
                " (a rule of the server: its own words say which; change what they name, or ask who runs it)"
            }
            GitErrorKind::Protected => {
                " (whoever publishes must be allowed to create tags <app>/* there, and to write refs/cutwater/*: change the rule, or use an account that it exempts)"
            }
            GitErrorKind::Full if server => {
                " (the disk with the folder of --state is full, or a limit of it is reached: make room)"
            }
            GitErrorKind::Full => {
                " (make room, raise the limit, or publish less: large files belong into the image)"
            }
            GitErrorKind::Shallow => {
                " (fetch what is missing, on the side that is shallow: git fetch --unshallow)"
            }
            GitErrorKind::NotAtomic => " (the server takes one ref at a time)",
            GitErrorKind::ObjectFormat => {
                " (SHA-256 repositories are not supported: use one made with `git init --object-format=sha1`)"
            }
            GitErrorKind::Locked => {
                " (if no other process is at work there, one has died: remove the file that is named, and try again)"
            }
            GitErrorKind::InTheWay => {
                " (a tag or ref with the name of the app is in the way: rename or delete it)"
            }
            GitErrorKind::Moved => {
                " (what is fetched and what is pushed to are not the same; if nobody else was at work, pushes lead to another repository: compare `git remote get-url REMOTE` with `git remote get-url --push REMOTE`)"
            }
            GitErrorKind::SignedPush => {
                " (push.gpgSign asks for signed pushes, which this server does not take: git config push.gpgSign if-asked)"
            }
            GitErrorKind::Mirror => {
                " (the remote is set up as a mirror, to which git pushes all refs or none: use one without remote.NAME.mirror)"
            }
            GitErrorKind::NotWritable => {
                " (the account that the server works under may not read or write the files of that repository: check their owner and mode)"
            }
            GitErrorKind::Redirected => {
                " (the server sends to another address: use that one; credentials are not sent along)"
            }
            GitErrorKind::Away => {
                " (nothing answers there: check the host and the port in the address, whether the server is up, and whether a firewall is between)"
            }
            GitErrorKind::UnknownHost => " (check the name in the address, and DNS)",
            GitErrorKind::Proxy if person => {
                " (check http.proxy in git's configuration, HTTPS_PROXY and NO_PROXY, and the user name and password for the proxy)"
            }
            GitErrorKind::Proxy if server => {
                " (check HTTPS_PROXY and NO_PROXY in the environment of serve)"
            }
            GitErrorKind::Proxy => {
                " (check HTTPS_PROXY and NO_PROXY in the controller's environment)"
            }
            GitErrorKind::Server => {
                " (the server has a problem of its own: try again later, or see its log)"
            }
            GitErrorKind::TimedOut if person => {
                " (the server is slow or away: try again, or allow more with --timeout)"
            }
            GitErrorKind::TimedOut => " (the server is slow or away; it is tried again)",
            GitErrorKind::Unfinished => {
                " (the disk or the processors of this machine are slow, or busy with something else; it is tried again)"
            }
            GitErrorKind::NoGit
            | GitErrorKind::TakesLong
            | GitErrorKind::Interrupted
            | GitErrorKind::NotBegun
            | GitErrorKind::Unsettled
            | GitErrorKind::MissingRef
            | GitErrorKind::Unreachable => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_git_from_starting_is_told_apart() {
        let said = |kind: ErrorKind| {
            let error = GitError::not_started(&std::io::Error::from(kind), Caller::Controller);
            (error.kind, error.message)
        };
        let (kind, message) = said(ErrorKind::NotFound);
        assert!(kind == GitErrorKind::NoGit && message.contains("install git"));
        let (kind, message) = said(ErrorKind::PermissionDenied);
        assert!(kind == GitErrorKind::NoGit && message.contains("must be allowed"));
        // What the system says where it gives no process or thread (EAGAIN) and no memory.
        for kind in [ErrorKind::WouldBlock, ErrorKind::OutOfMemory] {
            let (kind, message) = said(kind);
            assert_eq!(kind, GitErrorKind::Unreachable);
            assert!(message.contains("raise its limits"), "{message}");
            assert!(!message.contains("install"), "{message}");
        }
    }
}
