//! The commands of the README and of the example: they are run in their order, and print what the page shows.
//!
//! Each fenced `sh` block is run, unless the line before it is a comment `<!-- not run: why -->`; all blocks of a page share
//! one shell. A `text` block right behind it is what it prints. Compared are words, and alike are any two ids, commits, dates,
//! times and ages; a line `...` stands for any lines. Where a page says 8080 and 8081 of this machine, ports that are free are
//! taken.

/// What `make demo` prints.
mod demo;
/// The programs of the example.
mod functions;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::{self, Lab};
use crate::support::apiserver::{User, succeed};
use crate::support::tools::{checkout, tool};

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_example_print_what_its_readme_shows() {
    let place = Place::new("example");
    let lab = Lab::shared();
    let namespace = lab.server.namespace("example");
    place.use_namespace(lab, Some(&namespace));
    let shop = place.directory.join("shop");
    copy(&checkout().join("examples/checkout"), &shop);
    place.run(&checkout().join("examples/checkout/README.md"), &shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_print_what_it_shows() {
    let place = Place::new("readme");
    place.use_namespace(Lab::shared(), None);
    let clone = place.directory.join("cutwater");
    copy(&checkout().join("examples"), &clone.join("examples"));
    place.run(&checkout().join("README.md"), &clone);
}

/// A directory for one page, and the environment of its commands.
struct Place {
    directory: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}"));
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        std::fs::create_dir_all(directory.join("home")).unwrap();
        Self { directory }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// A kubeconfig of this page's own, so that what its commands change there is no other test's matter.
    fn use_namespace(&self, lab: &Lab, namespace: Option<&str>) {
        std::fs::copy(lab.server.kubeconfig(User::Admin), self.kubeconfig()).unwrap();
        if let Some(namespace) = namespace {
            let output = Command::new(tool("kubectl"))
                .arg(format!("--kubeconfig={}", self.kubeconfig().display()))
                .args(["config", "set-context", "--current"])
                .arg(format!("--namespace={namespace}"))
                .output();
            succeed(output.unwrap());
        }
    }

    fn run(&self, page: &Path, directory: &Path) {
        let blocks = blocks(&std::fs::read_to_string(page).unwrap());
        let run: Vec<&Block> = blocks.iter().filter(|block| !block.skipped).collect();
        assert!(!run.is_empty(), "{} has no commands", page.display());
        // What a page starts in the background ends with it.
        let mut script = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n".to_owned();
        let taken = [free(), free()];
        let own = taken.each_ref().map(port);
        for (index, block) in run.iter().enumerate() {
            let commands = (block.script)
                .replace(":8080", &format!(":{}", own[0]))
                .replace(":8081", &format!(":{}", own[1]));
            script.push_str(&format!("echo '{MARK}{index}'\n{commands}\n"));
        }
        drop(taken);
        let programs = [
            lab::cutwater().parent().unwrap().to_owned(),
            tool("kubectl").parent().unwrap().to_owned(),
        ];
        let found = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&found)));
        // A command that waits for what never comes is no reason to wait for it.
        let output = Command::new("timeout")
            .args(["--kill-after=20", "400"])
            .args(["bash", "-eu", "-o", "pipefail", "-c", &script])
            .current_dir(directory)
            .stdin(Stdio::null())
            .env("PATH", path.unwrap())
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.directory.join("kubectl"))
            .env("IMAGE", lab::releases::IMAGE)
            .env("HOME", self.directory.join("home"))
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "You")
            .env("GIT_AUTHOR_EMAIL", "you@example.com")
            .env("GIT_COMMITTER_NAME", "You")
            .env("GIT_COMMITTER_EMAIL", "you@example.com")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        let mut parts = printed.split(MARK);
        parts.next();
        let mut reached = 0;
        for (block, part) in run.iter().zip(parts) {
            let part = part.split_once('\n').map_or("", |(_, rest)| rest);
            reached += 1;
            let last = reached < run.len() || output.status.success();
            if let (Some(shown), true) = (&block.shown, last) {
                assert!(
                    alike(shown, part),
                    "{}:{} shows\n{shown}\nbut it prints\n{part}\n{said}",
                    page.display(),
                    block.line
                );
            }
        }
        assert!(
            output.status.success(),
            "{}: the commands at line {} failed: {}\n{printed}\n{said}",
            page.display(),
            run[reached.max(1) - 1].line,
            output.status
        );
    }
}

/// A port of this machine that nobody has.
fn free() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

/// Stands before what each block prints.
const MARK: &str = "=== block ";

/// Commands of a page, and what the page says that they print.
struct Block {
    /// Where it begins, from 1.
    line: usize,
    script: String,
    shown: Option<String>,
    skipped: bool,
}

fn blocks(page: &str) -> Vec<Block> {
    let lines: Vec<&str> = page.lines().collect();
    let fenced = |start: usize| {
        let length = lines[start..].iter().position(|line| *line == "```");
        start + length.expect("each fence is closed")
    };
    let mut blocks: Vec<Block> = Vec::new();
    // The output of a block comes right behind it, after an empty line.
    let mut free_from = usize::MAX;
    let mut index = 0;
    while index < lines.len() {
        let end = match lines[index] {
            "```sh" => {
                let end = fenced(index + 1);
                let before = index.checked_sub(1).map_or("", |before| lines[before]);
                blocks.push(Block {
                    line: index + 1,
                    script: lines[index + 1..end].join("\n"),
                    shown: None,
                    skipped: before.starts_with("<!-- not run: "),
                });
                free_from = end + 2;
                end
            }
            "```text" if index == free_from => {
                let end = fenced(index + 1);
                if let Some(block) = blocks.last_mut() {
                    block.shown = Some(lines[index + 1..end].join("\n"));
                }
                end
            }
            line if line.starts_with("```") => fenced(index + 1),
            _ => index,
        };
        index = end + 1;
    }
    blocks
}

/// True when the page shows what is printed, apart from what differs each time.
fn alike(shown: &str, printed: &str) -> bool {
    fn matches(shown: &[String], printed: &[String]) -> bool {
        match (shown.split_first(), printed.split_first()) {
            (None, None) => true,
            (Some((line, rest)), _) if line == "..." => {
                (0..=printed.len()).any(|skip| matches(rest, &printed[skip..]))
            }
            (Some((a, shown)), Some((b, printed))) => a == b && matches(shown, printed),
            _ => false,
        }
    }
    let lines = |text: &str| -> Vec<String> {
        (text.lines().filter(|line| !line.trim().is_empty()))
            .map(|line| line.split_whitespace().map(elided).collect::<Vec<_>>())
            .map(|words| words.join(" "))
            .collect()
    };
    matches(&lines(shown), &lines(printed))
}

/// A word, or what stands for all words of its kind.
fn elided(word: &str) -> String {
    let bare = word.trim_matches(|c: char| "(),;:\"'".contains(c));
    let hex = |text: &str| text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let shape: String = (bare.chars())
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let age = !bare.is_empty()
        && bare.ends_with(['s', 'm', 'h', 'd'])
        && bare.starts_with(|c: char| c.is_ascii_digit())
        && (bare.chars()).all(|c| c.is_ascii_digit() || "smhd".contains(c));
    let kind = if bare.strip_prefix('g').is_some_and(hex) {
        "<id>"
    } else if hex(bare) && bare.contains(|c: char| c.is_ascii_digit()) {
        "<commit>"
    } else if shape == "0000-00-00" {
        "<date>"
    } else if shape == "00:00" || shape == "00:00:00" {
        "<time>"
    } else if age {
        "<age>"
    } else {
        return word.to_owned();
    };
    word.replace(bare, kind)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_differs_each_time_is_alike_and_nothing_else() {
    let shown = "published checkout v1 (g0123456789ab)\n...\nNAME  AGE\nx   12s\n";
    let printed = "published checkout v1 (gba9876543210)\nfirst\nsecond\nNAME AGE\nx 1m2s";
    assert!(alike(shown, printed));
    assert!(!alike(shown, &printed.replace("v1", "v2")));
    assert!(!alike("a\n", "a\nb\n"));
    assert!(alike("2026-01-02 03:04", "2027-11-12 13:14"));
    assert!(!alike("2 90%", "3 90%"));
}

#[test]
fn blocks_are_read_with_their_output() {
    let page = "```sh\na\n```\n\n```text\nA\n```\n<!-- not run: x -->\n```sh\nb\n```\ntext\n```yaml\nc\n```\n";
    let blocks = blocks(page);
    assert_eq!(blocks.len(), 2);
    assert_eq!(
        (blocks[0].script.as_str(), blocks[0].shown.as_deref()),
        ("a", Some("A"))
    );
    assert!(blocks[1].skipped && blocks[1].shown.is_none());
}
