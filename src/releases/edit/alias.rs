//! The version and the canary of an Alias.

use super::scalar::Style;
use super::{Meaning, Part, Splice, is_blank, line_break, line_end, line_start};
use crate::words::{Share, VersionNumber, VersionWord};
use crate::yaml::{Field, Node};

/// What is put where.
pub(super) fn set(
    text: &str,
    spec: &Node,
    version: VersionNumber,
    canary: Option<Part>,
    meaning: Meaning<'_>,
) -> Option<Vec<Splice>> {
    let field = spec.get("version")?;
    let style = Style::of(text.get(field.node.span.clone())?);
    let flow = text.get(spec.span.start..)?.starts_with('{');
    let mut splices: Vec<Splice> = pinned(&field.node, version, style, meaning)?
        .into_iter()
        .collect();
    match (spec.get("canary"), canary) {
        (None, None) => {}
        (Some(there), Some(part)) => {
            let (old, share) = (there.node.get("version")?, there.node.get("percentage")?);
            splices.extend(pinned(&old.node, part.version, style, meaning)?);
            let now: Option<Share> = serde_json::from_value(share.node.to_json()).ok();
            if now != Some(part.percentage) {
                splices.push((share.node.span.clone(), part.percentage.to_string()));
            }
        }
        (None, Some(part)) => splices.push(added(text, field, part, style, flow)?),
        (Some(there), None) => splices.push(removed(text, there, flow)?),
    }
    Some(splices)
}

/// The version in the place of another one; nothing to do where it stands there as a number.
#[expect(
    clippy::option_option,
    reason = "that nothing is to do is not that it cannot be done"
)]
fn pinned(
    node: &Node,
    version: VersionNumber,
    style: Style,
    meaning: Meaning<'_>,
) -> Option<Option<Splice>> {
    let word: VersionWord = serde_json::from_value(node.to_json()).ok()?;
    let same = matches!(word, VersionWord::Number(_)) && meaning(&word) == Some(version);
    Some((!same).then(|| (node.span.clone(), style.write(version))))
}

/// A canary behind the version.
fn added(text: &str, version: &Field, part: Part, style: Style, flow: bool) -> Option<Splice> {
    let (number, share) = (style.write(part.version), part.percentage);
    let key = |name: &str| {
        let quote = version.quote(text);
        format!("{quote}{name}{quote}")
    };
    let [canary, main, percentage] = ["canary", "version", "percentage"].map(key);
    if flow {
        let at = version.node.span.end;
        let new = format!(", {canary}: {{{main}: {number}, {percentage}: {share}}}");
        return Some((at..at, new));
    }
    let start = version.key_span.start;
    let indent = text.get(line_start(text, start)?..start)?;
    let end = line_end(text, version.node.span.end)?;
    if !indent.bytes().all(|b| b == b' ') || !is_blank(text.get(version.node.span.end..end)?) {
        return None;
    }
    let eol = line_break(text, end);
    let new = format!(
        "{eol}{indent}{canary}:{eol}{indent}  {main}: {number}{eol}{indent}  {percentage}: {share}"
    );
    Some((end..end, new))
}

/// The canary with its lines, or from its comma on.
fn removed(text: &str, canary: &Field, flow: bool) -> Option<Splice> {
    let (version, share) = (canary.node.get("version")?, canary.node.get("percentage")?);
    let last = version.node.span.end.max(share.node.span.end);
    let start = canary.key_span.start;
    if flow {
        let end = last + text.get(last..)?.find('}')? + 1;
        let before = text.get(..start)?.trim_end();
        return if before.ends_with(',') {
            Some((before.len() - 1..end, String::new()))
        } else {
            let comma = text.get(end..)?.find(',')?;
            let rest = text.get(end + comma + 1..)?;
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            Some((start..end + comma + 1 + spaces, String::new()))
        };
    }
    let line = line_start(text, start)?;
    let end = line_end(text, last)?;
    let rest = text.get(last..end)?.trim_start_matches([' ', '}', ',']);
    let alone = text.get(line..start)?.bytes().all(|b| b == b' ');
    if !alone || !is_blank(&format!(" {rest}")) {
        return None;
    }
    let next = end + text.get(end..)?.find('\n').map_or(0, |found| found + 1);
    Some((line..next, String::new()))
}
