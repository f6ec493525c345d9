//! Keys of overrides. A cluster would take them from Secrets; here they come from the environment of `serve`.
//!
//! No message holds a key.

use std::collections::BTreeMap;

use crate::api::{OverrideRule, SecretKey};
use crate::gateway::Overrides;

/// Variables of keys begin with this. No program gets one: `app.yaml` may not ask for names that begin with `CUTWATER_`.
const PREFIX: &str = "CUTWATER_SECRET_";

/// Who may ask for a version; nobody, and why, where the key is not known.
pub(super) fn overrides(
    rule: &OverrideRule,
    given: &BTreeMap<String, String>,
) -> (Overrides, Option<String>) {
    match rule {
        OverrideRule::Header => (Overrides::Anyone, None),
        OverrideRule::None => (Overrides::Nobody, None),
        OverrideRule::Key { header, secret } => match key(secret, given) {
            Ok(key) => {
                let (header, key) = (header.clone(), key.to_owned());
                (Overrides::Key { header, key }, None)
            }
            Err(problem) => (Overrides::Nobody, Some(problem)),
        },
    }
}

fn key<'a>(secret: &SecretKey, given: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let variable = variable(secret);
    let SecretKey { name, key } = secret;
    let problem = |what: &str| {
        format!(
            "nobody may ask for a version: key `{key}` of Secret `{name}` is taken from the variable {variable} of serve, which {what}"
        )
    };
    let key = (given.get(&variable)).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| problem("is not set; start it with a value"))?;
    // What no header can hold would never be sent, and hide a slip such as a line break at the end.
    let printable = key
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !printable || key.trim() != key {
        return Err(problem(
            "holds what no header can: use plain ASCII characters, without line breaks and without spaces at either end",
        ));
    }
    Ok(key)
}

/// `CUTWATER_SECRET_<NAME>_<KEY>`, in capital letters and digits, with `_` for everything else.
fn variable(secret: &SecretKey) -> String {
    let words = format!("{}_{}", secret.name, secret.key);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    PREFIX.chars().chain(words.chars().map(plain)).collect()
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
        overrides(&rule, &given.into_iter().collect())
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
