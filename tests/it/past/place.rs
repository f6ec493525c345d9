//! A repository whose branch and ledger are made anew for each history.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::cases::{Case, LOST};
use crate::it::delete::shop_with;
use crate::it::shop::{Shop, text};

const FOREIGN: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [checkout.yaml]\n";

/// A release repository whose branch and ledger are made anew for each history.
pub(super) struct Place {
    pub(super) shop: Shop,
    base: String,
}

impl Place {
    /// Versions v1 to v5, of which v5 is deleted and v2 is called stable.
    pub(super) fn new() -> Self {
        let shop = shop_with(5);
        shop.ok(&["versions", "delete", "checkout", "v5", "--yes", "-m", "x"]);
        shop.ok(&["versions", "label", "checkout", "v2", "stable"]);
        shop.git(
            &shop.remote(),
            &["config", "uploadpack.allowFilter", "true"],
        );
        shop.git(
            &shop.clone_dir(),
            &["push", "-q", "origin", "HEAD:refs/heads/main"],
        );
        let base = shop.rev(&shop.remote(), "main");
        Self { shop, base }
    }

    pub(super) fn import(&self, stream: &str) {
        let file = self.shop.dir.path().join("stream");
        fs::write(&file, stream).unwrap();
        let mut import = self.shop.sealed("git", &self.shop.remote());
        import.args(["fast-import", "--quiet", "--force"]);
        let output = import.stdin(File::open(file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// The history of a case, in the place of the one before.
    pub(super) fn make(&self, case: &Case) {
        let remote = self.shop.remote();
        let start = 1_790_000_000;
        let mut stream = format!("reset refs/heads/main\nfrom {}\n\n", self.base);
        let mut at = start;
        let mut file = "releases/checkout.yaml";
        let mut last = String::new();
        for step in case.branch {
            at += case.clock;
            let (shares, from) = step.split_once('<').unwrap_or((step, ""));
            let mut message = format!("Step {step}\n");
            if !from.is_empty() {
                write!(
                    message,
                    "\nCutwater-App: checkout\nCutwater-Rolled-Back-From: v{from}\n"
                )
                .unwrap();
            }
            let (shares, by_command) = shares
                .strip_prefix('=')
                .map_or((shares, false), |it| (it, true));
            if by_command {
                message.push_str("\nCutwater-App: checkout\nCutwater-Source: cli\n");
            }
            let reverted = shares.strip_prefix("revert");
            if reverted.is_some() {
                message = String::from("Revert \"Deploy\"\n\nThis reverts commit 0123456789ab.\n");
            }
            let shares = reverted.unwrap_or(shares);
            match *step {
                "pull" => message = format!("Merge branch 'main' of {}\n", remote.display()),
                "elsewhere" => {
                    message = String::from("Merge branch 'main' of https://example.com/shop\n");
                }
                "upstream" => {
                    message = String::from("Merge remote-tracking branch 'upstream/main'\n");
                }
                _ => {}
            }
            if step.starts_with("fork") {
                let own = match *step {
                    "fork" => inline("note", &at.to_string()),
                    _ => inline(file, &deployment("4")),
                };
                let own = format!("from refs/heads/main\n{own}");
                commit(&mut stream, "refs/heads/side", at, &message, &own);
                continue;
            }
            let change = match *step {
                "pull" | "elsewhere" | "upstream" => {
                    stream.push_str("reset refs/heads/old\nfrom refs/heads/main\n\n");
                    let parents = "from refs/heads/side\nmerge refs/heads/old\n".to_owned();
                    parents + &inline(file, &last)
                }
                "note" => inline("note", &at.to_string()),
                "" => format!("D {file}\n"),
                "move" => {
                    let gone = format!("D {file}\n");
                    file = "releases/prod/shop.yaml";
                    gone + &inline(file, &last)
                }
                "name" => inline(
                    file,
                    &last.replace("name: checkout", "name: shop, namespace: prod"),
                ),
                "+other" => inline("releases/kustomization.yaml", FOREIGN),
                "+broken" => inline("releases/kustomization.yaml", "{{ checkout }}: : :\n"),
                "-copy" => "D releases/copy.yaml\n".to_owned(),
                "-own" => {
                    let gone = format!("D {file}\n");
                    file = "releases/copy.yaml";
                    gone
                }
                copy if copy.starts_with("copy") => {
                    inline("releases/copy.yaml", &deployment(&copy["copy".len()..]))
                }
                "-other" => "D releases/kustomization.yaml\n".to_owned(),
                "broken" => inline(file, &deployment("2:99")),
                "old" => {
                    let old = deployment("2") + &format!("  wheight: {at}\n");
                    inline(file, &old)
                }
                _ => {
                    last = deployment(shares);
                    inline(file, &last)
                }
            };
            commit(&mut stream, "refs/heads/main", at, &message, &change);
        }
        let ledger = "refs/cutwater/checkout/deployments/local";
        for gone in [ledger, "refs/heads/side", "refs/heads/old"] {
            write!(stream, "reset {gone}\nfrom {}\n\n", "0".repeat(40)).unwrap();
        }
        self.import(&stream);
        if case.ledger.is_empty() {
            return;
        }
        let commits = self.shop.git(
            &remote,
            &["rev-list", "--reverse", &format!("{}..main", self.base)],
        );
        let commits: Vec<&str> = commits.lines().collect();
        let mut stream = String::new();
        let mut at = start;
        for (index, (asked, shares)) in case.ledger.iter().enumerate() {
            at += case.clock;
            if *asked == LOST {
                continue;
            }
            let gone = "b".repeat(40);
            let asked = commits.get(*asked).copied().unwrap_or(&gone);
            let id = "a".repeat(40);
            let versions: Vec<String> = (parts(shares).iter())
                .map(|(version, share)| {
                    format!(
                        "- {{version: {version}, percentage: {share}, commit: {id}, tree: {id}}}\n"
                    )
                })
                .collect();
            let time = "2026-11-20T06:00:00Z".parse::<jiff::Timestamp>().unwrap();
            let time = time + jiff::SignedDuration::from_secs(at - start);
            let from = if asked == gone {
                String::new()
            } else {
                let words = "--format=%(trailers:key=Cutwater-Rolled-Back-From,valueonly)";
                self.shop.git(&remote, &["log", "-1", words, asked])
            };
            let from = from.trim().trim_start_matches('v');
            let from = if from.is_empty() {
                String::new()
            } else {
                format!("rolledBackFrom: {from}\n")
            };
            let record = format!(
                "apiVersion: cutwater.dev/v1alpha1\nkind: Served\napp: checkout\nenvironment: local\nsequence: {}\nat: {time}\nreleaseCommit: {}\n{from}versions:\n{}",
                index + 1,
                asked,
                versions.concat()
            );
            commit(
                &mut stream,
                ledger,
                at,
                "Served\n",
                &inline("deployment.yaml", &record),
            );
        }
        self.import(&stream);
    }

    pub(super) fn run(&self, dir: &Path, args: &[&str]) -> (String, String) {
        let output = self.shop.command_in(dir, args).output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Checks a case in a clone.
    pub(super) fn check(&self, dir: &Path, case: &Case) {
        let (out, error) = self.run(dir, &["rollback", "checkout", "--dry-run"]);
        let name = case.name;
        let first = out.lines().next().unwrap_or_default();
        if let [target] = case.rollback
            && target.starts_with('v')
        {
            assert_eq!(
                first,
                format!("would roll back checkout: {target}"),
                "{name}: {error}"
            );
        } else {
            assert_eq!(first, "", "{name}: {error}");
            for said in case.rollback {
                assert!(error.contains(said), "{name}: {said} is not in {error}");
            }
        }
        let (out, error) = self.run(dir, &["deployments", "list", "checkout", "--json"]);
        let list: Json = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{name}: {error}"));
        let all = list["deployments"].as_array().unwrap();
        let listed = all.iter().map(shown);
        assert_eq!(
            listed.collect::<Vec<_>>().join(", "),
            case.list,
            "{name}: {error}"
        );
        // A limit cuts what is printed, and makes nothing of it untrue.
        let limited = ["deployments", "list", "checkout", "--json", "--limit", "1"];
        let (out, error) = self.run(dir, &limited);
        let list: Json = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{name}: {error}"));
        let limited = list["deployments"].as_array().unwrap();
        assert_eq!(limited[..], all[..1.min(all.len())], "{name}");
    }

    pub(super) fn clone(&self, name: &str, args: &[&str]) -> PathBuf {
        let from = format!("file://{}", self.shop.remote().display());
        let all = [&["clone", "-q", "-b", "main"], args, &[from.as_str(), name]].concat();
        self.shop.git(self.shop.dir.path(), &all);
        self.shop.dir.path().join(name)
    }
}

fn parts(shares: &str) -> Vec<(&str, &str)> {
    (shares.split_whitespace())
        .map(|word| word.split_once(':').unwrap_or((word, "100")))
        .collect()
}

/// A Deployment with these shares.
pub(super) fn deployment(shares: &str) -> String {
    let versions: Vec<String> = (parts(shares).iter())
        .map(|(version, share)| format!("  - {{version: {version}, percentage: {share}}}\n"))
        .collect();
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n{}",
        versions.concat()
    )
}

/// A file, as `git fast-import` takes it.
pub(super) fn inline(path: &str, content: &str) -> String {
    format!(
        "M 100644 inline {path}\ndata {}\n{content}\n",
        content.len()
    )
}

pub(super) fn commit(stream: &mut String, name: &str, at: i64, message: &str, change: &str) {
    write!(
        stream,
        "commit {name}\ncommitter Ada Lovelace <ada@example.com> {at} +0000\ndata {}\n{message}\n{change}\n",
        message.len()
    )
    .unwrap();
}

/// A line of the list, in the words of a case.
fn shown(entry: &Json) -> String {
    let shares = entry["versions"].as_array().unwrap().iter().map(|share| {
        let version = share["version"]
            .as_str()
            .map_or_else(|| share["version"].to_string(), str::to_owned);
        match share["percentage"].to_string().as_str() {
            "100" => version,
            percentage => format!("{version}:{percentage}"),
        }
    });
    let shares = shares.collect::<Vec<_>>().join(" ");
    let from = entry["rolledBackFrom"]
        .as_u64()
        .filter(|_| entry["source"] != "ledger");
    let from = from.map(|from| format!("<{from}")).unwrap_or_default();
    let mark = match entry["outcome"].as_str() {
        Some("neverServed") => "!",
        Some("notRecorded") => "~",
        Some("asRecorded") => "^",
        _ => "",
    };
    format!("{shares}{from}{mark}")
}
