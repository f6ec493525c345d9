//! Publishing from a warm clone, beside git's own plumbing: `git write-tree`, `git commit-tree` and `git push`.
//!
//! Each has a clone and a remote of its own, with the same content. Before each time, outside of the measure, one file is
//! changed and committed, and the branch is pushed, as where a pipeline publishes what was merged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::lab::cutwater;
use crate::lab::releases::IMAGE;
use crate::store::{compare, finish, git, sealed, timed};

const ROUNDS: usize = 15;

/// Publishes an app of that many files again and again.
pub fn measure(files: usize) {
    let dir = tempfile::tempdir().unwrap();
    let [ours, bare] = ["ours", "bare"].map(|name| clone(dir.path(), name, files));
    let (mut published, mut pushed) = (0, 0);
    compare(
        &format!("publishing an app of {files} files, one of them new"),
        ROUNDS,
        || {
            published += 1;
            change(&ours, published);
            publish(&ours)
        },
        || {
            pushed += 1;
            change(&bare, pushed);
            plumbing(&bare, pushed)
        },
    );
}

/// A clone with an app, and its remote beside it. A hundred files a folder.
fn clone(dir: &Path, name: &str, files: usize) -> PathBuf {
    let remote = format!("{name}.git");
    git(dir, &["init", "-q", "--bare", "-b", "main", &remote]);
    git(dir, &["init", "-q", "-b", "main", name]);
    let clone = dir.join(name);
    git(
        &clone,
        &["remote", "add", "origin", &format!("../{remote}")],
    );
    let app = clone.join("apps/checkout");
    for file in 2..files {
        let folder = app.join(format!("public/{}", file / 100));
        fs::create_dir_all(&folder).unwrap();
        let line = format!("file {file}\n");
        fs::write(folder.join(format!("{file}.txt")), line.repeat(60)).unwrap();
    }
    fs::create_dir_all(&app).unwrap();
    let yaml = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: checkout}}\nspec:\n  functions:\n  - name: web\n    image: {IMAGE}\n    port: 8080\n"
    );
    fs::write(app.join("app.yaml"), yaml).unwrap();
    clone
}

fn change(clone: &Path, round: u32) {
    fs::write(clone.join("apps/checkout/changed"), round.to_string()).unwrap();
    git(clone, &["add", "-A"]);
    git(clone, &["commit", "-q", "-m", "A change"]);
    git(clone, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
}

fn publish(clone: &Path) -> Duration {
    timed(|| {
        let mut command = sealed(cutwater(), clone);
        finish(command.args(["versions", "publish", "checkout"]));
    })
}

/// The same refs with the same trees.
fn plumbing(clone: &Path, number: u32) -> Duration {
    let said = |args: &[&str]| {
        let mut command = sealed(Path::new("git"), clone);
        let output = command.args(args).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    timed(|| {
        let tree = said(&["write-tree", "--prefix=apps/checkout/"]);
        let commit = said(&["commit-tree", "-m", "A version", &tree]);
        let places = [
            format!("refs/tags/checkout/v{number}"),
            "refs/cutwater/checkout/last".to_owned(),
            format!("refs/cutwater/checkout/ids/{tree}"),
        ];
        let specs = places.map(|place| format!("+{commit}:{place}"));
        let mut args = vec!["push", "-q", "--atomic", "origin"];
        args.extend(specs.iter().map(String::as_str));
        said(&args);
    })
}
