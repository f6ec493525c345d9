//! Numbers without a `v` beside words that are written as versions or have a share: `v2 10` may be meant as version 2 at 10 %, or as
//! the versions 2 and 10. Neither is taken for granted: a slip would serve a version that nobody asked for.
//!
//! Pure: reads the words that were typed.

use super::output::Failure;
use super::shell::quoted;
use crate::releases::Asked;
use crate::words::{Share, VersionWord, WORD_MAX, shown};

/// A number that may be meant as a share, and whether it could be a version too.
fn share(word: &str) -> Option<(Share, bool)> {
    let share = word.strip_suffix('%').unwrap_or(word).parse().ok()?;
    Some((share, word.parse::<VersionWord>().is_ok()))
}

/// An error where a number may be a share as well as a version; `command` is what stands before the words, such as
/// `cutwater deploy checkout`.
pub(super) fn check(command: &str, words: &[String]) -> Result<(), Failure> {
    match doubt(command, words) {
        None => Ok(()),
        Some((problem, hints)) => Err(hints
            .into_iter()
            .fold(Failure::usage(problem), Failure::hint)),
    }
}

/// The words with each share that a space keeps from its version behind it: `v5 = 50`, `v5= 50`, `v5 =50`, `v5 @50`. Nothing where
/// there is none.
fn joined(words: &[String]) -> Option<Vec<String>> {
    let mut parts: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in words {
        let bare = word.trim_start_matches(['=', '@', ':']);
        match parts.last_mut() {
            Some(last) if (is_open || bare.len() < word.len()) && !last.contains('=') => {
                is_open = bare.is_empty();
                if !is_open {
                    last.push('=');
                    last.push_str(bare.trim_end_matches('%'));
                }
            }
            _ => {
                let bare = word.trim_end_matches(['=', '@', ':']);
                is_open = bare.len() < word.len();
                parts.push(bare.to_owned());
            }
        }
    }
    let is_right = |part: &String| part.parse::<Asked>().is_ok();
    (parts.len() < words.len() && parts.iter().all(is_right)).then_some(parts)
}

/// What is not clear, and what to write instead.
fn doubt(command: &str, words: &[String]) -> Option<(String, Vec<String>)> {
    if let Some(parts) = joined(words) {
        let problem = format!(
            "`{}`: a share stands right behind its version and its `=`, without a space; nothing was changed",
            shown(&words.join(" "), WORD_MAX)
        );
        let parts: Vec<String> = parts.iter().map(|part| as_version(part)).collect();
        return Some((
            problem,
            vec![format!("write: {command} {}", parts.join(" "))],
        ));
    }
    let numbers: Vec<(&String, bool)> = (words.iter())
        .filter_map(|word| Some((word, share(word)?.1)))
        .collect();
    let other = words.iter().find(|word| share(word).is_none());
    // Numbers alone are all written in one way, and are versions.
    let (word, may_be_version) = (numbers.iter())
        .find(|(_, may_be_version)| !may_be_version || other.is_some())
        .filter(|_| words.len() > 1)?;
    let problem = match other {
        Some(other) if *may_be_version => format!(
            "`{word}` reads as version v{word}, and beside `{}` it may be meant as {word} %; nothing was changed",
            shown(other, WORD_MAX)
        ),
        _ => format!(
            "`{word}` is no version, and a share stands behind its version with `=`; nothing was changed"
        ),
    };
    let mut hints = vec![format!(
        "a share is written behind its version: {command} {}",
        as_shares(words, other.is_none())
    )];
    if numbers.iter().all(|(_, may_be_version)| *may_be_version) {
        let versions: Vec<String> = words.iter().map(|word| as_version(word)).collect();
        hints.push(format!(
            "a version among such words is written with `v`: {command} {}",
            versions.join(" ")
        ));
    }
    Some((problem, hints))
}

/// The words with each number as the share of the word before it, and the rest of the traffic for a version that is to be named.
/// Where there are only numbers, each second one is a share.
fn as_shares(words: &[String], only_numbers: bool) -> String {
    let mut parts: Vec<(String, Option<Share>)> = Vec::new();
    for word in words {
        match (share(word), parts.last_mut()) {
            (Some((share, _)), Some((_, open @ None))) => *open = Some(share),
            (Some(_), _) if only_numbers => parts.push((word.clone(), None)),
            (Some((share, _)), _) => parts.push(("VERSION".to_owned(), Some(share))),
            (None, _) => match word.rsplit_once('=') {
                Some((version, share)) => {
                    let share = share.strip_suffix('%').unwrap_or(share);
                    parts.push((version.to_owned(), share.parse().ok()));
                }
                None => parts.push((word.clone(), None)),
            },
        }
    }
    let given = parts.iter().filter_map(|(_, share)| *share);
    let total: u32 = given.map(Share::basis_points).sum();
    let rest = Share::from_basis_points(total).rest();
    if !rest.is_zero() && parts.iter().all(|(_, share)| share.is_some()) {
        parts.push(("VERSION".to_owned(), Some(rest)));
    }
    let parts: Vec<String> = (parts.iter())
        .map(|(version, share)| match share {
            Some(share) => format!("{}={share}", quoted(version)),
            None => quoted(version).into_owned(),
        })
        .collect();
    parts.join(" ")
}

/// A word with a version, as it is typed.
fn as_version(word: &str) -> String {
    if share(word).is_some() {
        return format!("v{word}");
    }
    // A shell takes the sign as it is.
    let sides: Vec<_> = word.split('=').map(quoted).collect();
    sides.join("=")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of words behind `deploy`: the error and its hints.
    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let said = doubt("deploy", &words).map(|(problem, hints)| [vec![problem], hints].concat());
        said.unwrap_or_default().join("; ")
    }

    #[test]
    fn a_number_that_may_be_a_share_is_asked_about_with_both_forms() {
        for (line, parts) in [
            ("v2 10", ["v10", "deploy v2=10 VERSION=90", "deploy v2 v10"]),
            (
                "v1 90 v2 10",
                ["v90", "deploy v1=90 v2=10", "deploy v1 v90 v2 v10"],
            ),
            ("10 v2", ["v10", "deploy VERSION=10 v2", "deploy v10 v2"]),
            (
                "v2=90 10",
                ["v10", "deploy v2=90 VERSION=10", "deploy v2=90 v10"],
            ),
            (
                "stable 5",
                ["v5", "deploy stable=5 VERSION=95", "deploy stable v5"],
            ),
            ("v2 100", ["v100", "deploy v2=100", "deploy v2 v100"]),
            (
                "v2 v1=80 20",
                ["v20", "deploy v2 v1=80 VERSION=20", "deploy v2 v1=80 v20"],
            ),
        ] {
            let said = said(line);
            assert!(
                parts.iter().all(|part| said.contains(part)),
                "{line}: {said}"
            );
        }
    }

    #[test]
    fn a_share_behind_a_space_is_put_where_it_belongs() {
        for line in [
            "v5 = 50 v6",
            "v5= 50 v6",
            "v5 =50 v6",
            "v5 @50% v6",
            "v5@ 50 v6",
        ] {
            let said = said(line);
            assert!(said.ends_with("; write: deploy v5=50 v6"), "{line}: {said}");
        }
    }

    #[test]
    fn what_can_only_be_a_share_is_not_proposed_as_a_version() {
        for (line, right) in [
            ("v2 10%", "deploy v2=10 VERSION=90"),
            ("v2 12.5", "deploy v2=12.5 VERSION=87.5"),
            ("2 0", "deploy 2=0 VERSION=100"),
        ] {
            let said = said(line);
            assert!(
                said.contains("is no version") && said.ends_with(right),
                "{line}: {said}"
            );
        }
    }

    #[test]
    fn words_of_one_form_are_what_they_say() {
        for line in [
            "10",
            "2 10",
            "v2 v10",
            "v2=90 v10=10",
            "2=90 10=10",
            "stable v2",
            "v2 102",
            "3.0",
        ] {
            assert_eq!(said(line), "", "{line}");
        }
    }
}
