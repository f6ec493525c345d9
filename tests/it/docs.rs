//! The documentation and the program say the same: links lead somewhere, and fields, flags, reasons and rights are described.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutwater::api::{Reason, Type, schema};
use jiff::Timestamp;
use serde_json::Value;

use crate::lab::{self, Lab};
use crate::support::User;
use crate::support::tools::checkout;

fn page(name: &str) -> String {
    let path = checkout().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages, by their paths in the checkout.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "tests/README.md",
        "examples/checkout/README.md",
    ]
    .map(PathBuf::from)
    .into();
    for entry in std::fs::read_dir(checkout().join("docs")).unwrap() {
        let page = Path::new("docs").join(entry.unwrap().file_name());
        if page.extension().is_some_and(|extension| extension == "md") {
            pages.push(page);
        }
    }
    pages.sort();
    pages
}

/// The lines of a page that are not in a fence.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let mark = line.trim_start().starts_with("```");
        fenced ^= mark;
        !fenced && !mark
    })
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    (heading.trim().to_lowercase().chars())
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page_path in pages() {
        let text = page(&page_path.to_string_lossy());
        for line in prose(&text) {
            for link in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                if link.contains("://") {
                    continue;
                }
                let (file, place) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() {
                    checkout().join(&page_path)
                } else {
                    checkout().join(page_path.parent().unwrap()).join(file)
                };
                let there = target.exists()
                    && (place.is_empty()
                        || prose(&std::fs::read_to_string(&target).unwrap_or_default()).any(
                            |line| {
                                line.starts_with('#')
                                    && anchor(line.trim_start_matches('#')) == place
                            },
                        ));
                if !there {
                    wrong.push(format!("{}: {link}", page_path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "links that lead nowhere:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn paths_of_the_checkout_that_are_named_exist() {
    for page_path in pages() {
        let text = page(&page_path.to_string_lossy());
        for word in quoted(&text) {
            let ours = ["src/", "tests/", "examples/", "crds/"]
                .iter()
                .any(|root| word.starts_with(root));
            assert!(
                !ours || word.contains('*') || checkout().join(word).exists(),
                "{} names `{word}`, which is not there",
                page_path.display()
            );
        }
    }
}

#[test]
fn every_reason_and_condition_is_described() {
    let text = page("docs/deployments.md") + &page("docs/repositories.md");
    let rows: Vec<&str> = prose(&text)
        .filter(|line| line.starts_with("| `"))
        .collect();
    let described = |word: &str| {
        let word = format!("`{word}`");
        rows.iter()
            .any(|row| row.split('|').nth(1).unwrap().contains(&word))
    };
    for reason in Reason::ALL {
        assert!(
            described(reason.as_str()),
            "reason {reason} has no row in docs/deployments.md or docs/repositories.md"
        );
    }
    for type_ in Type::ALL {
        assert!(
            text.contains(&format!("`{type_}`")),
            "condition {type_} is not described"
        );
    }
}

#[test]
fn every_field_of_a_spec_is_described() {
    for crd in schema::all().unwrap() {
        let crd = serde_json::to_value(crd).unwrap();
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let text = page(&format!("docs/{plural}.md"));
        for part in ["spec", "status"] {
            // An Alias leaves to the page of Deployments what both have.
            if (plural, part) != ("aliases", "status") {
                every(
                    &root[part]["properties"],
                    &text,
                    &format!("{plural}.{part}"),
                );
            }
        }
    }
    let schema = cutwater::app::json_schema();
    let schema = serde_json::to_value(schema).unwrap();
    let function = schema.pointer("/$defs/Function/properties").unwrap();
    every(function, &page("docs/app-yaml.md"), "app.yaml functions[]");
}

/// Each property stands between backticks, alone or at the beginning of a path.
fn every(properties: &Value, text: &str, place: &str) {
    let words = quoted(text);
    let properties = properties.as_object().unwrap();
    assert!(!properties.is_empty(), "{place}");
    for name in properties.keys() {
        let found = (words.iter()).any(|word| {
            let rest = word.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        });
        assert!(found, "`{name}` of {place} is not described");
    }
}

/// What `cutwater WORDS --help` prints.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(lab::cutwater())
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn commands_and_flags_exist() {
    let mut wrong = Vec::new();
    let commands = cutwater::cli::commands();
    let groups: BTreeSet<&str> = (commands.iter())
        .filter_map(|(words, _)| Some(words.split_once(' ')?.0))
        .collect();
    for page_path in pages() {
        let text = page(&page_path.to_string_lossy());
        let inline = prose(&text).flat_map(|line| line.split('`').skip(1).step_by(2));
        let lines = text.lines().map(str::trim).chain(inline);
        for line in lines.filter_map(|line| line.strip_prefix("cutwater ")) {
            let line = line.split(['|', ';', '>']).next().unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_name = |word: &&&str| word.bytes().all(|b| b.is_ascii_lowercase());
            let names: Vec<&str> = words.iter().take_while(is_name).copied().collect();
            let depth = names
                .first()
                .map_or(0, |name| 1 + usize::from(groups.contains(name)));
            let Some(help) = help(&names[..names.len().min(depth)]) else {
                wrong.push(format!("{}: cutwater {line}", page_path.display()));
                continue;
            };
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap();
                let known = [" ", "\n", "["].map(|end| format!("{flag}{end}"));
                if !known.iter().any(|known| help.contains(known)) {
                    wrong.push(format!(
                        "{}: {flag} of cutwater {line}",
                        page_path.display()
                    ));
                }
            }
        }
    }
    // What is not there yet is named in one place only, where it says so.
    wrong.retain(|line| !line.starts_with("README.md: cutwater deploy"));
    assert!(wrong.is_empty(), "unknown:\n{}", wrong.join("\n"));
}

#[test]
fn every_flag_of_the_controller_is_described_with_its_default() {
    let help = help(&["controller"]).unwrap();
    let own = help.split("Global options:").next().unwrap();
    let flat = own.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = page("docs/controller.md");
    for part in flat.split(" --").skip(1) {
        let option = part.split(' ').next().unwrap();
        if option == "help" || option == "version" {
            continue;
        }
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `--{option}`")));
        let row = row.unwrap_or_else(|| panic!("--{option} has no row in docs/controller.md"));
        if let Some(default) = part.split("[default: ").nth(1) {
            let default = default.split(']').next().unwrap();
            assert!(
                row.contains(&format!("`{default}`")),
                "--{option} is {default} where it is absent; docs/controller.md says {row}"
            );
        }
    }
}

/// The ClusterRole in the documentation, as (resource with group, verb).
fn rights() -> BTreeSet<(String, String)> {
    let text = page("docs/controller.md");
    let yaml = text
        .split("```yaml\n")
        .find(|part| part.contains("kind: ClusterRole\n"))
        .and_then(|part| part.split("```").next())
        .expect("docs/controller.md has a ClusterRole");
    let role: Value = serde_yaml::from_str(yaml).unwrap();
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().unwrap();
        list.iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in words(rule, "resources") {
            for verb in words(rule, "verbs") {
                let group = &words(rule, "apiGroups")[0];
                let (name, sub) = match resource.split_once('/') {
                    Some((name, sub)) => (name, format!("/{sub}")),
                    None => (resource.as_str(), String::new()),
                };
                let dot = if group.is_empty() { "" } else { "." };
                rights.insert((format!("{name}{dot}{group}{sub}"), verb));
            }
        }
    }
    rights
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_are_all_that_the_controller_asks_for() {
    let lab = Lab::shared();
    let scope = lab.scope("rights").await;
    let version = scope.releases.publish(
        "checkout",
        "scale: {min: 1, max: 2, cpu: 50, maxUnavailable: 1}\nresources: {requests: {cpu: 1m}}",
    );
    scope.deploy("checkout", &[(version, 100.0)]).await;
    scope.until_ready("checkout").await;
    scope
        .delete("checkout", &kube::api::DeleteParams::default())
        .await;
    scope.until_gone("checkout", lab::SOON).await;
    // Other tests ask through the same server: what they make the controller do counts as well.
    let rights = rights();
    let asked = lab
        .server
        .audit_requests(User::Cutwater, Timestamp::UNIX_EPOCH);
    let missing: BTreeSet<(String, String)> = (asked.into_iter())
        .filter(|entry| !entry.resource.is_empty())
        .map(|entry| (entry.resource, entry.verb))
        .filter(|asked| !rights.contains(asked))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/controller.md does not grant {missing:?}"
    );
}
