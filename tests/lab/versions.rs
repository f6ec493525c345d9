//! Versions by the thousand: the commits and refs that `cutwater versions publish` makes, by one `git fast-import`.
//!
//! Refs are written packed, as a server's upkeep leaves them: a file for each of hundreds of thousands takes minutes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use git2::{ObjectType, Oid};

use super::releases::IMAGE;

/// Fields of the one function of each app, below `image` and `port`.
pub struct Recipe<'a> {
    pub image: &'a str,
    pub fields: &'a str,
}

impl Default for Recipe<'_> {
    fn default() -> Self {
        Self {
            image: IMAGE,
            fields: "scale: {min: 1}",
        }
    }
}

/// The name of the app with that number.
pub fn app(number: usize) -> String {
    format!("app-{number:04}")
}

/// Puts versions of apps into a bare repository, with their tags, `last` and hints. They differ in their tree, as versions
/// do. The numbers rise.
pub fn import(remote: &Path, apps: &[String], numbers: &[u32], recipe: &Recipe<'_>) {
    let marks = remote.join("import-marks");
    let mut child = Command::new("git")
        .arg("-C")
        .arg(remote)
        .args(["fast-import", "--quiet", "--done"])
        .arg(format!("--export-marks={}", marks.display()))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = std::io::BufWriter::new(child.stdin.take().unwrap());
    // Names of refs by the mark of their commit.
    let mut names: Vec<(usize, String)> = Vec::new();
    let mut mark = 0;
    for app in apps {
        for number in numbers {
            mark += 1;
            let yaml = format!(
                "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: {app}}}\nspec:\n  functions:\n  - name: web\n    image: {}\n    port: 8080\n    {}\n",
                recipe.image, recipe.fields
            );
            let message = format!(
                "{app} v{number}: measured\n\nCutwater-App: {app}\nCutwater-Version: {number}\nCutwater-Source: cli\n"
            );
            let marker = format!("{number}\n");
            for text in [
                "reset refs/heads/import\n".to_owned(),
                format!("commit refs/heads/import\nmark :{mark}\n"),
                "author A Tester <tester@example.com> 1700000000 +0000\n".to_owned(),
                "committer A Tester <tester@example.com> 1700000000 +0000\n".to_owned(),
                data(&message),
                format!("M 100644 inline app.yaml\n{}", data(&yaml)),
                format!("M 100644 inline marker\n{}\n", data(&marker)),
            ] {
                stream.write_all(text.as_bytes()).unwrap();
            }
            names.push((mark, format!("refs/tags/{app}/v{number}")));
            let tree = tree_of(&yaml, &marker);
            names.push((mark, format!("refs/cutwater/{app}/ids/{tree}")));
        }
        names.push((mark, format!("refs/cutwater/{app}/last")));
    }
    let nothing = "0".repeat(40);
    write!(stream, "reset refs/heads/import\nfrom {nothing}\n\ndone\n").unwrap();
    drop(stream);
    assert!(child.wait().unwrap().success(), "git fast-import failed");
    let text = std::fs::read_to_string(&marks).unwrap();
    std::fs::remove_file(&marks).unwrap();
    let commits: BTreeMap<usize, &str> = (text.lines())
        .map(|line| line.strip_prefix(':').unwrap().split_once(' ').unwrap())
        .map(|(mark, commit)| (mark.parse().unwrap(), commit))
        .collect();
    let names = names.into_iter();
    pack(
        remote,
        names.map(|(mark, name)| (name, commits[&mark].to_owned())),
    );
}

/// Adds refs to the packed ones.
fn pack(remote: &Path, refs: impl Iterator<Item = (String, String)>) {
    let path = remote.join("packed-refs");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut all: BTreeMap<String, String> = (before.lines())
        .filter(|line| !line.starts_with(['#', '^']))
        .filter_map(|line| line.split_once(' '))
        .map(|(commit, name)| (name.to_owned(), commit.to_owned()))
        .collect();
    all.extend(refs);
    let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    for (name, commit) in all {
        writeln!(text, "{commit} {name}").unwrap();
    }
    std::fs::write(path, text).unwrap();
}

fn tree_of(yaml: &str, marker: &str) -> Oid {
    let mut tree = Vec::new();
    for (name, content) in [("app.yaml", yaml), ("marker", marker)] {
        let blob = Oid::hash_object(ObjectType::Blob, content.as_bytes()).unwrap();
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend_from_slice(blob.as_bytes());
    }
    Oid::hash_object(ObjectType::Tree, &tree).unwrap()
}

fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}
