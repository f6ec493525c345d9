//! `$(NAME)` in commands and variables, as a kubelet expands it.

/// The text with each `$(NAME)` replaced by what `get` knows. One that it does not know stays as it is, and `$$` is a plain `$`,
/// so that `$$(NAME)` is `$(NAME)`.
pub(super) fn expand<'v>(text: &str, get: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = (after.strip_prefix('(')).and_then(|inner| Some(&inner[..inner.find(')')?]));
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some(name) = name {
            match get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            // Behind the two parentheses.
            &after[name.len() + 2..]
        } else {
            out.push('$');
            after
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_as_a_kubelet_does() {
        let get = |name: &str| match name {
            "USER" => Some("shop"),
            "EMPTY" => Some(""),
            "RAW" => Some("$(USER)"),
            _ => None,
        };
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$(USER)", "shop"),
            ("postgres://$(USER)@db/$(USER)", "postgres://shop@db/shop"),
            ("$(EMPTY)|$(MISSING)|$()", "|$(MISSING)|$()"),
            // What a value holds is not looked at again.
            ("$(RAW)", "$(USER)"),
            ("$$(USER) $$$(USER) $$$$", "$(USER) $shop $$"),
            ("$USER ${USER} $", "$USER ${USER} $"),
            ("$(USER", "$(USER"),
            ("a$(USER $(USER)", "a$(USER $(USER)"),
            ("ü$(USER)é$", "üshopé$"),
        ] {
            assert_eq!(expand(text, get), expected, "{text}");
        }
    }
}
