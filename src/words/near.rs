//! Names that look like one that is not there, for "did you mean".
//!
//! Pure.

use super::AppName;

/// Most names that are offered.
const NEAR_MAX: usize = 3;

/// The names that look like `word`, the nearest first: few letters differ, or one begins with the other.
pub(crate) fn near<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> Vec<&'a str> {
    let low = word.to_ascii_lowercase();
    let far = (low.len() / 3).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = (names.into_iter())
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &low);
            let begins = low.len() >= 3 && (name.starts_with(&low) || low.starts_with(name));
            (distance <= far || begins).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found
        .into_iter()
        .take(NEAR_MAX)
        .map(|(_, name)| name)
        .collect()
}

/// What to say of a name that is not there: the near ones, else all if they are few.
pub(crate) fn instead<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    /// Most names that are listed.
    const LISTED_MAX: usize = 10;
    let names: Vec<&str> = names.into_iter().collect();
    let near = near(names.iter().copied(), word);
    match (near.as_slice(), names.as_slice()) {
        (_, []) => "there is none".to_owned(),
        ([], names) if names.len() <= LISTED_MAX => format!("there are: {}", names.join(", ")),
        ([], names) => format!(
            "there are {}, such as {}",
            names.len(),
            names[..LISTED_MAX].join(", ")
        ),
        (near, _) => format!("did you mean {}?", near.join(", ")),
    }
}

/// The alias that is meant by a word with the name of the app and a dash before it, as objects are called.
pub(crate) fn without_app<'a>(
    app: &AppName,
    names: impl IntoIterator<Item = &'a str>,
    word: &str,
) -> Option<&'a str> {
    let bare = word.strip_prefix(app.as_str())?.strip_prefix('-')?;
    names.into_iter().find(|name| *name == bare)
}

/// What to say of an alias that is not there.
pub(crate) fn instead_of_alias<'a>(
    app: &AppName,
    names: impl IntoIterator<Item = &'a str>,
    word: &str,
) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match without_app(app, names.iter().copied(), word) {
        Some(bare) => format!("did you mean {bare}? an alias is named without its app"),
        None => instead(names, word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_named_without_its_app() {
        let app: AppName = "shop".parse().unwrap();
        let names = ["staging", "shop-old", "old"];
        for (word, said) in [
            (
                "shop-staging",
                "did you mean staging? an alias is named without its app",
            ),
            ("stagng", "did you mean staging?"),
            ("shopstaging", "there are: staging, shop-old, old"),
        ] {
            assert_eq!(instead_of_alias(&app, names, word), said, "{word}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let names = ["orders", "checkout", "blog", "billing"];
        assert_eq!(near(names, "odrers"), ["orders"]);
        assert_eq!(near(names, "chekout"), ["checkout"]);
        assert_eq!(near(names, "order"), ["orders"]);
        assert_eq!(near(names, "Blog"), ["blog"]);
        assert!(near(names, "wiki").is_empty());
        let many: Vec<String> = (0..300).map(|n| format!("app{n:03}")).collect();
        let said = instead(many.iter().map(String::as_str), "ap077");
        assert!(said.contains("app077"), "{said}");
        assert_eq!(
            instead(["blog"], "wiki"),
            "there are: blog",
            "few names are all listed"
        );
        assert!(instead(many.iter().map(String::as_str), "wiki").len() < 120);
    }
}
