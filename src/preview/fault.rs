//! What is wrong after a merge, with its place, and whether the merge brings it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::change::{Action, Change};
use super::objects::Pair;
use super::places;
use super::side::{Resolved, Side, Unread};
use crate::api::{Class, Reason};
use crate::plan::BACKENDS_MAX;
use crate::releases::{Kind, Release, collide, is_inside, share_a_place};
use crate::words::{AppName, VersionNumber};

/// What a fault means for a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It can never work as it is written.
    Never,
    /// It may be meant so, or may go away by itself.
    Warning,
    /// It could not work before either, and what it concerns does not change.
    Before,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What it means for the merge.
    pub standing: Standing,
    /// Why, in the word that a condition of the object would have; absent where there is none.
    pub reason: Option<&'static str>,
    /// The app; absent where it is not known.
    pub app: Option<AppName>,
    /// What kind of object it concerns; absent where that is not known.
    pub kind: Option<Kind>,
    /// The name of the object that it concerns; absent where that is not known.
    pub name: Option<String>,
    /// The file, from the root of the repository; the folder where it concerns all of its files.
    pub file: String,
    /// The line; absent where it concerns the whole file.
    pub line: Option<u64>,
    /// The column; absent where it concerns a whole object or file.
    pub column: Option<u64>,
    /// What is wrong, and what to do.
    pub message: String,
    /// What it is about, whatever the lines are: by this it is known again.
    #[serde(skip)]
    about: String,
}

impl Fault {
    /// Its place, as an editor and a terminal take it: `releases/shop.yaml:9:3`.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            (None, _) => self.file.clone(),
        }
    }

    fn of_object(release: &Release, reason: Reason, message: String) -> Self {
        let standing = match reason.class() {
            Class::Stalled => Standing::Never,
            Class::Fine | Class::Step | Class::Fault => Standing::Warning,
        };
        Self {
            standing,
            reason: Some(reason.as_str()),
            app: Some(release.app().clone()),
            kind: Some(release.kind()),
            name: Some(release.name().to_owned()),
            file: release.file.clone(),
            line: Some(release.place.line),
            column: None,
            about: message.clone(),
            message,
        }
    }

    fn of_file(file: &str, standing: Standing, message: String) -> Self {
        Self {
            standing,
            reason: None,
            app: None,
            kind: None,
            name: None,
            file: file.to_owned(),
            line: None,
            column: None,
            about: message.clone(),
            message,
        }
    }

    /// True where the other one says the same of the same object or file.
    fn is_like(&self, other: &Self) -> bool {
        let subject = |fault: &Self| (fault.reason, fault.kind, fault.name.clone());
        subject(self) == subject(other) && self.file == other.file && self.about == other.about
    }
}

/// What is wrong after, in the order of the files.
pub(super) fn all(
    before: (&Side<'_>, &[Resolved<'_>]),
    after: (&Side<'_>, &[Resolved<'_>]),
    pairs: &[Pair<'_>],
    changes: &[Change],
    earlier: &[Release],
) -> Vec<Fault> {
    let old = of_side(before.0, before.1, &[]);
    let held: Vec<&Release> = (pairs.iter().filter(|pair| pair.after.is_some()))
        .filter_map(|pair| Some(pair.before?.release))
        .collect();
    let mut faults = of_side(after.0, after.1, &held);
    let is_new = |fault: &Fault| {
        changes.iter().any(|change| {
            let is_it = (Some(change.kind), Some(&change.name), &change.file)
                == (fault.kind, fault.name.as_ref(), &fault.file);
            is_it && change.action != Action::Stays
        })
    };
    let was_so = |fault: &Fault| old.iter().any(|other| other.is_like(fault)) && !is_new(fault);
    // What may be meant so was meant so before.
    faults.retain(|fault| fault.standing == Standing::Never || !was_so(fault));
    for fault in faults.iter_mut().filter(|fault| was_so(fault)) {
        fault.standing = Standing::Before;
    }
    faults.extend(pairs.iter().filter_map(|pair| moved(pair, earlier)));
    faults.extend(pairs.iter().filter_map(|pair| was_twice(pair, before.1)));
    faults.extend(pairs.iter().filter_map(crowded));
    faults.extend(missing(after.0, changes));
    faults.extend(mended(before.0, after.0));
    faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    faults
}

/// What is wrong on one side. `served` are the objects as they were before, where there is a before.
fn of_side(side: &Side<'_>, all: &[Resolved<'_>], served: &[&Release]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = side.unknown().flat_map(unread).collect();
    for seen in all {
        let release = seen.release;
        for trouble in &seen.troubles {
            let message = trouble.message.clone();
            let mut fault = Fault::of_object(release, trouble.reason, message);
            if trouble.pending {
                fault.standing = Standing::Warning;
            }
            faults.push(fault);
        }
        if release.wanted.routes.is_empty() {
            let message = "has no routes, so no request reaches it; add `routes`";
            faults.push(Fault::of_object(
                release,
                Reason::NoRoutes,
                message.to_owned(),
            ));
        }
    }
    faults.extend(doubles(all, served));
    faults.extend(clashes(all, served));
    faults
}

/// What is wrong in a file that cannot be read.
fn unread(file: &Unread<'_>) -> Vec<Fault> {
    let fault = |message: &str| Fault {
        reason: Some(Reason::MalformedObject.as_str()),
        ..Fault::of_file(file.file, Standing::Never, message.to_owned())
    };
    if file.places.is_empty() {
        let place = format!("{}: ", file.file);
        let message = file.problem.strip_prefix(&place);
        return vec![fault(message.unwrap_or(file.problem))];
    }
    let one = |problem: &crate::yaml::Problem| {
        let mut fault = if problem.field.is_empty() {
            fault(&problem.message)
        } else {
            fault(&format!("{}: {}", problem.field, problem.message))
        };
        if problem.place.line > 0 {
            (fault.line, fault.column) = (Some(problem.place.line), Some(problem.place.column));
        }
        fault
    };
    file.places.iter().map(one).collect()
}

/// Two files with one object, and a second Deployment of an app. Who was there before is not the one to name.
fn doubles(all: &[Resolved<'_>], served: &[&Release]) -> Vec<Fault> {
    let was_there = |release: &Release| {
        let mut before = served.iter();
        before.any(|old| old.file == release.file && collide(old, release))
    };
    let ordered = |first, second| match (was_there(first), was_there(second)) {
        (false, true) => (second, first),
        _ => (first, second),
    };
    let mut faults = Vec::new();
    for (index, seen) in all.iter().enumerate() {
        let release = seen.release;
        let earlier = || all[..index].iter().map(|other| other.release);
        let place = |other: &Release| format!("{}:{}", other.file, other.place.line);
        if let Some(twin) = earlier().find(|other| collide(other, release)) {
            let message = format!(
                "{:?} `{}` is in {} already; keep one",
                release.kind(),
                release.name(),
                place(twin)
            );
            faults.push(Fault {
                reason: None,
                standing: Standing::Never,
                about: format!("twin of {}", twin.file),
                ..Fault::of_object(release, Reason::NameTaken, message)
            });
            continue;
        }
        let is_second = |other: &&Release| {
            let both = [other.kind(), release.kind()] == [Kind::Deployment; 2];
            both && other.app() == release.app() && share_a_place(other, release)
        };
        if let Some(first) = earlier().find(is_second) {
            let (first, release) = ordered(first, release);
            let message = format!(
                "is the second Deployment of app `{}` in one place, after `{}` ({}), and an app has one; remove one, or make it an Alias",
                release.app(),
                first.name(),
                place(first)
            );
            faults.push(Fault {
                about: format!("second after {} in {}", first.name(), first.file),
                ..Fault::of_object(release, Reason::AppTaken, message)
            });
            continue;
        }
        let is_outside = |other: &&Release| {
            let both = [other.kind(), release.kind()] == [Kind::Deployment; 2];
            both && other.app() == release.app() && is_inside(other, release)
        };
        if let Some(other) = earlier().find(is_outside) {
            let (other, release) = ordered(other, release);
            let message = format!(
                "is a Deployment of app `{}`, as `{}` ({}) is, and one folder is inside the other: who follows the outer folder takes one of the two alone; remove one, or put both into folders side by side",
                release.app(),
                other.name(),
                place(other)
            );
            faults.push(Fault {
                standing: Standing::Warning,
                about: format!("inside {}", other.file),
                ..Fault::of_object(release, Reason::AppTaken, message)
            });
        }
    }
    faults
}

/// Objects that ask for a place of another one. Who had it before keeps it.
fn clashes(all: &[Resolved<'_>], served: &[&Release]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for clash in places::clashes(all) {
        let (first, second) = (all[clash.first].release, all[clash.second].release);
        // An object that is twice there is said to be so.
        if collide(first, second) {
            continue;
        }
        let had = |release: &Release| {
            let mut before = served.iter().filter(|old| collide(old, release));
            before.any(|old| places::has(old, &clash))
        };
        let (holder, other, is_older) = match (had(first), had(second)) {
            (false, true) => (second, first, true),
            (true, false) => (first, second, true),
            (true, true) | (false, false) => (first, second, false),
        };
        let place = format!("{}{}", clash.hostname, clash.path);
        let gateway = &clash.gateway.name;
        let named = format!(
            "{} of app `{}` ({}:{})",
            holder.kind().named(holder.namespace(), holder.name()),
            holder.app(),
            holder.file,
            holder.place.line
        );
        let message = if is_older {
            format!(
                "{place} on gateway {gateway} belongs to {named}, which had it before; choose another hostname or path, or take it out there"
            )
        } else {
            format!(
                "{place} on gateway {gateway} is asked for by {named} too; change the route of one of them"
            )
        };
        faults.push(Fault {
            about: format!("{place} {gateway} {} {}", holder.file, holder.name()),
            ..Fault::of_object(other, Reason::RouteClaimed, message)
        });
    }
    faults
}

/// An object that stood in two files before, and in one after.
fn was_twice(pair: &Pair<'_>, before: &[Resolved<'_>]) -> Option<Fault> {
    let after = pair.after?.release;
    let old = before.iter().map(|old| old.release);
    let old: Vec<String> = (old.filter(|old| collide(old, after)))
        .map(|old| format!("{}:{}", old.file, old.place.line))
        .collect();
    (old.len() > 1).then(|| {
        let message = format!(
            "stood in {} before, so which of them is served is not known: it is taken for the first",
            old.join(" and ")
        );
        Fault {
            standing: Standing::Warning,
            ..Fault::of_object(after, Reason::NameTaken, message)
        }
    })
}

/// An object that is of another app or repository than before. One that is again what it was `earlier` takes back a change that does not
/// count anywhere.
fn moved(pair: &Pair<'_>, earlier: &[Release]) -> Option<Fault> {
    let (before, after) = (pair.before?.release, pair.after?.release);
    let fields = [
        ("app", before.app().as_str(), after.app().as_str()),
        (
            "repository",
            &before.wanted.repository,
            &after.wanted.repository,
        ),
    ];
    let was = |field: &str, value: &str| {
        let of = |old: &Release| match field {
            "app" => old.app().to_string(),
            _ => old.wanted.repository.clone(),
        };
        let mut same = earlier.iter().filter(|old| collide(old, after));
        same.any(|old| of(old) == value)
    };
    // What is again as it was takes back a change; another field that is not is what keeps the object from going on.
    let changed = || fields.iter().copied().filter(|(_, old, new)| old != new);
    let (field, old, new) =
        (changed().find(|(field, _, new)| !was(field, new))).or(changed().next())?;
    let of = |release: &Release| (release.app().clone(), release.wanted.repository.clone());
    let is_again = |old: &Release| collide(old, after) && of(old) == of(after);
    if earlier.iter().any(is_again) {
        let message = format!(
            "spec.{field}: is `{new}` again and was `{old}`, which does not count where `{new}` did before: the object goes on from what it was"
        );
        return Some(Fault {
            standing: Standing::Warning,
            ..Fault::of_object(after, Reason::InvalidSpec, message)
        });
    }
    let message = format!(
        "spec.{field}: is `{new}` and was `{old}`; {field} never changes: write `{old}` again, or give the object another name"
    );
    Some(Fault::of_object(after, Reason::InvalidSpec, message))
}

/// A shift that names more versions at once than a rule of a route takes.
fn crowded(pair: &Pair<'_>) -> Option<Fault> {
    let (before, after) = (pair.before?, pair.after?);
    let release = after.release;
    let versions: BTreeSet<VersionNumber> = before.versions().chain(after.versions()).collect();
    let count = versions.len();
    (count > BACKENDS_MAX && !release.wanted.routes.is_empty()).then(|| {
        let message = format!(
            "the shift would name {count} versions at once, and the Gateway API takes {BACKENDS_MAX} in a rule: those with the smallest shares leave before the new ones have theirs; go in two steps"
        );
        Fault {
            standing: Standing::Warning,
            ..Fault::of_object(release, Reason::RouteTooLarge, message)
        }
    })
}

/// Objects that are missing and go on, where no file that cannot be read says it.
fn missing(after: &Side<'_>, changes: &[Change]) -> Vec<Fault> {
    let stay: Vec<&Change> = (changes.iter())
        .filter(|change| change.action == Action::Stays)
        .collect();
    if after.is_empty() && !stay.is_empty() {
        let message = format!(
            "`{}` holds no Deployment and no Alias any more, which may be a slip, so all of them go on as before; put back what was not meant to go, or keep one of them and remove the others first",
            after.folder
        );
        return vec![Fault::of_file(after.folder, Standing::Warning, message)];
    }
    let emptied: BTreeSet<&String> = (stay.iter().map(|change| &change.file))
        .filter(|file| after.bare.contains(file))
        .collect();
    let one = |file: &String| {
        let message = "holds nothing any more, and what it held goes on as before; write it there again, or remove the file to take it away";
        Fault::of_file(file, Standing::Warning, message.to_owned())
    };
    emptied.into_iter().map(one).collect()
}

/// Files that could not be read before and can be now: what they held before is not known.
fn mended(before: &Side<'_>, after: &Side<'_>) -> Vec<Fault> {
    let is_unread = |file: &str| after.unknown().any(|other| other.file == file);
    let mended = before.unknown().filter(|file| !is_unread(file.file));
    let one = |file: &Unread<'_>| {
        let message = "could not be read before, so what it held is not known, and its objects are shown as new";
        Fault::of_file(file.file, Standing::Warning, message.to_owned())
    };
    mended.map(one).collect()
}
