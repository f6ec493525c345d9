//! A plan as Markdown, for a comment on a pull request.
//!
//! Most words in it were written by others: they stand in code spans, where they can make no link, no heading and no mention of a
//! person. A number of a pull request stands outside, so that a forge makes a link of it.

use std::iter::once;

use super::document::{GoesOut, PlanJson};
use super::text::{self, TITLES, faults};
use crate::preview::{Action, Change, Fault, Standing};
use crate::store::OutgoingCommit;

/// The lines of the comment.
pub(super) fn lines(plan: &PlanJson) -> Vec<String> {
    let mut lines = vec!["### What this merge does".to_owned(), String::new()];
    if plan.preview.changes.is_empty() && plan.preview.pods.is_empty() {
        lines.extend(["Nothing changes.".to_owned(), String::new()]);
    }
    for change in &plan.preview.changes {
        lines.extend(self::change(plan, change));
    }
    for pods in &plan.preview.pods {
        let starts = pods
            .starts
            .iter()
            .map(|it| format!("- starts {}", text::starting(it)));
        let stops = pods
            .stops
            .iter()
            .map(|it| format!("- stops {}", text::stopping(it)));
        let title = format!("**Pods of {}**", code(&text::place(pods)));
        lines.extend(
            once(title)
                .chain([String::new()])
                .chain(starts)
                .chain(stops),
        );
        lines.push(String::new());
    }
    for (standing, title) in TITLES {
        let faults = faults(plan, standing);
        if !faults.is_empty() {
            let mark = match standing {
                Standing::Never => ":x: ",
                Standing::Warning => ":warning: ",
                Standing::Before => "",
            };
            lines.extend([format!("**{mark}{}**", capital(title)), String::new()]);
            lines.extend(faults.into_iter().map(fault));
            lines.push(String::new());
        }
    }
    if plan.behind {
        lines.push(format!(
            "{} has newer commits that change releases; what is shown is what this proposal changes of what it began with.",
            code(&plan.base.name)
        ));
        lines.push(String::new());
    }
    // The one behind the last paragraph.
    lines.pop();
    lines
}

/// An object: a table of its versions, and a list of all else.
fn change(plan: &PlanJson, change: &Change) -> Vec<String> {
    let what = match change.action {
        Action::Added => "new",
        Action::Changed => "changed",
        Action::Removed => "removed",
        Action::Stays => "goes on as before",
    };
    let place = format!("{}:{}", change.file, change.line);
    let mut lines = vec![
        format!(
            "**{}** ({what}, {})",
            code(&text::subject(change)),
            code(&place)
        ),
        String::new(),
        "| version | before | after |".to_owned(),
        "|---|--:|--:|".to_owned(),
    ];
    for step in &change.versions {
        let (before, after) = text::shares(step);
        lines.push(format!(
            "| {} | {before} | {after} |",
            code(&text::version(step))
        ));
    }
    lines.push(String::new());
    let details = text::details(change);
    lines.extend(details.iter().map(|detail| format!("- {}", code(detail))));
    if !details.is_empty() {
        lines.push(String::new());
    }
    if let Some(goes_out) = plan.goes_out(change) {
        lines.extend(self::goes_out(goes_out));
    }
    lines
}

fn goes_out(goes_out: &GoesOut) -> Vec<String> {
    let headline = capital(&text::headline(goes_out));
    let commits = goes_out.outgoing.commits.iter().map(commit);
    let more = text::more(goes_out).map(|more| format!("- {more}"));
    let list: Vec<String> = commits.chain(more).collect();
    let end = if list.is_empty() {
        Vec::new()
    } else {
        vec![String::new()]
    };
    (once(headline).chain([String::new()]).chain(list).chain(end)).collect()
}

fn commit(commit: &OutgoingCommit) -> String {
    let pull_request = (commit.pull_request)
        .map(|number| format!(" #{number}"))
        .unwrap_or_default();
    let id = commit.commit.short();
    format!("- {id} {}{pull_request}", code(&commit.subject))
}

fn fault(fault: &Fault) -> String {
    let reason = fault.reason.map(|word| format!(" ({word})"));
    format!(
        "- {}: {}{}",
        code(&fault.place()),
        code(&fault.message),
        reason.unwrap_or_default()
    )
}

/// What others wrote, as it is: nothing in it is read as Markdown, also in a table.
fn code(text: &str) -> String {
    let text = super::super::screen::harmless(text);
    let text = text.replace('`', "'").replace('|', "\u{a6}");
    format!("`{text}`")
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_makes_no_markdown() {
        for (text, shown) in [
            ("Fix `x`", "`Fix 'x'`"),
            ("a | b", "`a \u{a6} b`"),
            ("@ada [x](http://y) <b>", "`@ada [x](http://y) <b>`"),
            ("a\nb", "`a\\nb`"),
        ] {
            assert_eq!(code(text), shown);
        }
    }
}
