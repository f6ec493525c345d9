//! What the anchor remembers, read with care: whoever may edit a ConfigMap of the namespace may have written it.
//!
//! Pure. What is lost or wrong makes nothing go: the versions that are there count as having served, from now on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::key::AppKey;
use super::objects::Kept;

use super::objects::AppObjects;
use super::observe;
use super::ownership;
use crate::kubernetes::names;
use crate::plan::{Memory, Named, VersionMemory};
use crate::words::VersionNumber;

/// What is remembered of an app.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Remembered {
    pub(super) memory: Memory,
    /// What could not be read of it, or does not count, and what counts instead, for people.
    pub(super) lost: Option<String>,
}

/// Reads the anchor of an app.
pub(super) fn read(key: &AppKey, objects: &AppObjects, now: Timestamp) -> Remembered {
    let name = names::anchor(&key.app);
    let anchor = objects.config_maps.get(&name);
    let version = anchor.and_then(|anchor| anchor.metadata.resource_version.as_ref());
    let editor = anchor.and_then(|anchor| ownership::editor(&anchor.metadata));
    // It is gone, somebody else has written into it, or it could not be written and nobody has since: this program still knows.
    let counts = |kept: &&Arc<Kept>| {
        let unwritten = version.is_some() && kept.over.as_ref() == version;
        anchor.is_none() || editor.is_some() || unwritten
    };
    if let Some(kept) = objects.kept.as_ref().filter(counts) {
        let lost = editor.map(|editor| {
            format!("ConfigMap `{name}` was changed by `{editor}`: what this controller remembers counts, and is written again")
        });
        return Remembered {
            memory: kept.memory.clone(),
            lost,
        };
    }
    let text = anchor.and_then(|anchor| anchor.data.as_ref()?.get("memory"));
    let there = observe::with_workloads(key, objects);
    let mut found = parse(text.map(String::as_str), &there, now);
    if let Some(editor) = editor {
        found.distrust(&there);
        let lost = found.lost.get_or_insert_default();
        *lost = format!("was changed by `{editor}`, and {lost}");
        *lost = lost.trim_end_matches(", and ").to_owned();
    }
    found.lost = found.lost.map(|lost| {
        format!(
            "what was remembered of app `{}` is lost: ConfigMap `{name}` {lost}; every version that runs counts as having served until now, and is kept for its rollback window",
            key.app
        )
    });
    found
}

fn parse(text: Option<&str>, there: &BTreeSet<VersionNumber>, now: Timestamp) -> Remembered {
    let Some(text) = text else {
        return Remembered::lost("is not there, or holds no `memory`", there);
    };
    let Ok(Value::Object(mut all)) = serde_json::from_str(text) else {
        return Remembered::lost("holds a `memory` that is not JSON", there);
    };
    for value in all.values_mut() {
        no_later(value, now);
    }
    let bad = drop_unreadable(&mut all);
    let mut memory: Memory = serde_json::from_value(Value::Object(all)).unwrap_or_default();
    if memory.versions.is_empty() && bad.is_empty() && !there.is_empty() {
        return Remembered::lost("remembers no version, though some run", there);
    }
    for number in there {
        // It was taken out, or this is an older copy.
        memory.versions.entry(*number).or_insert_with(served);
    }
    let lost = (!bad.is_empty()).then(|| format!("cannot be read at {}", bad.join(", ")));
    Remembered { memory, lost }
}

impl Remembered {
    /// Nothing is known any more. Where nothing runs there was nothing to know.
    fn lost(why: &str, there: &BTreeSet<VersionNumber>) -> Self {
        let versions = there.iter().map(|number| (*number, served()));
        Self {
            memory: Memory {
                versions: versions.collect(),
                ..Memory::default()
            },
            lost: (!there.is_empty()).then(|| why.to_owned()),
        }
    }
}

impl Remembered {
    /// Somebody else has written it, or put an older copy back: nothing goes by its times.
    fn distrust(&mut self, there: &BTreeSet<VersionNumber>) {
        for number in there {
            self.memory.versions.insert(*number, served());
        }
        for named in self
            .memory
            .named
            .values_mut()
            .flat_map(BTreeMap::values_mut)
        {
            *named = Named::default();
        }
        // The status of each owner says what its routes gave. What else a shift goes by is of a moment that is over: which version was
        // lost then, and how many pods served.
        self.memory.shares.clear();
        self.memory.from.clear();
        self.memory.intact.clear();
        self.memory.basis.clear();
        self.memory.whole.clear();
        self.memory.progress.clear();
    }
}

/// A version of which nothing is known but that it runs.
fn served() -> VersionMemory {
    VersionMemory {
        served: true,
        ..VersionMemory::default()
    }
}

/// Takes out what cannot be read, entry by entry: the others are worth no less for it. The places of what went.
fn drop_unreadable(all: &mut Map<String, Value>) -> Vec<String> {
    let reads = |section: &str, value: Value| {
        serde_json::from_value::<Memory>(Value::Object(Map::from_iter([(
            section.to_owned(),
            value,
        )])))
        .is_ok()
    };
    let mut bad = Vec::new();
    all.retain(|section, value| {
        if let Value::Object(entries) = value {
            entries.retain(|key, entry| {
                let alone = Map::from_iter([(key.clone(), entry.clone())]);
                let good = reads(section, Value::Object(alone));
                if !good {
                    bad.push(format!("{section}.{key}"));
                }
                good
            });
            return true;
        }
        let good = reads(section, value.clone());
        if !good {
            bad.push(section.clone());
        }
        good
    });
    bad
}

/// Nothing that is remembered lies in the future: a time that does comes from another clock, or from somebody's hand. It
/// would keep things waiting, for centuries even, and cannot be added to.
fn no_later(value: &mut Value, now: Timestamp) {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok_and(|time| time > now) => {
            *text = now.to_string();
        }
        Value::Array(values) => values.iter_mut().for_each(|value| no_later(value, now)),
        Value::Object(values) => values.values_mut().for_each(|value| no_later(value, now)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::super::cache::Cache;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn number(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn parsed(text: Option<&str>) -> Remembered {
        parse(text, &[number(1), number(2)].into(), at(NOW))
    }

    #[test]
    fn an_anchor_that_could_not_be_written_counts_less_than_what_is_known_here() {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let name = names::anchor(&key.app);
        let anchor = |version: &str| -> ConfigMap {
            serde_json::from_value(json!({
                "metadata": {
                    "name": name, "namespace": "prod", "resourceVersion": version,
                    "labels": {names::APP: "shop"}, "managedFields": [{"manager": names::FIELD_MANAGER}],
                },
                "data": {"memory": r#"{"versions": {"1": {}}}"#},
            }))
            .unwrap()
        };
        let cache = Cache::default();
        let known = || -> Vec<u32> {
            let versions = read(&key, &cache.app(&key), at(NOW)).memory.versions;
            versions.keys().map(|number| number.get()).collect()
        };
        cache.put(anchor("5"));
        let kept = |over: Option<&str>| Kept {
            memory: Memory {
                versions: [(number(2), VersionMemory::default())].into(),
                ..Memory::default()
            },
            over: over.map(str::to_owned),
        };
        cache.keep(&key, Some(kept(None)));
        assert_eq!(known(), [1]);
        cache.keep(&key, Some(kept(Some("5"))));
        assert_eq!(known(), [2]);
        cache.put(anchor("6"));
        assert_eq!(known(), [1], "another controller wrote it since");
    }

    #[test]
    fn an_anchor_that_somebody_else_wrote_takes_no_time_away() {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        // An older copy: version 1 lost its share a day ago, and has served again since.
        let old = r#"{"versions": {"1": {"served": true, "released": "2026-02-28T12:00:00Z"}},
                      "named": {"cwd/shop": {"1": {"since": "2026-02-28T11:00:00Z", "idle": "2026-02-28T12:00:00Z"}}},
                      "basis": {"cwd/shop": {"web": 9}},
                      "intact": {"cwd/shop": {"shares": [[1, 100]], "said": [[[1, 100]], [[2, 100]]]}}}"#;
        let anchor = |manager: Option<&str>| -> ConfigMap {
            let mut managers = vec![json!({"manager": names::FIELD_MANAGER, "operation": "Apply"})];
            managers.extend(manager.map(|manager| {
                let fields = json!({"f:data": {"f:memory": {}}});
                json!({"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields})
            }));
            serde_json::from_value(json!({
                "metadata": {
                    "name": names::anchor(&key.app), "namespace": "prod", "resourceVersion": "7",
                    "labels": {names::APP: "shop"}, "managedFields": managers,
                },
                "data": {"memory": old},
            }))
            .unwrap()
        };
        let workload: k8s_openapi::api::apps::v1::Deployment = serde_json::from_value(json!({
            "metadata": {
                "name": "shop-v1-web", "namespace": "prod", "labels": {names::APP: "shop"},
                "managedFields": [{"manager": names::FIELD_MANAGER}],
            },
        }))
        .unwrap();
        for (manager, keeps, says) in [
            (None, true, None),
            (None, false, None),
            (
                Some("kubectl-edit"),
                true,
                Some("what this controller remembers counts"),
            ),
            (
                Some("kubectl-edit"),
                false,
                Some("counts as having served until now"),
            ),
        ] {
            let cache = Cache::default();
            cache.put(workload.clone());
            cache.put(anchor(manager));
            let memory = || Memory {
                versions: [(number(1), served())].into(),
                ..Memory::default()
            };
            let kept = || Kept {
                memory: memory(),
                over: None,
            };
            cache.keep(&key, keeps.then(kept));
            let found = read(&key, &cache.app(&key), at(NOW));
            let version = &found.memory.versions[&number(1)];
            assert_eq!(version.released.is_none(), manager.is_some(), "{found:?}");
            let mut named = found.memory.named.values().flat_map(BTreeMap::values);
            assert_eq!(
                named.any(|it| it.idle.is_some()),
                manager.is_none(),
                "{found:?}"
            );
            let memory = &found.memory;
            let is_of_then = !memory.intact.is_empty() || !memory.basis.is_empty();
            assert_eq!(is_of_then, manager.is_none(), "{found:?}");
            let lost = found.lost.unwrap_or_default();
            assert!(
                says.map_or(lost.is_empty(), |says| lost.contains(says)),
                "{lost}"
            );
            assert!(
                manager.is_none_or(|manager| lost.contains(manager)),
                "{lost}"
            );
        }
    }

    #[test]
    fn memory_that_is_lost_or_wrong_makes_all_that_runs_count_as_served() {
        let lost = [
            None,
            Some(""),
            Some("nonsense"),
            Some("[1]"),
            Some("{}"),
            Some(r#"{"versions": 7}"#),
            Some(r#"{"versions": {"1": {"served": "yes"}, "2": 5}}"#),
        ];
        for text in lost {
            let found = parsed(text);
            assert!(found.lost.is_some(), "{text:?}");
            for version in [1, 2] {
                let remembered = &found.memory.versions[&number(version)];
                assert!(
                    remembered.served && remembered.released.is_none(),
                    "{text:?}"
                );
            }
        }
        assert_eq!(
            parse(None, &BTreeSet::new(), at(NOW)),
            Remembered::default()
        );
    }

    #[test]
    fn what_can_be_read_counts_beside_what_cannot() {
        let found = parsed(Some(
            r#"{"versions": {"1": {"served": "a newer program wrote this"},
                             "2": {"released": "2026-03-01T11:00:00Z", "of": "later"}},
                "gone": {"cwd/shop": "2026-03-01T10:00:00Z", "shop": "2026-03-01T10:00:00Z"},
                "fresh": 1}"#,
        ));
        let lost = found.lost.unwrap();
        assert_eq!(lost, "cannot be read at gone.shop, versions.1");
        assert!(found.memory.versions[&number(1)].served);
        assert!(!found.memory.versions[&number(2)].served);
        assert_eq!(
            found.memory.versions[&number(2)].released,
            Some(at("2026-03-01T11:00:00Z"))
        );
        assert_eq!(found.memory.gone.len(), 1);
    }

    #[test]
    fn what_runs_and_is_not_remembered_counts_as_served() {
        let found = parsed(Some(r#"{"versions": {"2": {}}}"#));
        assert_eq!(found.lost, None);
        assert!(found.memory.versions[&number(1)].served);
        assert!(!found.memory.versions[&number(2)].served);
    }

    #[test]
    fn a_time_that_is_to_come_is_now() {
        let found = parsed(Some(
            r#"{"versions": {"1": {"served": true, "released": "9999-12-30T22:00:00Z"},
                             "2": {"released": "2026-03-01T11:00:00Z"}},
                "gone": {"cwd/shop": "2026-03-01T12:00:01Z"}}"#,
        ));
        assert_eq!(found.lost, None);
        assert_eq!(found.memory.versions[&number(1)].released, Some(at(NOW)));
        assert_eq!(
            found.memory.versions[&number(2)].released,
            Some(at("2026-03-01T11:00:00Z"))
        );
        assert!(found.memory.gone.values().all(|time| *time == at(NOW)));
    }
}
