//! What becomes of one object: its shares, its routes, and which other fields differ.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::objects::Pair;
use super::side::Resolved;
use crate::api::{NamedRoute, Route};
use crate::releases::{Kind, Object, Release, share_a_place};
use crate::words::{AppName, RouteName, Share, VersionNumber, VersionWord};

/// Fields that are told one by one.
const TOLD: [&str; 4] = ["versions", "version", "canary", "routes"];

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is new.
    Added,
    /// It is another one than before.
    Changed,
    /// It goes, its routes first.
    Removed,
    /// It is missing, and goes on as before all the same, because it may stand in what cannot be read, or because it may be a slip.
    Stays,
}

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What becomes of it.
    pub action: Action,
    /// The app.
    pub app: AppName,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace, where the file names one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line at which the object begins.
    pub line: u64,
    /// Its versions before and after, in the order of its file; those that leave come last.
    pub versions: Vec<Step>,
    /// Its routes that are added, removed or changed.
    pub routes: Vec<RouteStep>,
    /// Other fields that differ, as they are called in the file.
    pub fields: Vec<String>,
    /// Which version gives way to which one; absent where no traffic goes from one version to another.
    pub exchange: Option<Exchange>,
}

/// A version of an object, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The version, as it is named.
    pub version: VersionWord,
    /// Its number; absent where the word means no version.
    pub number: Option<VersionNumber>,
    /// Its share before, in percent; absent where it was not listed.
    pub before: Option<Share>,
    /// Its share after, in percent; absent where it is not listed.
    pub after: Option<Share>,
}

/// A route of an object that is another one than before.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStep {
    /// Its name.
    #[schemars(with = "String")]
    pub name: RouteName,
    /// Where it was; absent where it is new.
    pub before: Option<Route>,
    /// Where it is; absent where it goes.
    pub after: Option<Route>,
}

/// The version that loses most, and the one that gains most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The version that loses the largest share.
    pub from: VersionNumber,
    /// The version that gains the largest share.
    pub to: VersionNumber,
}

/// What becomes of an object; nothing where it is as it was.
pub(super) fn of(pair: &Pair<'_>) -> Option<Change> {
    let shown = pair.shown()?;
    let after = if pair.stays { pair.before } else { pair.after };
    let action = match (pair.before, pair.after) {
        (None, _) => Action::Added,
        (Some(_), Some(_)) => Action::Changed,
        (Some(_), None) if pair.stays => Action::Stays,
        (Some(_), None) => Action::Removed,
    };
    let versions = steps(pair.before, after);
    let routes = routes(pair.before, after);
    let fields = match (pair.before, pair.after) {
        (Some(before), Some(after)) => fields(before.release, after.release, &versions),
        _ => Vec::new(),
    };
    let is_like = |step: &Step| step.before == step.after;
    if action == Action::Changed
        && versions.iter().all(is_like)
        && routes.is_empty()
        && fields.is_empty()
    {
        return None;
    }
    Some(Change {
        action,
        app: shown.app().clone(),
        kind: shown.kind(),
        namespace: shown.namespace().map(str::to_owned),
        name: shown.name().to_owned(),
        file: shown.file.clone(),
        line: shown.place.line,
        exchange: exchange(&versions),
        versions,
        routes,
        fields,
    })
}

/// The versions of both sides: two words of one version are one.
fn steps(before: Option<&Resolved<'_>>, after: Option<&Resolved<'_>>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (entry, number) in after.into_iter().flat_map(Resolved::entries) {
        steps.push(Step {
            version: entry.version.clone(),
            number,
            before: None,
            after: Some(entry.percentage),
        });
    }
    for (entry, number) in before.into_iter().flat_map(Resolved::entries) {
        let is_it = |step: &&mut Step| match (step.number, number) {
            (Some(one), Some(other)) => one == other,
            _ => step.version == entry.version,
        };
        let fresh = steps.iter_mut().filter(|step| step.before.is_none());
        match { fresh }.find(is_it) {
            Some(step) => step.before = Some(entry.percentage),
            None => steps.push(Step {
                version: entry.version.clone(),
                number,
                before: Some(entry.percentage),
                after: None,
            }),
        }
    }
    steps
}

/// The routes that differ, by name.
fn routes(before: Option<&Resolved<'_>>, after: Option<&Resolved<'_>>) -> Vec<RouteStep> {
    let of = |side: Option<&Resolved<'_>>| -> Vec<NamedRoute> {
        side.map_or_else(Vec::new, |seen| seen.release.wanted.routes.clone())
    };
    let (mut old, now) = (of(before), of(after));
    let mut steps = Vec::new();
    for NamedRoute { name, route } in now {
        let before = old.iter().position(|other| other.name == name);
        let before = before.map(|index| old.remove(index).route);
        // Whether the only route is called `main` or has no name is the same.
        let place = |route: &Route| Route {
            name: None,
            ..route.clone()
        };
        if before.as_ref().map(place) != Some(place(&route)) {
            steps.push(RouteStep {
                name,
                before,
                after: Some(route),
            });
        }
    }
    steps.extend(old.into_iter().map(|old| RouteStep {
        name: old.name,
        before: Some(old.route),
        after: None,
    }));
    steps
}

/// The other fields that differ.
fn fields(before: &Release, after: &Release, steps: &[Step]) -> Vec<String> {
    let mut fields = Vec::new();
    if !share_a_place(before, after) {
        fields.push("file".to_owned());
    }
    let (old, new) = (metadata(before), metadata(after));
    for (name, one, other) in [
        ("metadata.labels", &old.0, &new.0),
        ("metadata.annotations", &old.1, &new.1),
    ] {
        if one != other {
            fields.push(name.to_owned());
        }
    }
    let (old, new) = (spec(before), spec(after));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    // Other words for the same versions are no step, and a change all the same.
    let is_told = |name: &str| {
        let moves = steps.iter().any(|step| step.before != step.after);
        TOLD.contains(&name) && (moves || name == "routes")
    };
    let differing = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name));
    fields.extend(differing.filter(|name| !is_told(name)).cloned());
    fields
}

type Words = Option<std::collections::BTreeMap<String, String>>;

fn metadata(release: &Release) -> (Words, Words) {
    let metadata = match &release.object {
        Object::Deployment(object) => &object.metadata,
        Object::Alias(object) => &object.metadata,
    };
    (metadata.labels.clone(), metadata.annotations.clone())
}

/// The fields of a spec by their names.
fn spec(release: &Release) -> Map<String, Json> {
    let json = match &release.object {
        Object::Deployment(object) => serde_json::to_value(&object.spec),
        Object::Alias(object) => serde_json::to_value(&object.spec),
    };
    match json {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Which version loses most, and which one gains most.
fn exchange(steps: &[Step]) -> Option<Exchange> {
    let points = |share: Option<Share>| i64::from(share.map_or(0, Share::basis_points));
    let gain = |step: &&Step| points(step.after) - points(step.before);
    let known = || steps.iter().filter(|step| step.number.is_some());
    // Of several alike, the first in the file.
    let to = known()
        .rev()
        .max_by_key(gain)
        .filter(|step| gain(step) > 0)?;
    let from = known().min_by_key(gain).filter(|step| gain(step) < 0)?;
    Some(Exchange {
        from: from.number?,
        to: to.number?,
    })
}
