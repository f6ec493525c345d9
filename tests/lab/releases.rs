//! A release repository: a bare remote, a clone, and the real program to publish with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::cutwater;

/// A release repository in a directory of its own.
pub struct Releases {
    directory: PathBuf,
    /// The image of each function, pinned by digest.
    image: String,
    /// Fields that each function has.
    common: String,
}

impl Releases {
    /// Makes the remote and a clone with one commit.
    pub fn new(directory: &Path) -> Self {
        Self::of_image(directory, IMAGE, "")
    }

    /// The same, for functions that have this image and these fields.
    pub fn of_image(directory: &Path, image: &str, common: &str) -> Self {
        std::fs::create_dir_all(directory.join("home")).unwrap();
        let releases = Self {
            directory: directory.to_owned(),
            image: image.to_owned(),
            common: common.to_owned(),
        };
        releases.git_in(
            directory,
            &["init", "--quiet", "--bare", "-b", "main", "remote.git"],
        );
        releases.git_in(directory, &["init", "--quiet", "-b", "main", "work"]);
        releases.git(&["remote", "add", "origin", "../remote.git"]);
        releases.write("README.md", "A release repository.\n");
        releases.commit("Begin");
        releases
    }

    /// The path of the remote, as a Repository names it.
    pub fn url(&self) -> String {
        self.remote().to_string_lossy().into_owned()
    }

    pub fn remote(&self) -> PathBuf {
        self.directory.join("remote.git")
    }

    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// Writes a file of the branch.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes `apps/<app>/app.yaml` with one function `web` and these further fields.
    pub fn app(&self, app: &str, fields: &str) {
        self.app_of(app, &self.image, fields);
    }

    /// The same, with another image.
    pub fn app_of(&self, app: &str, image: &str, fields: &str) {
        let head = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: {app}}}\nspec:\n  functions:\n"
        );
        let function = format!(
            "  - name: web\n    image: {image}\n    port: 8080\n{}{}",
            indented(&self.common, 4),
            indented(fields, 4)
        );
        self.write(
            &format!("apps/{app}/app.yaml"),
            &format!("{head}{function}"),
        );
    }

    /// Commits everything and pushes it.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["push", "--quiet", "origin", "main"]);
    }

    /// Writes an app with these fields and a marker, commits and publishes it; its number.
    pub fn publish(&self, app: &str, fields: &str) -> u32 {
        self.app(app, fields);
        self.publish_written(app)
    }

    /// Adds a marker to what is written, commits and publishes it; its number.
    pub fn publish_written(&self, app: &str) -> u32 {
        self.write(&format!("apps/{app}/marker"), &format!("{}\n", uuid()));
        self.commit(&format!("Change {app}"));
        self.publish_head(app)
    }

    /// Publishes what the branch holds; its number.
    pub fn publish_head(&self, app: &str) -> u32 {
        self.publish_with(app, &[])
    }

    /// The same, with further arguments.
    pub fn publish_with(&self, app: &str, more: &[&str]) -> u32 {
        let output = self.cutwater(&[&["versions", "publish", app, "--json"], more].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("publish said: {text}{errors}"));
        let number = value.pointer("/version/number");
        let number = number.and_then(serde_json::Value::as_u64);
        u32::try_from(number.unwrap_or_else(|| panic!("no number in {text}"))).unwrap()
    }

    /// Runs the program in the clone.
    pub fn cutwater(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(cutwater());
        self.seal(&mut command)
            .current_dir(self.work())
            .args(arguments);
        command.output().unwrap()
    }

    /// Runs git in the clone.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.work(), arguments)
    }

    /// Runs git in a directory.
    pub fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        self.seal(&mut command)
            .current_dir(directory)
            .args(arguments);
        let output = command.output().unwrap();
        let (said, errors) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "git {arguments:?}: {said}{errors}");
        said.trim().to_owned()
    }

    /// Nothing of the person who runs the tests gets in.
    fn seal<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HOME", self.directory.join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "A Tester")
            .env("GIT_AUTHOR_EMAIL", "tester@example.com")
            .env("GIT_COMMITTER_NAME", "A Tester")
            .env("GIT_COMMITTER_EMAIL", "tester@example.com")
    }
}

/// Where no image is pulled, any digest will do.
pub const IMAGE: &str =
    "example.com/app@sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn indented(text: &str, by: usize) -> String {
    (text.lines())
        .map(|line| format!("{}{line}\n", " ".repeat(by)))
        .collect()
}

/// A word that no other call returns.
fn uuid() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
