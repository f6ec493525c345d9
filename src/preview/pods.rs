//! Which versions have pods after a merge and had none before, and which ones have none any more.
//!
//! The Deployment and the Aliases of an app in one place share the pods of a version, so this is told of the app and not of an object.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::Known;
use super::objects::Pair;
use crate::record::VersionRecord;
use crate::releases::Release;
use crate::words::{AppName, FunctionName, Period, VersionNumber};

/// The versions of an app in one place that begin or end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    /// The app.
    pub app: AppName,
    /// The namespace, where the files name one.
    pub namespace: Option<String>,
    /// The folder of the files, which may be meant for a namespace of its own.
    pub folder: String,
    /// The versions that get pods.
    pub starts: Vec<Starting>,
    /// The versions that no object lists any more.
    pub stops: Vec<Stopping>,
}

/// A version that gets pods.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Starting {
    /// The version.
    pub version: VersionNumber,
    /// Its functions, in the order of app.yaml.
    pub functions: Vec<FunctionPods>,
}

/// The pods of a function.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionPods {
    /// The function.
    #[schemars(with = "String")]
    pub function: FunctionName,
    /// Its fewest pods; its share may take more.
    pub pods: u32,
}

/// A version whose pods end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stopping {
    /// The version.
    pub version: VersionNumber,
    /// How long it keeps its pods, so that going back is instant; absent where they go once the last request has been answered.
    pub window: Option<Period>,
}

/// Where pods are shared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    app: AppName,
    namespace: Option<String>,
    folder: String,
}

impl Place {
    fn of(release: &Release) -> Self {
        let folder = release
            .file
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        Self {
            app: release.app().clone(),
            namespace: release.namespace().map(str::to_owned),
            folder: folder.to_owned(),
        }
    }
}

/// What is listed in one place.
#[derive(Default)]
struct Listed {
    before: BTreeSet<VersionNumber>,
    after: BTreeSet<VersionNumber>,
    /// How long those who go on keep what they had before.
    windows: BTreeMap<VersionNumber, Period>,
}

/// The places where versions begin or end.
pub(super) fn of(pairs: &[Pair<'_>], known: &Known) -> Vec<Pods> {
    let mut places: BTreeMap<Place, Listed> = BTreeMap::new();
    for pair in pairs {
        // What cannot be as it is wanted goes on as it was.
        let goes_on = pair.stays || pair.after.is_some_and(|after| !after.troubles.is_empty());
        let after = if goes_on { pair.before } else { pair.after };
        if let Some(before) = pair.before {
            let listed = places.entry(Place::of(before.release)).or_default();
            listed.before.extend(before.versions());
            if let Some(after) = after {
                let window = after.release.wanted.rollback_window;
                for version in before.versions() {
                    let longest = listed.windows.entry(version).or_insert(window);
                    *longest = window.max(*longest);
                }
            }
        }
        if let Some(after) = after {
            let listed = places.entry(Place::of(after.release)).or_default();
            listed.after.extend(after.versions());
        }
    }
    let differs = |(_, listed): &(Place, Listed)| listed.before != listed.after;
    let all = places.into_iter().filter(differs);
    all.map(|(place, listed)| {
        let (starts, stops) = (
            listed.after.difference(&listed.before),
            listed.before.difference(&listed.after),
        );
        let starting = |version: &VersionNumber| Starting {
            version: *version,
            functions: functions(known, &place.app, *version),
        };
        Pods {
            starts: starts.map(starting).collect(),
            stops: stops
                .map(|version| Stopping {
                    version: *version,
                    window: listed.windows.get(version).copied(),
                })
                .collect(),
            app: place.app.clone(),
            namespace: place.namespace.clone(),
            folder: place.folder.clone(),
        }
    })
    .collect()
}

/// The functions of a version that is known by any word.
fn functions(known: &Known, app: &AppName, version: VersionNumber) -> Vec<FunctionPods> {
    let records = known.get(app).into_iter().flat_map(BTreeMap::values);
    let is_it = |record: &&VersionRecord| record.number == version;
    let record = records.flatten().find(is_it);
    let functions = record.into_iter().flat_map(|record| &record.functions);
    functions
        .map(|function| FunctionPods {
            function: function.name.clone(),
            pods: function.min(),
        })
        .collect()
}
