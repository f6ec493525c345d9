//! What was served, and since when: one [`Served`] for each change, as it is kept in git.
//!
//! Pure: bytes in, a record or located [`Problems`] out, and back. `docs/git-layout.md` says where records stand. What a
//! later version of this program adds to a record is read over.

mod outbox;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::words::{AppName, CommitId, EnvironmentName, Share, Total, TreeId, VersionNumber};
use crate::yaml::{self, Node, Place, Problem, Problems, Value};

pub use outbox::{Outbox, Waiting};

/// Name of the one file in the tree of each commit.
pub const LEDGER_FILE: &str = "deployment.yaml";

/// Who writes a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer<'a> {
    /// What it is, such as `cutwater serve`: the author of the commits.
    pub name: &'a str,
    /// A random word, by which it knows its own ledgers.
    pub id: &'a str,
}

/// How a ledger ends once records are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The sequence of its newest record.
    pub newest: u64,
    /// The newest record is none of those: the writer has forgotten it.
    pub forgotten: bool,
}

/// `apiVersion` of a record.
const API_VERSION: &str = "cutwater.dev/v1alpha1";
/// `kind` of a record.
const KIND: &str = "Served";

/// What one environment serves of one app from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    api_version: String,
    kind: String,
    /// The app.
    pub app: AppName,
    /// Where it is served.
    pub environment: EnvironmentName,
    /// Number of the change: 1, 2, 3 and so on in this environment.
    pub sequence: u64,
    /// When it was served.
    pub at: Timestamp,
    /// Who asked for it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What asked for it, such as `releases`, `cli` or `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Which versions, 1 to 10, and how much of the traffic each got: 100 % in total.
    pub versions: Vec<ServedVersion>,
    /// For a rollback: the version that it went away from; of several, the one that had the largest share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_from: Option<VersionNumber>,
    /// The others that it went away from. Whoever knows of one alone reads over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_rolled_back_from: Vec<VersionNumber>,
    /// The commit of the branch whose `releases/` asked for it.
    #[serde(
        default,
        deserialize_with = "CommitId::kept_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub release_commit: Option<CommitId>,
}

/// A version that was served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedVersion {
    /// Its number.
    pub version: VersionNumber,
    /// Its share of the traffic, in percent.
    pub percentage: Share,
    /// Its snapshot commit.
    #[serde(deserialize_with = "CommitId::kept")]
    pub commit: CommitId,
    /// Its snapshot id.
    #[serde(deserialize_with = "TreeId::kept")]
    pub tree: TreeId,
}

impl Served {
    /// A record with what each has; the rest is set on it.
    #[must_use]
    pub fn new(
        app: AppName,
        environment: EnvironmentName,
        sequence: u64,
        at: Timestamp,
        versions: Vec<ServedVersion>,
    ) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            app,
            environment,
            sequence,
            at,
            author: None,
            source: None,
            message: None,
            versions,
            rolled_back_from: None,
            also_rolled_back_from: Vec::new(),
            release_commit: None,
        }
    }

    /// Says which versions it went away from, the one that had the largest share first.
    pub fn leave(&mut self, left: &[VersionNumber]) {
        let (first, others) = left.split_first().unzip();
        self.rolled_back_from = first.copied();
        self.also_rolled_back_from = others.map(<[_]>::to_vec).unwrap_or_default();
    }

    /// The versions that it went away from.
    pub fn left(&self) -> impl Iterator<Item = VersionNumber> {
        let others = self.also_rolled_back_from.iter().copied();
        self.rolled_back_from.into_iter().chain(others)
    }

    /// Reads a record. `file` is its name in messages.
    ///
    /// # Errors
    /// What is wrong with it. Fields that are not known are no problem.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let fail = |place: Place, field: String, message: String| Problems {
            file: file.to_owned(),
            list: vec![Problem {
                place,
                field,
                message,
            }],
        };
        let node = yaml::read(bytes, KIND)
            .map_err(|problem| fail(problem.place, problem.field, problem.message))?;
        let json = with_texts(node.to_json(), &node, bytes);
        let wrong_id = wrong_id(&json);
        let record: Self = serde_path_to_error::deserialize(json).map_err(|error| {
            let field = error.path().to_string();
            let place = node.find(&field);
            fail(place, field, error.inner().to_string())
        })?;
        match record.wrong().or(wrong_id) {
            None => Ok(record),
            Some((field, message)) => Err(fail(node.find(field), field.to_owned(), message)),
        }
    }

    /// What no type says.
    fn wrong(&self) -> Option<(&'static str, String)> {
        if self.api_version != API_VERSION || self.kind != KIND {
            return Some((
                "kind",
                format!("is not `{KIND}` of `{API_VERSION}`, which alone stands in a ledger"),
            ));
        }
        let versions = &self.versions;
        let total = Total::of(versions.iter().map(|version| version.percentage));
        if !(1..=10).contains(&versions.len()) || total != Total::ALL {
            return Some((
                "versions",
                "must be 1 to 10 whose percentages total exactly 100".to_owned(),
            ));
        }
        None
    }

    /// The record as it stands in its file.
    ///
    /// # Errors
    /// Never for a record whose values can be written.
    pub fn write(&self) -> Result<String, serde_yaml::Error> {
        let mut text = serde_yaml::to_string(self)?;
        let values = [&self.author, &self.source, &self.message];
        for (field, value) in TEXTS.into_iter().zip(values) {
            // A bare `yes` or `1_0` is a text to some readers, and none to others.
            let Some(value) = value else { continue };
            let bare = format!("\n{field}: {value}\n");
            let read = yaml::read(bare.as_bytes(), KIND);
            let is_text = |node: &Node| {
                let field = node.get(field);
                field.is_some_and(|field| matches!(field.node.value, Value::Text(_)))
            };
            if read.is_ok_and(|node| is_text(&node)) {
                continue;
            }
            let quoted = format!("\n{field}: {}\n", serde_json::Value::from(value.as_str()));
            text = text.replacen(&bare, &quoted, 1);
        }
        Ok(text)
    }
}

/// The fields with words of people.
const TEXTS: [&str; 3] = ["author", "source", "message"];

/// The same with these fields as they were written, where an earlier version of this program wrote a bare word that does not read as a
/// text.
fn with_texts(mut json: Json, node: &Node, bytes: &[u8]) -> Json {
    for name in TEXTS {
        let Some(field) = node.get(name) else {
            continue;
        };
        let written = bytes.get(field.node.span.clone());
        let written = written.and_then(|written| std::str::from_utf8(written).ok());
        if let (Value::Bool(_) | Value::Integer(_) | Value::Float(_), Some(written)) =
            (&field.node.value, written)
        {
            json[name] = Json::from(written.trim());
        }
    }
    json
}

/// An id of a record that is none. An outbox forgives one that was changed by hand, and a ledger does not.
fn wrong_id(json: &Json) -> Option<(&'static str, String)> {
    let versions = json["versions"].as_array().into_iter().flatten();
    let ids = versions.flat_map(|version| [&version["commit"], &version["tree"]]);
    let mut ids = ids.chain([&json["releaseCommit"]]).filter_map(Json::as_str);
    let wrong = ids.find(|id| id.len() != 40 || id.parse::<CommitId>().is_err())?;
    let message = format!("`{wrong}` is no object id of 40 hex digits");
    Some(("versions", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        let version = |number: &str, percentage: &str, digit: &str| ServedVersion {
            version: number.parse().unwrap(),
            percentage: percentage.parse().unwrap(),
            commit: digit.repeat(40).parse().unwrap(),
            tree: digit.repeat(40).parse().unwrap(),
        };
        let mut served = Served::new(
            "checkout".parse().unwrap(),
            "prod".parse().unwrap(),
            12,
            "2026-11-21T06:00:00Z".parse().unwrap(),
            vec![version("7", "85.71", "a"), version("8", "14.29", "b")],
        );
        served.author = Some("Ada: \"the first\"\n".to_owned());
        served.release_commit = Some("c".repeat(40).parse().unwrap());
        served
    }

    #[test]
    fn a_record_survives_its_own_text() {
        let text = served().write().unwrap();
        assert_eq!(Served::read("x", text.as_bytes()).unwrap(), served());
        // What a later version of this program says is no reason to stop.
        let more = format!("{text}cluster: {{uid: x}}\n");
        assert_eq!(Served::read("x", more.as_bytes()).unwrap(), served());
    }

    #[test]
    fn all_that_was_left_is_written_and_who_knows_of_one_reads_one() {
        let number = |text: &str| text.parse::<VersionNumber>().unwrap();
        for (left, expected) in [
            ("", ""),
            ("2", "rolledBackFrom: 2\n"),
            ("9 2", "rolledBackFrom: 9\nalsoRolledBackFrom:\n- 2\n"),
        ] {
            let left: Vec<_> = left.split_whitespace().map(number).collect();
            let mut record = served();
            record.leave(&left);
            let text = record.write().unwrap();
            let said = text.split_once("rolledBackFrom").map_or("", |_| expected);
            assert!(
                text.contains(expected) && said.is_empty() == left.is_empty(),
                "{text}"
            );
            let read = Served::read("x", text.as_bytes()).unwrap();
            assert!(read.left().eq(left), "{text}");
        }
    }

    #[test]
    fn a_message_is_a_text_whatever_it_looks_like() {
        for message in [
            "y",
            "Yes",
            "on",
            "Off",
            "N",
            "true",
            "null",
            "~",
            "1_0",
            "1e3",
            "0x10",
            "012",
            ".inf",
            "12:30:00",
            "2026-01-01",
            "- a",
            "a: b",
            "#",
            "'",
            "\"",
            "<<",
            "=",
            "two\nlines",
            "",
        ] {
            let mut record = served();
            record.message = Some(message.to_owned());
            record.author = record.message.clone();
            let text = record.write().unwrap();
            assert_eq!(
                Served::read("x", text.as_bytes()).unwrap(),
                record,
                "{text}"
            );
        }
        // As an earlier version of this program wrote it.
        let mut record = served();
        for bare in ["yes", "Off", "1_0", "0x1f"] {
            record.message = Some("plain".to_owned());
            let text = record.write().unwrap().replace("plain", bare);
            let read = Served::read("x", text.as_bytes()).unwrap();
            assert_eq!(read.message.as_deref(), Some(bare));
        }
    }

    #[test]
    fn what_is_not_a_record_is_said_with_its_place() {
        let good = served().write().unwrap();
        for (from, to, expected) in [
            ("kind: Served", "kind: Other", "x:2:7: kind: is not"),
            ("sequence: 12", "sequence: -1", "x:5:11: sequence: "),
            ("14.29", "14.3", "x:10:3: versions: must be 1 to 10"),
            (
                "version: 7",
                "version: v7",
                "x:10:12: versions[0].version: ",
            ),
            (
                &"a".repeat(40),
                "aaaa",
                "x:10:3: versions: `aaaa` is no object id",
            ),
            ("prod", "Prod", "x:4:14: environment: "),
            ("app: checkout\n", "", "missing field `app`"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Served::read("x", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\n{expected}\n{text}");
        }
        assert!(Served::read("x", b"").is_err());
    }
}
