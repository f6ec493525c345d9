//! What people call things: versions, names, shares, periods, addresses.
//!
//! Any text is read, or refused in a message that can be shown; what was read is written and read again as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cutwater::git::RemoteUrl;
use cutwater::words::{
    AliasName, AppName, EnvironmentName, FunctionName, Label, Period, RouteName, Share,
    VersionNumber, VersionWord,
};

/// Longest message about one word.
const MESSAGE_MAX: usize = 1000;

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let word = again::<VersionWord>(&text);
    let number = again::<VersionNumber>(&text);
    let label = again::<Label>(&text);
    let app = again::<AppName>(&text);
    again::<FunctionName>(&text);
    again::<AliasName>(&text);
    again::<RouteName>(&text);
    again::<EnvironmentName>(&text);
    again::<Share>(&text);
    again::<Period>(&text);
    match &word {
        Some(VersionWord::Number(read)) => assert_eq!(Some(*read), number),
        Some(VersionWord::Label(read)) => assert_eq!(Some(read), label.as_ref()),
        Some(VersionWord::Id(hex)) => {
            assert!((7..=40).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        None => {}
    }
    assert_eq!(
        label.is_some(),
        matches!(word, Some(VersionWord::Label(_))),
        "a label is a word of its own"
    );
    for name in label
        .iter()
        .map(Label::as_str)
        .chain(app.iter().map(AppName::as_str))
    {
        let name = format!("refs/tags/{name}/{name}");
        assert!(git2::Reference::is_valid_name(&name), "{name}");
    }
    json(&text);
    for local in [false, true] {
        match RemoteUrl::parse(&text, local) {
            Ok(url) => {
                assert!(!url.as_str().starts_with('-'));
                printable(&url);
            }
            Err(error) => shown(&error),
        }
    }
}

/// What was read has a text that is read as the same.
fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T>
where
    T::Err: Display + Debug,
{
    match text.parse::<T>() {
        Ok(read) => {
            assert_eq!(read.to_string().parse::<T>().unwrap(), read, "{text:?}");
            Some(read)
        }
        Err(error) => {
            shown(&error);
            None
        }
    }
}

/// The same words as they stand in resources.
fn json(text: &str) {
    match serde_json::from_str::<VersionWord>(text) {
        Ok(word) => {
            let written = serde_json::to_string(&word).unwrap();
            assert_eq!(serde_json::from_str::<VersionWord>(&written).unwrap(), word);
        }
        Err(error) => printable(&error),
    }
    match serde_json::from_str::<Share>(text) {
        Ok(share) => {
            let written = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&written).unwrap(), share);
        }
        Err(error) => printable(&error),
    }
}

/// A message for a terminal, a status and a log: bounded, and without control characters.
fn shown(message: &dyn Display) {
    let length = message.to_string().len();
    assert!(length <= MESSAGE_MAX, "{length}");
    printable(message);
}

fn printable(message: &dyn Display) {
    let message = message.to_string();
    assert!(!message.chars().any(char::is_control), "{message:?}");
}
