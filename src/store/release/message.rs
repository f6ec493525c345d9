//! The message of a commit that changes `releases/`: a title, what the person said, and trailers. Pure.

use super::super::request::Provenance;
use crate::words::{AppName, VersionNumber};

/// The whole message.
pub(super) fn write(
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
pub(in crate::store) fn rolled_back_from(text: &str, app: &AppName) -> Vec<VersionNumber> {
    let versions = values(text, app, "Rolled-Back-From").take(crate::releases::VERSIONS_MAX);
    versions.filter_map(|value| value.parse().ok()).collect()
}

/// What the person said, where a commit with this message is about the app: what stands between the title and the trailers.
pub(in crate::store) fn reason(text: &str, app: &AppName) -> Option<String> {
    values(text, app, "App").next()?;
    let (_title, rest) = text.split_once("\n\n")?;
    let (said, _trailers) = rest.trim_end().rsplit_once("\n\n")?;
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = words.chars().filter(|c| !c.is_control()).collect();
    Some(plain).filter(|said| !said.is_empty())
}

/// What made a commit with this message, where it is about the app and says so.
pub(in crate::store) fn made_by(text: &str, app: &AppName) -> Option<String> {
    let source = values(text, app, "Source").next()?;
    Some(
        source
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect(),
    )
}

/// What a message about the app says behind a key. Only the last paragraph counts, which is written by the program and not by a
/// person: others may stand behind ours in it, as `Signed-off-by` does.
fn values<'a>(text: &'a str, app: &AppName, key: &str) -> impl Iterator<Item = &'a str> {
    let block = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let all = |key: &str| {
        let key = format!("Cutwater-{key}: ");
        let lines = block.lines();
        lines.filter_map(move |line| line.strip_prefix(key.as_str()))
    };
    let is_ours = all("App").eq([app.as_str()]);
    all(key).filter(move |_| is_ours)
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
