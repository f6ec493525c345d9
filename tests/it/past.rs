//! Where a rollback goes, and what `deployments list` shows, for histories of every kind: never a silent guess.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::delete::shop_with;
use super::shop::{Shop, text};

const FOREIGN: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [checkout.yaml]\n";

/// A release repository whose branch and ledger are made anew for each history.
struct Place {
    shop: Shop,
    base: String,
}

/// A history, and what is right.
struct Case {
    name: &'static str,
    /// Commits of the branch, the oldest first: `1:90 2:10` are shares, `2<3` was rolled back from v3, `stable` is a label,
    /// `move` puts the file into another folder, and `name` gives the object another name there;
    /// `fork` makes a commit beside the branch (`fork4` deploys v4 there), and `pull` merges the branch into that one;
    /// `broken` a file that cannot be read, `old` one of another time, `+other` and `-other` a file of others, `note` nothing.
    branch: &'static [&'static str],
    /// Records of the ledger: the commit of the branch that asked, by its index, and shares.
    ledger: &'static [(usize, &'static str)],
    /// Seconds between two commits or records: a clock may step back.
    clock: i64,
    /// Where it goes and from where, or parts of what is said instead.
    rollback: &'static [&'static str],
    /// What is listed, the newest first; `!` was never served.
    list: &'static str,
}

const USUAL: Case = Case {
    name: "",
    branch: &[],
    ledger: &[],
    clock: 60,
    rollback: &[],
    list: "",
};

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "full", branch: &["1", "2", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case { name: "canary", branch: &["1", "2", "2:90 3:10"], rollback: &["v2 100% (back from v3)"], list: "2:90 3:10, 2, 1", ..USUAL },
    Case { name: "twice", branch: &["1", "2", "3", "2<3"], rollback: &["v1 100% (back from v2)"], list: "2<3, 3, 2, 1", ..USUAL },
    Case { name: "after a delete", branch: &["1", "5", "3"], rollback: &["v1 100% (back from v3)"], list: "3, 5, 1", ..USUAL },
    Case {
        name: "git revert, a squash merge or a hand edit", branch: &["1", "2", "3", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case {
        name: "twice by hand", branch: &["1", "2", "3", "2", "1"],
        rollback: &["not left for another; to go to v4, run `cutwater rollback checkout v4`\n"], list: "1, 2, 3, 2, 1", ..USUAL
    },
    Case { name: "deployed again", branch: &["1", "2", "3", "2<3", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2<3, 3, 2, 1", ..USUAL },
    Case {
        name: "named by a label", branch: &["1", "stable", "3"],
        rollback: &["deployed: it said `stable`, which means v2 now", "run `cutwater rollback checkout v2`; there are also v1, v4\n"],
        list: "3, stable, 1", ..USUAL
    },
    Case { name: "a label that is served", branch: &["1", "2", "stable"], rollback: &["v1 100% (back from v2)"], list: "stable, 2, 1", ..USUAL },
    Case {
        name: "over a commit that cannot be read", branch: &["1", "2", "broken", "3"],
        rollback: &["it is not known what commit", "releases/checkout.yaml:8:5: spec.versions: the percentages total 99", "run `cutwater rollback checkout v2`"],
        list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "over a file of another time", branch: &["1", "old", "old", "3"],
        rollback: &["releases/checkout.yaml:9:3: spec.wheight: unknown field", "run `cutwater rollback checkout v1`"],
        list: "3, 1", ..USUAL
    },
    Case { name: "behind what cannot be read", branch: &["1", "broken", "2", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case {
        name: "a moment in which nothing could be read", branch: &["1", "2", "broken", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 1", ..USUAL
    },
    Case {
        name: "by way of a canary", branch: &["1", "2", "3", "2:90 4:10", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 2:90 4:10, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a canary named by a label", branch: &["1", "2", "3", "1:90 stable:10", "1"],
        rollback: &["knows no earlier version"], list: "1, 1:90 stable:10, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a canary named by a label that is gone", branch: &["1", "2", "3:90 gone:10", "3"],
        rollback: &["it said `gone`, which means no version now", "run `cutwater rollback checkout v2`"], list: "3, 3:90 gone:10, 2, 1", ..USUAL
    },
    Case {
        name: "a pull before the push", branch: &["1", "fork", "2", "3", "pull"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a pull over a release of its own", branch: &["1", "fork4", "2", "3", "pull"],
        rollback: &["it is not known what commit", "both may have been deployed", "run `cutwater rollback checkout v2`"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "beside files of others", branch: &["1", "+other", "2", "3", "-other", "note"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "beside a broken file of others", branch: &["1", "+broken", "2", "3", "-other"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "removed in between", branch: &["1", "2", "", "3"], rollback: &["v2 100% (back from v3)"],
        list: "3, , 2, 1", ..USUAL
    },
    Case {
        name: "moved to another folder, and named otherwise", branch: &["1", "2", "3", "move", "2", "name"],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case { name: "nothing before", branch: &["1"], rollback: &["knows no earlier version", "to go to v4, run", "also v3, v2\n"], list: "1", ..USUAL },
    Case { name: "a ledger that began late", branch: &["1", "1:90 2:10", "1:50 2:50", "3"], ledger: &[(1, "1:90 2:10"), (2, "1:50 2:50"), (3, "3")], rollback: &["v1 100% (back from v3)"], list: "3, 1:50 2:50, 1:90 2:10, 1", ..USUAL },
    Case { name: "a ledger that began now", branch: &["1", "2"], ledger: &[(1, "2")], rollback: &["v1 100% (back from v2)"], list: "2, 1", ..USUAL },
    Case { name: "never converged", branch: &["1", "2", "4", "2<4"], ledger: &[(0, "1"), (1, "2")], rollback: &["v1 100% (back from v2)"], list: "2<4, 4!, 2, 1", ..USUAL },
    Case { name: "reverted before it was served", branch: &["1", "2", "3", "2"], ledger: &[(0, "1"), (1, "2"), (2, "3")], rollback: &["v1 100% (back from v2)"], list: "2?, 3, 2, 1", ..USUAL },
    Case { name: "clocks that step back", branch: &["1", "2", "3"], clock: -7_200, rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case { name: "a ledger with such a clock", branch: &["1", "2", "3"], ledger: &[(0, "1"), (1, "2"), (2, "3")], clock: -7_200, rollback: &["v2 100% (back from v3)"], list: "3, 2, 1" },
    Case { name: "left in the branch, by such a clock", branch: &["1", "2", "3", "2<3"], ledger: &[(0, "1"), (1, "2"), (2, "3"), (3, "2")], clock: -7_200, rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1" },
];

impl Place {
    /// Versions v1 to v5, of which v5 is deleted and v2 is called stable.
    fn new() -> Self {
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

    fn import(&self, stream: &str) {
        let file = self.shop.dir.path().join("stream");
        fs::write(&file, stream).unwrap();
        let mut import = self.shop.sealed("git", &self.shop.remote());
        import.args(["fast-import", "--quiet", "--force"]);
        let output = import.stdin(File::open(file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// The history of a case, in the place of the one before.
    fn make(&self, case: &Case) {
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
            if *step == "pull" {
                message = String::from("Merge branch 'main' of https://example.com/shop\n");
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
                "pull" => {
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
            let from = self.shop.git(
                &remote,
                &[
                    "log",
                    "-1",
                    "--format=%(trailers:key=Cutwater-Rolled-Back-From,valueonly)",
                    commits[*asked],
                ],
            );
            let from = from.trim().trim_start_matches('v');
            let from = if from.is_empty() {
                String::new()
            } else {
                format!("rolledBackFrom: {from}\n")
            };
            let record = format!(
                "apiVersion: cutwater.dev/v1alpha1\nkind: Served\napp: checkout\nenvironment: local\nsequence: {}\nat: {time}\nreleaseCommit: {}\n{from}versions:\n{}",
                index + 1,
                commits[*asked],
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

    fn run(&self, dir: &Path, args: &[&str]) -> (String, String) {
        let output = self.shop.command_in(dir, args).output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Checks a case in a clone.
    fn check(&self, dir: &Path, case: &Case) {
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
        let listed = list["deployments"].as_array().unwrap().iter().map(shown);
        assert_eq!(
            listed.collect::<Vec<_>>().join(", "),
            case.list,
            "{name}: {error}"
        );
    }

    fn clone(&self, name: &str, args: &[&str]) -> PathBuf {
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
fn deployment(shares: &str) -> String {
    let versions: Vec<String> = (parts(shares).iter())
        .map(|(version, share)| format!("  - {{version: {version}, percentage: {share}}}\n"))
        .collect();
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n{}",
        versions.concat()
    )
}

/// A file, as `git fast-import` takes it.
fn inline(path: &str, content: &str) -> String {
    format!(
        "M 100644 inline {path}\ndata {}\n{content}\n",
        content.len()
    )
}

fn commit(stream: &mut String, name: &str, at: i64, message: &str, change: &str) {
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
        Some("notServedYet") => "?",
        _ => "",
    };
    format!("{shares}{from}{mark}")
}

#[test]
fn no_history_leads_to_a_silent_guess() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    for case in CASES {
        place.make(case);
        place.check(&clone, case);
    }
    // Who made what cannot be read is named, and how it ended is told.
    place.make(
        CASES
            .iter()
            .find(|case| case.name.starts_with("over a commit"))
            .unwrap(),
    );
    let (_, said) = place.run(&clone, &["deployments", "list", "checkout"]);
    assert!(
        said.contains(
            "deployed (Step broken, by Ada Lovelace) is not known: releases/checkout.yaml:8:5"
        ),
        "{said}"
    );
    place.make(
        CASES
            .iter()
            .find(|case| case.name == "never converged")
            .unwrap(),
    );
    let (listed, _) = place.run(&clone, &["deployments", "list", "checkout"]);
    assert!(listed.contains("v4 100%, never served"), "{listed}");
}

#[test]
fn a_clone_that_does_not_hold_everything_knows_all_the_same() {
    let place = Place::new();
    let case = Case {
        branch: &["1", "+other", "2", "3", "note"],
        rollback: &["v2 100% (back from v3)"],
        list: "3, 2, 1",
        ..USUAL
    };
    // One that was made before the newest two releases.
    place.make(&Case {
        branch: &["1", "+other"],
        ..USUAL
    });
    let runner = place.clone("runner", &["--filter=blob:none"]);
    place.make(&case);
    place.shop.git(&runner, &["fetch", "-q"]);
    place
        .shop
        .git(&runner, &["reset", "-q", "--hard", "origin/main"]);
    place.check(
        &runner,
        &Case {
            name: "blobless, and older",
            ..case
        },
    );
    for (name, args) in [
        ("shallow", &["--depth=1"][..]),
        ("blobless", &["--filter=blob:none"]),
        ("treeless", &["--filter=tree:0", "--no-checkout"]),
        ("sparse", &["--filter=blob:none", "--sparse"]),
        ("bothwise", &["--filter=blob:none", "--depth=1"]),
    ] {
        let dir = place.clone(name, args);
        place.check(&dir, &Case { name, ..case });
        // What is in versions is fetched too.
        let (out, error) = place.run(&dir, &["versions", "files", "checkout", "v1"]);
        assert!(out.contains("app.yaml"), "{name}: {error}");
        let (out, error) = place.run(&dir, &["versions", "diff", "checkout", "v1", "v2"]);
        assert!(out.contains("-    image:"), "{name}: {out}{error}");
        let (out, error) = place.run(&dir, &["versions", "publish", "checkout", "--dry-run"]);
        assert!(out.contains("checkout"), "{name}: {out}{error}");
        let (out, error) = place.run(&dir, &["rollback", "checkout", "v1"]);
        assert_eq!(
            out, "rolled back checkout: v1 100% (back from v3)\n",
            "{name}: {error}"
        );
        place.make(&case);
    }
    // Where it cannot be fetched, that is said.
    let dir = place.clone("cut", &["--depth=1"]);
    fs::write(dir.join(".git/shallow.lock"), "").unwrap();
    let (out, error) = place.run(&dir, &["rollback", "checkout", "--dry-run"]);
    assert_eq!(out, "");
    assert!(
        error.contains(
            "what was deployed before: this clone is shallow, and older commits cannot be fetched"
        ),
        "{error}"
    );
    assert!(
        error.contains(
            "`git fetch --unshallow` brings them; to go to v2, run `cutwater rollback checkout v2`"
        ),
        "{error}"
    );
    let (listed, error) = place.run(&dir, &["deployments", "list", "checkout"]);
    assert!(
        !listed.contains("note") && error.contains("is shallow"),
        "{listed}{error}"
    );
}
