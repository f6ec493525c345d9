//! Keys of overrides, which come from where the Secrets of programs come from.
//!
//! No message holds a key.

use super::secrets::{Kind, SecretError, Secrets};
use crate::api::{OverrideRule, SecretKey};
use crate::gateway::Overrides;

/// Who may ask for a version; nobody, and why, where the key is not known.
pub(super) fn overrides(rule: &OverrideRule, secrets: &Secrets) -> (Overrides, Option<String>) {
    match rule {
        OverrideRule::Header => (Overrides::Anyone, None),
        OverrideRule::None => (Overrides::Nobody, None),
        OverrideRule::Key { header, secret } => match key(secret, secrets) {
            Ok(key) => {
                let header = header.clone();
                (Overrides::Key { header, key }, None)
            }
            Err(problem) => (Overrides::Nobody, Some(problem.to_string())),
        },
    }
}

/// A key that is not known.
#[derive(Debug, thiserror::Error)]
#[error(
    "nobody may ask for a version: key `{key}` of Secret `{name}` is taken from {place}, {source}"
)]
struct Keyless {
    /// The Secret.
    name: String,
    /// What the key is called in it.
    key: String,
    /// Where it is looked for, in words.
    place: String,
    source: Box<KeyError>,
}

/// Why a key is not known, as the end of a sentence.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("which cannot be used: {0}")]
    Secret(SecretError),
    #[error("and neither has a value")]
    Missing,
    #[error(
        "which holds what no header can: use plain ASCII characters, without line breaks and without spaces at either end"
    )]
    Unprintable,
}

fn key(secret: &SecretKey, secrets: &Secrets) -> Result<String, Keyless> {
    let SecretKey { name, key } = secret;
    usable(secrets.find(Kind::Secret, name, key)).map_err(|source| Keyless {
        name: name.clone(),
        key: key.clone(),
        place: secrets.place(Kind::Secret, name, key),
        source: Box::new(source),
    })
}

/// The key, where a header can hold it.
fn usable(found: Result<Option<String>, SecretError>) -> Result<String, KeyError> {
    let found = found.map_err(KeyError::Secret)?;
    let found = found.filter(|key| !key.is_empty());
    let key = found.ok_or(KeyError::Missing)?;
    // What no header can hold would never be sent, and hide a slip such as a line break at the end.
    let printable = key
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !printable || key.trim() != key {
        return Err(KeyError::Unprintable);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: Option<&str>) -> (Overrides, Option<String>) {
        let secret = SecretKey {
            name: "checkout-preview.v2".to_owned(),
            key: "api-key".to_owned(),
        };
        let rule = OverrideRule::Key {
            header: "X-Key".to_owned(),
            secret,
        };
        let name = "CUTWATER_SECRET_CHECKOUT_PREVIEW_V2_API_KEY".to_owned();
        let given = value.map(|value| (name, value.to_owned()));
        let given = given.into_iter().collect();
        overrides(&rule, &Secrets::new(given, None, None))
    }

    #[test]
    fn a_key_comes_from_the_variable_of_its_secret() {
        let (found, problem) = asked(Some("open sesame"));
        let expected = Overrides::Key {
            header: "X-Key".to_owned(),
            key: "open sesame".to_owned(),
        };
        assert!(found == expected && problem.is_none());
    }

    #[test]
    fn without_a_key_nobody_may_and_no_message_holds_one() {
        for value in [
            None,
            Some(""),
            Some("sesame\n"),
            Some(" sesame"),
            Some("sés\u{7f}"),
        ] {
            let (found, problem) = asked(value);
            assert!(found == Overrides::Nobody, "{value:?}");
            let problem = problem.unwrap();
            assert!(problem.contains("CUTWATER_SECRET_CHECKOUT_PREVIEW_V2_API_KEY"));
            assert!(
                !problem.contains("s\u{e9}s") && !problem.contains("sesame"),
                "{problem}"
            );
        }
    }
}
