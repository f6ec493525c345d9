//! The integration tests, as one program: what they share is compiled once, and one API server serves them all.
//!
//! Each file under `tests/it/` is a module here, with one line that says what it is about.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    let_underscore_drop,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has said what it has to say, and nobody outside uses it"
)]

use std::path::Path;

mod lab;
mod support;

mod it {
    /// Pushes of versions and labels whose answer is lost.
    mod answers;
    /// The rows of docs/compared.md and their tests.
    mod compared;
    /// What a shell completes, as the engine and as bash see it.
    mod completions;
    /// The custom resources: what the API server takes, refuses and prints.
    mod crds;
    /// `cutwater versions delete`: tombstones, users, and others at work at the same time.
    mod delete;
    /// `cutwater deployments`: what was deployed and what is served, from git.
    mod deployments;
    /// `cutwater versions diff`, beside `git diff`.
    mod diff;
    /// The documentation: links, fields, flags, reasons and rights.
    mod docs;
    /// The commands of the README and of the example.
    mod examples;
    /// Faults and bad input: what is said, what stays, and how it recovers.
    mod faults;
    /// `cutwater versions files` and `export`, hostile snapshots among them.
    mod files;
    /// A short run of the fuzzers.
    mod fuzz;
    /// The embedded gateway: splits, bodies, limits, swaps under load.
    mod gateway;
    /// The harness itself: a control plane with pods that KWOK plays.
    mod harness;
    /// Repositories that mean harm.
    mod hostile;
    /// `cutwater versions import`, between two repositories.
    mod import;
    /// `cutwater init`: what it writes works, and it overwrites nothing.
    mod init;
    /// What `--json` prints, held to the schemas in docs/schemas.
    mod json;
    /// Labels of versions: given, moved, removed, raced for.
    mod labels;
    /// Which module may use which.
    mod layering;
    /// `cutwater versions list` and `view`: pages, filters, content, and who uses a version.
    mod live;
    /// The manual: man pages, and docs/cli.md.
    mod manual;
    /// The controller's mirror of a repository, with hostile ones among them.
    mod mirror;
    /// Slips of a newcomer: each is answered with what is wrong, where, and what to do.
    mod mistakes;
    /// Numbers of versions come once, whatever the host keeps.
    mod numbers;
    /// What is laid over a commit at publish, and that the same content has the same id.
    mod overlays;
    /// Where a rollback goes, for histories of every kind.
    mod past;
    /// What people see at a terminal, and what scripts are told.
    mod people;
    /// `cutwater plan`: what a merge does, between real commits of a real clone.
    mod plan;
    /// The line that says what is being done, at a terminal and without one.
    mod progress;
    /// `cutwater versions`, with real clones and real bare repositories.
    mod publish;
    /// The main job: publish, deploy, shift.
    mod release;
    /// `cutwater deploy`, `rollback` and `alias`: commits on `releases/`.
    mod releasing;
    /// Versions at remotes of every kind, on real servers: faults, races, crashes.
    mod remotes;
    /// A mirror that is damaged while it is followed.
    mod renewal;
    /// Many apps in one repository: bytes on the wire, and a mirror that stays small.
    mod scale;
    /// `cutwater serve`: programs for pods, and a gateway of its own.
    mod serve;
    /// `cutwater.yaml`.
    mod settings;
    /// Several apps at once, and what a pipeline leaves in a version.
    mod several;
    /// A release repository and a clone of it, which the tests above work with.
    mod shop;
    /// Signed versions.
    mod signing;
    /// Pushes that a person or a pipeline stops.
    mod stopped;
    /// Releases by pull request: what is merged to the branch of a Repository is applied to its namespace.
    mod sync;
    /// Publishing from refs that were seen some time ago.
    mod warm;
    /// Webhooks at the controller: a push is fetched at once, and strangers learn and hold up nothing.
    mod webhooks;
    /// `versions publish --working-tree` in sparse clones and in the middle of a merge.
    mod work_tree;
}

/// A file that nobody declared would never run, and nobody would notice.
#[test]
fn every_file_under_it_is_a_module() {
    fn declared_in(file: &Path, folder: &Path) {
        let text = std::fs::read_to_string(file).unwrap();
        let declares = |name: &str| {
            let declaration = format!("mod {name};");
            (text.lines()).any(|line| line.trim().trim_start_matches("pub ") == declaration)
        };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                declared_in(&path.with_extension("rs"), &path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let (file, path) = (file.display(), path.display());
                assert!(
                    declares(&name),
                    "{path} is not declared in {file}, so its tests never run"
                );
            }
        }
    }
    let tests = support::tools::checkout().join("tests");
    declared_in(&tests.join("it.rs"), &tests.join("it"));
}
