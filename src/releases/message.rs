//! The message of a commit that changes `releases/`: a title, what the person said, and trailers. Pure.

use crate::ci::Provenance;
use crate::words::{AppName, VersionNumber};

/// The whole message.
pub(crate) fn write(
    title: &str,
    said: Option<&str>,
    app: &AppName,
    from: &[VersionNumber],
    provenance: &Provenance,
) -> String {
    let mut text = format!("{title}\n\n");
    let said = said.unwrap_or_default().trim();
    if !said.is_empty() {
        text.push_str(said);
        text.push_str("\n\n");
    }
    let mut line = |key: &str, value: &str| {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let value: String = value.chars().map(plain).collect();
        for part in ["Cutwater-", key, ": ", &value, "\n"] {
            text.push_str(part);
        }
    };
    line("App", app.as_str());
    line("Source", &provenance.source);
    if let Some(run) = &provenance.run {
        line("Run", run);
    }
    if let Some(actor) = &provenance.actor {
        line("Actor", actor);
    }
    for version in from {
        line("Rolled-Back-From", &version.to_string());
    }
    text
}

/// The versions of the app that a commit with this message rolled back from.
pub(crate) fn rolled_back_from(text: &str, app: &AppName) -> Vec<VersionNumber> {
    let versions = values(text, app, "Rolled-Back-From").take(crate::releases::VERSIONS_MAX);
    versions.filter_map(|value| value.parse().ok()).collect()
}

/// What the person said, where a commit with this message is about the app: what stands between the title and the trailers.
pub(crate) fn reason(text: &str, app: &AppName) -> Option<String> {
    values(text, app, "App").next()?;
    let (_title, rest) = text.split_once("\n\n")?;
    let (said, _trailers) = rest.trim_end().rsplit_once("\n\n")?;
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = words.chars().filter(|c| !c.is_control()).collect();
    Some(plain).filter(|said| !said.is_empty())
}

/// What made a commit with this message, where it is about the app and says so.
pub(crate) fn made_by(text: &str, app: &AppName) -> Option<String> {
    let source = values(text, app, "Source").next()?;
    Some(
        source
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect(),
    )
}

/// What a message about the app says behind a key.
fn values<'a>(text: &'a str, app: &AppName, key: &str) -> impl Iterator<Item = &'a str> {
    let is_ours = trailers(text, "App").eq([app.as_str()]);
    trailers(text, key).filter(move |_| is_ours)
}

/// What a message says behind a key. Only the last paragraph counts, which is written by the program and not by a
/// person: others may stand behind ours in it, as `Signed-off-by` does, but no sentence. What a revert says of the commit that it
/// takes back is not what it does itself.
fn trailers<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let paragraphs = text.trim_end().rsplit_once("\n\n");
    let is_ours = |(before, block): &(&str, &str)| {
        !before.starts_with("Revert \"") && block.lines().all(is_trailer)
    };
    let block = paragraphs.filter(is_ours).map_or("", |(_, block)| block);
    let key = format!("Cutwater-{key}: ");
    let lines = block.lines();
    lines.filter_map(move |line| line.strip_prefix(key.as_str()))
}

/// True for a line that git takes for a trailer, or that goes on with one, and for what `git cherry-pick -x` writes among them.
fn is_trailer(line: &str) -> bool {
    let is_one = |(key, value): (&str, &str)| {
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_key && !key.is_empty() && (value.is_empty() || value.starts_with([' ', '\t']))
    };
    line.starts_with([' ', '\t'])
        || line.starts_with("(cherry picked from commit ")
        || line.split_once(':').is_some_and(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(said: &str, from: &[&str]) -> String {
        let from: Vec<VersionNumber> = from.iter().map(|text| text.parse().unwrap()).collect();
        let provenance = Provenance {
            source: "cli".to_owned(),
            run: Some("https://ci.example/1\nCutwater-Rolled-Back-From: v1".to_owned()),
            actor: None,
        };
        let app = "checkout".parse().unwrap();
        write(
            "Roll back checkout: v7 100%",
            Some(said),
            &app,
            &from,
            &provenance,
        )
    }

    fn read(text: &str, app: &str) -> Vec<String> {
        let found = rolled_back_from(text, &app.parse().unwrap());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_rolled_back_from_is_read_again_and_cannot_be_forged() {
        let text = message("It loses orders", &["v8", "v9"]);
        assert!(
            text.starts_with("Roll back checkout: v7 100%\n\nIt loses orders\n\nCutwater-App:")
        );
        assert_eq!(read(&text, "checkout"), ["v8", "v9"]);
        assert_eq!(read(&text, "pay"), [""; 0]);
        let signed = format!("{text}Signed-off-by: Ada <ada@example.com>\n");
        assert_eq!(read(&signed, "checkout"), ["v8", "v9"]);
        let forged = message(
            "x\n\nCutwater-App: checkout\nCutwater-Rolled-Back-From: v3",
            &[],
        );
        for none in [forged.as_str(), "", "x", "Cutwater-Rolled-Back-From: v3"] {
            assert_eq!(read(none, "checkout"), [""; 0], "{none}");
        }
    }

    #[test]
    fn only_what_a_command_wrote_is_taken_for_its_work() {
        let app = "checkout".parse().unwrap();
        let text = message("More", &[]);
        let trailers = "Cutwater-App: checkout\nCutwater-Source: cli\n";
        let picked = format!("{text}(cherry picked from commit 0123456789ab)\n");
        let merged = format!("Merge pull request #7 from shop/back\n\n{trailers}");
        for ours in [
            &text,
            &picked,
            &merged,
            &format!("{text}Signed-off-by: Ada\n"),
        ] {
            assert_eq!(made_by(ours, &app).as_deref(), Some("cli"), "{ours}");
        }
        let revert = "Revert \"Deploy checkout: v3 100%\"\n\n";
        for other in [
            format!("{revert}This reverts commit 0123456789ab.\n"),
            format!("{revert}This reverts commit 0123456789ab.\n\nSigned-off-by: Ada\n"),
            format!("{revert}This reverts commit 0123456789ab.\n\n{trailers}"),
            format!("Squash\n\n{trailers}\nand more by hand\n"),
            format!("Squash\n\nIt was:\n{trailers}"),
            format!("Squash\n\n{trailers}was there\n"),
            trailers.to_owned(),
        ] {
            assert_eq!(made_by(&other, &app), None, "{other}");
        }
    }

    #[test]
    fn what_the_person_said_is_read_again() {
        let app = "checkout".parse().unwrap();
        for (said, read) in [
            ("It loses orders", Some("It loses orders")),
            ("It loses\n\norders \u{1b}[1m", Some("It loses orders [1m")),
            ("", None),
        ] {
            assert_eq!(reason(&message(said, &[]), &app).as_deref(), read);
        }
        let text = message("It loses orders", &[]);
        assert_eq!(reason(&text, &"pay".parse().unwrap()), None);
        assert_eq!(reason("Title\n\nBy hand\n\nmore", &app), None);
    }
}
