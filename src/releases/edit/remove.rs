//! Takes one object out of a file.

use super::{EditError, line_end};
use crate::releases::{Release, read};
use crate::yaml;

/// The file without one of its objects; nothing where the file holds no other, and goes with it.
///
/// # Errors
/// When the object cannot be told from the others in the text.
pub fn remove(release: &Release, bytes: &[u8]) -> Result<Option<Vec<u8>>, EditError> {
    let unusual = || EditError::Unusual {
        file: release.file.clone(),
        line: release.place.line,
        kind: release.kind(),
        name: release.name().to_owned(),
        text: "nothing: take the object out".to_owned(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| unusual())?;
    let before = yaml::read_all(bytes).map_err(|_| unusual())?;
    let index = before.iter().position(|node| node.place == release.place);
    let index = index.ok_or_else(unusual)?;
    if before.len() == 1 {
        return Ok(None);
    }
    let at = before[index].span.start;
    // A line `---` parts two documents, and nothing else begins so.
    let marks: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(found, _)| found + 1))
        .filter(|start| {
            let end = line_end(text, *start).unwrap_or(*start);
            let line = &text[*start..end];
            line.strip_prefix("---")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        })
        .collect();
    let start = marks.iter().rev().find(|mark| **mark <= at).copied();
    let end = marks.iter().find(|mark| **mark > at).copied();
    let range = match (start, end) {
        // The first one without a mark of its own: the next one's mark may stay.
        (None, Some(end)) => 0..end,
        (Some(start), Some(end)) => start..end,
        (Some(start), None) => start..text.len(),
        (None, None) => return Err(unusual()),
    };
    let mut edited = text.to_owned();
    edited.replace_range(range, "");
    let edited = edited.into_bytes();
    let after = yaml::read_all(&edited).map_err(|_| unusual())?;
    let rest: Vec<_> = (before.iter().enumerate())
        .filter(|(at, _)| *at != index)
        .map(|(_, node)| node.to_json())
        .collect();
    let now: Vec<_> = after.iter().map(yaml::Node::to_json).collect();
    read(&release.file, &edited).map_err(EditError::Unreadable)?;
    if rest == now {
        Ok(Some(edited))
    } else {
        Err(unusual())
    }
}
