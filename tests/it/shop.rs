//! A shop to publish: a bare repository and a clone of it, in an environment of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

pub(super) const APP: &str = "\
# The shop.
apiVersion: cutwater.dev/v1alpha1
kind: App
metadata: {name: checkout}
spec:
  functions:
  - name: web   # takes the orders
    port: 8080
";

pub(super) fn digest(digit: &str) -> String {
    format!("ghcr.io/acme/checkout@sha256:{}", digit.repeat(64))
}

pub(super) fn app_with_image(digit: &str) -> String {
    format!("{APP}    image: {}\n", digest(digit))
}

/// A bare repository and a clone of it with one app, in an environment of its own.
pub(super) struct Shop {
    pub(super) dir: TempDir,
}

impl Shop {
    pub(super) fn new() -> Self {
        let shop = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        shop.git(shop.dir.path(), &["init", "-q", "--bare", "remote.git"]);
        shop.git(shop.dir.path(), &["clone", "-q", "remote.git", "clone"]);
        shop.write("apps/checkout/app.yaml", app_with_image("1"));
        shop.git(&shop.clone_dir(), &["add", "-A"]);
        // No two shops begin with the same commit, though they were made in one second.
        let date = format!("@{} +0000", fastrand::u32(1_600_000_000..1_700_000_000));
        let commit = (shop.sealed("git", &shop.clone_dir()))
            .args(["commit", "-q", "-m", "Change the shop"])
            .env("GIT_AUTHOR_DATE", date)
            .status();
        assert!(commit.unwrap().success());
        shop
    }

    pub(super) fn clone_dir(&self) -> PathBuf {
        self.dir.path().join("clone")
    }

    pub(super) fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    pub(super) fn sealed(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.dir.path().join("gitconfig"))
            .env("GIT_AUTHOR_NAME", "Ada Lovelace")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_COMMITTER_NAME", "Ada Lovelace")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com")
            .current_dir(dir);
        command
    }

    pub(super) fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = self
            .sealed("git", dir)
            .args(["-c", "init.defaultBranch=main"])
            .args(args)
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.clone_dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Sets a person's own configuration, of all repositories.
    pub(super) fn config(&self, name: &str, value: &str) {
        self.git(self.dir.path(), &["config", "--global", name, value]);
    }

    /// Makes a hook of the remote.
    pub(super) fn hook(&self, name: &str, script: &str) {
        let hook = self.remote().join("hooks").join(name);
        fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&hook, mode).unwrap();
    }

    /// Lets pushes of the clone run this at the remote, in the place of `git receive-pack`.
    pub(super) fn server(&self, script: &str) {
        let file = self.dir.path().join("receive-pack");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, mode).unwrap();
        let config = ["config", "remote.origin.receivepack"];
        let args = [&config[..], &[file.to_str().unwrap()]].concat();
        self.git(&self.clone_dir(), &args);
    }

    /// The same, with `$lost` in it for a `git receive-pack` that dies when it has changed its refs, before it says so.
    pub(super) fn losing_server(&self, script: &str) {
        let dies = "test \"$LOST\" && test \"$1\" = committed && kill -s KILL $PPID; exit 0";
        self.hook("reference-transaction", dies);
        let lost = "LOST=1 git receive-pack \"$@\"";
        self.server(&script.replace("$lost", lost));
    }

    pub(super) fn commit_all(&self) {
        self.git(&self.clone_dir(), &["add", "-A"]);
        self.git(
            &self.clone_dir(),
            &["commit", "-q", "-m", "Change the shop"],
        );
    }

    pub(super) fn commit(&self, path: &str, content: impl AsRef<[u8]>) {
        self.write(path, content);
        self.commit_all();
    }

    pub(super) fn command_in(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.sealed(env!("CARGO_BIN_EXE_cutwater"), dir);
        command.args(args);
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command_in(&self.clone_dir(), args).output().unwrap()
    }

    /// What `git` was called for by this command, as far as a remote was asked.
    pub(super) fn exchanges(&self, args: &[&str]) -> (Output, Vec<String>) {
        let (folder, log) = (
            self.dir.path().join("counting"),
            self.dir.path().join("calls"),
        );
        fs::create_dir_all(&folder).unwrap();
        fs::remove_file(&log).ok();
        let script = "#!/bin/sh\ncase $1 in fetch|push|ls-remote) echo $1 >> \"$CALLS\";; esac\nPATH=${PATH#*:} exec git \"$@\"\n";
        let wrapper = folder.join("git");
        fs::write(&wrapper, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&wrapper, mode).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut command = self.command_in(&self.clone_dir(), args);
        let output = command
            .env("PATH", path)
            .env("CALLS", &log)
            .output()
            .unwrap();
        let calls = fs::read_to_string(&log).unwrap_or_default();
        (output, calls.lines().map(str::to_owned).collect())
    }

    /// What a successful command prints.
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// What a refused command says.
    pub(super) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }

    /// What a refused command says with `--json`: the message, and the reason with its class.
    pub(super) fn error(&self, args: &[&str]) -> (String, String) {
        let said = self.refused(&[args, &["--json"]].concat());
        let last = said.lines().last().unwrap_or_default();
        let error: Json = serde_json::from_str(last).unwrap_or_else(|_| panic!("{said}"));
        let word = |field: &str| error["error"][field].as_str().unwrap().to_owned();
        let cause = format!("{} {}", word("reason"), word("class"));
        (word("message"), cause)
    }

    pub(super) fn publish(&self, args: &[&str]) -> String {
        self.ok(&[&["versions", "publish", "checkout"], args].concat())
    }

    pub(super) fn rev(&self, dir: &Path, name: &str) -> String {
        self.git(dir, &["rev-parse", name]).trim().to_owned()
    }

    /// Names of refs at the remote.
    pub(super) fn refs(&self) -> Vec<String> {
        let refs = self.git(&self.remote(), &["for-each-ref", "--format=%(refname)"]);
        refs.lines().map(str::to_owned).collect()
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
