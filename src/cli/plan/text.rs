//! A plan for people, and the sentences that it shares with the Markdown.

use super::document::{GoesOut, PlanJson};
use crate::api::Route;
use crate::cli::screen::harmless;
use crate::preview::{Action, Change, Fault, Pods, RouteStep, Standing, Starting, Step, Stopping};
use crate::releases::Kind;

/// The lines of a plan.
pub(super) fn lines(plan: &PlanJson) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &plan.preview.changes {
        lines.push(format!(
            "{} {}: {}  ({}:{})",
            sign(change.action),
            subject(change),
            steps(change),
            harmless(&change.file),
            change.line
        ));
        lines.extend(
            details(change)
                .into_iter()
                .map(|line| format!("    {line}")),
        );
        if let Some(goes_out) = plan.goes_out(change) {
            lines.push(format!("    {}", headline(goes_out)));
            for commit in &goes_out.outgoing.commits {
                let (id, subject) = (commit.commit.short(), harmless(&commit.subject));
                lines.push(format!("      {id} {subject}"));
            }
            lines.extend(more(goes_out).map(|line| format!("      {line}")));
        }
    }
    for pods in &plan.preview.pods {
        lines.push(format!("pods of {}", place(pods)));
        lines.extend(pods.starts.iter().map(|it| format!("  + {}", starting(it))));
        lines.extend(pods.stops.iter().map(|it| format!("  - {}", stopping(it))));
    }
    if lines.is_empty() {
        lines.push(nothing(plan));
    }
    for (standing, title) in TITLES {
        let faults = faults(plan, standing);
        if !faults.is_empty() {
            lines.push(format!("{title}:"));
            lines.extend(
                faults
                    .into_iter()
                    .map(|fault| format!("  {}", self::fault(fault))),
            );
        }
    }
    lines
}

/// What is wrong, by what it means.
pub(super) const TITLES: [(Standing, &str); 3] = [
    (Standing::Never, "can never work"),
    (Standing::Warning, "to look at"),
    (Standing::Before, "was so before"),
];

pub(super) fn faults(plan: &PlanJson, standing: Standing) -> Vec<&Fault> {
    let all = plan.preview.faults.iter();
    all.filter(|fault| fault.standing == standing).collect()
}

/// That nothing changes.
pub(super) fn nothing(plan: &PlanJson) -> String {
    format!(
        "nothing changes from {} to {}",
        plan.base.name, plan.head.name
    )
}

/// What an object is called.
pub(super) fn subject(change: &Change) -> String {
    let (app, namespace) = (change.app.as_str(), change.namespace.as_deref());
    match change.kind {
        Kind::Deployment if namespace.is_none() && change.name == app => app.to_owned(),
        Kind::Deployment => format!("{app} ({})", change.kind.named(namespace, &change.name)),
        Kind::Alias => format!("{app} {}", change.kind.named(namespace, &change.name)),
    }
}

fn sign(action: Action) -> &'static str {
    match action {
        Action::Added => "+",
        Action::Changed => "~",
        Action::Removed => "-",
        Action::Stays => "=",
    }
}

/// `v7 100% -> 90%, v8 0% -> 10%`
fn steps(change: &Change) -> String {
    let all: Vec<String> = change.versions.iter().map(step).collect();
    let all = all.join(", ");
    match change.action {
        Action::Stays => format!("{all}, goes on as before"),
        Action::Removed => format!("{all}, removed"),
        Action::Added | Action::Changed => all,
    }
}

fn step(step: &Step) -> String {
    let (before, after) = shares(step);
    let version = version(step);
    if before == after {
        format!("{version} {after}")
    } else {
        format!("{version} {before} -> {after}")
    }
}

/// `v7`, or `v7 (stable)` where it is called otherwise.
pub(super) fn version(step: &Step) -> String {
    let word = step.version.to_string();
    match step.number {
        Some(number) if number.to_string() != word => format!("{number} ({word})"),
        Some(number) => number.to_string(),
        None => word,
    }
}

/// The share before and the one after.
pub(super) fn shares(step: &Step) -> (String, String) {
    let share = |share: Option<crate::words::Share>| format!("{}%", share.unwrap_or_default());
    (share(step.before), share(step.after))
}

/// What else becomes of an object.
pub(super) fn details(change: &Change) -> Vec<String> {
    let mut lines: Vec<String> = change.routes.iter().map(route).collect();
    if !change.fields.is_empty() {
        lines.push(format!("also changes: {}", change.fields.join(", ")));
    }
    lines
}

fn route(step: &RouteStep) -> String {
    let name = &step.name;
    match (&step.before, &step.after) {
        (Some(before), Some(after)) => {
            format!("route {name}: {} -> {}", at(before), at(after))
        }
        (Some(before), None) => format!("route {name} goes: {}", at(before)),
        (None, Some(after)) => format!("route {name} is new: {}", at(after)),
        (None, None) => format!("route {name}"),
    }
}

/// `shop.test/ (function web) on gateway public`
fn at(route: &Route) -> String {
    let hostnames = route.hostnames.iter();
    let places: Vec<String> = hostnames
        .map(|hostname| format!("{hostname}{}", route.path))
        .collect();
    let function = (route.function.as_ref())
        .map(|function| format!(" (function {function})"))
        .unwrap_or_default();
    let gateway = &route.gateway;
    let namespace = (gateway.namespace.as_ref())
        .map(|namespace| format!("{namespace}/"))
        .unwrap_or_default();
    let section = (gateway.section_name.as_ref())
        .map(|section| format!(", listener {section}"))
        .unwrap_or_default();
    format!(
        "{}{function} on gateway {namespace}{}{section}",
        places.join(", "),
        gateway.name
    )
}

/// `goes out, from v7 to v8: 3 commits`
pub(super) fn headline(goes_out: &GoesOut) -> String {
    let outgoing = &goes_out.outgoing;
    let (from, to) = (goes_out.from, goes_out.to);
    let what = if outgoing.taken_back {
        "is taken back"
    } else {
        "goes out"
    };
    let count = outgoing.commits.len() + outgoing.more;
    match (&goes_out.problem, count) {
        (Some(problem), _) => format!(
            "what goes out from {from} to {to} cannot be told: {}",
            harmless(problem)
        ),
        (None, 0) => format!("no commit of this app {what} from {from} to {to}"),
        (None, 1) => format!("{what}, from {from} to {to}: 1 commit"),
        (None, count) => format!("{what}, from {from} to {to}: {count} commits"),
    }
}

/// How many commits are not shown.
pub(super) fn more(goes_out: &GoesOut) -> Option<String> {
    let more = goes_out.outgoing.more;
    (more > 0).then(|| format!("and {more} more"))
}

/// The app, with its namespace or its folder where there is one.
pub(super) fn place(pods: &Pods) -> String {
    match &pods.namespace {
        Some(namespace) => format!("{} in namespace {namespace}", pods.app),
        None => format!("{} ({})", pods.app, harmless(&pods.folder)),
    }
}

/// `v8: web 2`
pub(super) fn starting(starting: &Starting) -> String {
    let functions: Vec<String> = (starting.functions.iter())
        .map(|it| format!("{} {}", it.function, it.pods))
        .collect();
    format!("{}: {}", starting.version, functions.join(", "))
}

/// `v7, 1h after it got its last share`
pub(super) fn stopping(stopping: &Stopping) -> String {
    match stopping.window {
        Some(window) => format!("{}, {window} after its last share", stopping.version),
        None => format!("{}, once its last requests are answered", stopping.version),
    }
}

/// `releases/checkout.yaml:1: what is wrong (VersionNotFound)`
fn fault(fault: &Fault) -> String {
    let reason = fault.reason.map(|word| format!(" ({word})"));
    harmless(&format!(
        "{}: {}{}",
        fault.place(),
        fault.message,
        reason.unwrap_or_default()
    ))
}
