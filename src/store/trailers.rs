//! The message of a snapshot commit: a title, what the publisher said, and trailers that say what it is.

use git2::Oid;

use crate::words::{AppName, VersionNumber};

/// Longest message that is read.
pub(crate) const MESSAGE_MAX: usize = 64 * 1024;

/// What a snapshot commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailers {
    pub(crate) app: AppName,
    pub(crate) number: VersionNumber,
    /// What published it, such as `cli`.
    pub(crate) source: String,
    /// Address of the pipeline's run that published it.
    pub(crate) run: Option<String>,
    /// Who started that run.
    pub(crate) actor: Option<String>,
    pub(crate) source_commit: Option<Oid>,
    /// What was laid over the source commit, such as `image web=...`.
    pub(crate) overlays: Vec<String>,
    /// A random word that tells apart two publishers who publish the same at the same second.
    pub(crate) nonce: String,
    /// Set in a tombstone.
    pub(crate) deleted: bool,
}

/// The whole message of a commit.
pub(crate) fn write(trailers: &Trailers, message: &str) -> String {
    let message = message.trim();
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let mut text = format!("{} {}", trailers.app, trailers.number);
    if !first.is_empty() {
        text.push_str(": ");
        text.push_str(first.trim_end());
    }
    text.push('\n');
    if !rest.trim().is_empty() {
        text.push_str(rest.trim_end());
        text.push('\n');
    }
    text.push('\n');
    let mut line = |key: &str, value: &str| {
        let value: String = value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        for part in ["Cutwater-", key, ": ", &value, "\n"] {
            text.push_str(part);
        }
    };
    line("App", trailers.app.as_str());
    line("Version", &trailers.number.get().to_string());
    line("Source", &trailers.source);
    if let Some(run) = &trailers.run {
        line("Run", run);
    }
    if let Some(actor) = &trailers.actor {
        line("Actor", actor);
    }
    if let Some(commit) = trailers.source_commit {
        line("Source-Commit", &commit.to_string());
    }
    for overlay in &trailers.overlays {
        line("Overlay", overlay);
    }
    if !trailers.nonce.is_empty() {
        line("Nonce", &trailers.nonce);
    }
    if trailers.deleted {
        line("Deleted", "true");
    }
    text
}

/// The trailers and the publisher's message; nothing where the last paragraph is not exactly ours.
pub(crate) fn read(text: &str) -> Option<(Trailers, String)> {
    let text = text.trim_end();
    let (before, block) = text.rsplit_once("\n\n")?;
    let (mut app, mut number, mut source, mut commit) = (None, None, None, None);
    let (mut run, mut actor, mut nonce) = (None, None, None);
    let mut overlays = Vec::new();
    let mut deleted = false;
    for line in block.lines() {
        let (key, value) = line.strip_prefix("Cutwater-")?.split_once(": ")?;
        let twice = match key {
            "App" => app.replace(value.parse().ok()?).is_some(),
            "Version" => number.replace(format!("v{value}").parse().ok()?).is_some(),
            "Source" => source.replace(value.to_owned()).is_some(),
            "Run" => run.replace(value.to_owned()).is_some(),
            "Actor" => actor.replace(value.to_owned()).is_some(),
            "Source-Commit" => commit.replace(Oid::from_str(value).ok()?).is_some(),
            "Nonce" => nonce.replace(value.to_owned()).is_some(),
            "Deleted" => std::mem::replace(&mut deleted, true),
            "Overlay" => {
                overlays.push(value.to_owned());
                false
            }
            // A later version of this program may say more.
            _ => false,
        };
        if twice {
            return None;
        }
    }
    let trailers = Trailers {
        app: app?,
        number: number?,
        source: source.unwrap_or_default(),
        run,
        actor,
        source_commit: commit,
        overlays,
        nonce: nonce.unwrap_or_default(),
        deleted,
    };
    let title = format!("{} {}", trailers.app, trailers.number);
    let message = before.strip_prefix(&title).unwrap_or(before);
    let message = message.strip_prefix(": ").unwrap_or(message).trim();
    Some((trailers, message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers() -> Trailers {
        Trailers {
            app: "checkout".parse().unwrap(),
            number: "8".parse().unwrap(),
            source: "cli".to_owned(),
            run: Some("https://ci.example/1".to_owned()),
            actor: Some("ada".to_owned()),
            source_commit: Some(Oid::from_bytes(&[7; 20]).unwrap()),
            overlays: vec!["image web=r/x@sha256:00".to_owned()],
            nonce: "1".to_owned(),
            deleted: false,
        }
    }

    #[test]
    fn a_message_survives_with_its_paragraphs_and_cannot_forge_trailers() {
        for message in [
            "",
            "Fix the cart",
            "Fix\n\nLonger text\nof two lines",
            "x\n\nCutwater-App: evil\nCutwater-Version: 1",
        ] {
            let text = write(&trailers(), message);
            assert_eq!(
                read(&text),
                Some((trailers(), message.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_ours_has_no_trailers() {
        let good = write(&trailers(), "x");
        for bad in [
            "",
            "release 8",
            "a\n\nCutwater-App: checkout",
            "a\n\nCutwater-App: checkout\nCutwater-Version: 08",
            "a\n\nCutwater-App: ../x\nCutwater-Version: 8",
            "a\n\nCutwater-App: a\nCutwater-App: a\nCutwater-Version: 8",
            &format!("{good}Signed-off-by: somebody"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
