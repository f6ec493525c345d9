//! References of container images: the grammar of <https://github.com/distribution/reference>, and pinned by digest.

use std::sync::LazyLock;

use regex::Regex;

/// Longest name, without tag and digest.
const NAME_MAX: usize = 255;

/// A registry or none, lower-case parts of a path, a tag or none.
static NAME: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
    let host = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    let registry = format!(r"(?:{host}(?:\.{host})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let part = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let tag = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    Regex::new(&format!(
        r"^((?:{registry}/)?{part}(?:/{part})*)(?::{tag})?$"
    ))
});

/// Why an image reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A tag, or nothing, where the digest must be.
    #[error(
        "`{0}` is not pinned: a tag can be moved, and a version must never change; write `{1}@sha256:...`"
    )]
    NotPinned(String, String),
    /// Capital letters, which only the registry may have.
    #[error(
        "`{0}` cannot be in any registry: names of repositories are written in lower case, such as `{1}`"
    )]
    Capitals(String, String),
    /// Something that is no image reference at all.
    #[error("`{0}` is not an image reference; write `registry/name@sha256:` and 64 hex digits")]
    Form(String),
}

/// Checks that an image can be pulled, and is pinned by digest.
///
/// # Errors
/// Says how to write it.
pub fn check_image(image: &str) -> Result<(), ImageError> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    if !is_name(name) {
        let lower = lowered(name);
        return Err(if is_name(&lower) {
            ImageError::Capitals(image.to_owned(), lower)
        } else {
            ImageError::Form(image.to_owned())
        });
    }
    check_pinned(image)
}

/// Checks that an image is pinned by digest: what is asked of versions that were published long ago.
///
/// # Errors
/// Says how to pin it.
pub(super) fn check_pinned(image: &str) -> Result<(), ImageError> {
    let form = || ImageError::Form(image.to_owned());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c);
    if image.is_empty() || image.len() > 1024 || !image.chars().all(allowed) {
        return Err(form());
    }
    let Some((name, digest)) = image.split_once('@') else {
        return Err(ImageError::NotPinned(
            image.to_owned(),
            bare(image).to_owned(),
        ));
    };
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let hex = digest.strip_prefix("sha256:").ok_or_else(form)?;
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (starts && hex.len() == 64 && hex.bytes().all(lower))
        .then_some(())
        .ok_or_else(form)
}

/// A name with or without a tag.
fn is_name(name: &str) -> bool {
    let whole = NAME
        .as_ref()
        .ok()
        .and_then(|grammar| grammar.captures(name));
    let bare = whole.and_then(|found| found.get(1));
    bare.is_some_and(|bare| bare.len() <= NAME_MAX)
}

/// A name without its tag.
fn bare(name: &str) -> &str {
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let colon = name[slash..].find(':');
    colon.map_or(name, |at| &name[..slash + at])
}

/// The name in lower case, as far as it is not its tag.
fn lowered(name: &str) -> String {
    let bare = bare(name);
    bare.to_ascii_lowercase() + &name[bare.len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_registry_can_hold_is_taken() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let long = "a".repeat(256);
        let tag = "t".repeat(129);
        for good in [
            "shop",
            "acme/shop",
            "ghcr.io/acme/shop",
            "GHCR.io/acme/shop",
            "localhost:5000/a/b-c/d__e/f.g_h",
            "[2001:db8::1]:5000/shop",
            "ghcr.io/acme/shop:V1.2_x",
            "a--b",
        ] {
            assert_eq!(check_image(&format!("{good}@{digest}")), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/shop",
            "shop/",
            "a//b",
            "ghcr.io/.x",
            "ghcr.io/a..b",
            "ghcr.io/-a",
            "ghcr.io/a_",
            "ghcr.io/a___b",
            "a b",
            "ghcr.io:x/a",
            "[zz]/a",
            "shop:",
            "shop:-x",
            &long,
            &format!("shop:{tag}"),
        ] {
            let error = check_image(&format!("{bad}@{digest}"));
            assert!(
                matches!(error, Err(ImageError::Form(_))),
                "{bad}: {error:?}"
            );
        }
        for (bad, lower) in [
            ("ghcr.io/Acme/Shop", "ghcr.io/acme/shop"),
            ("ghcr.io/acme/Shop:V1", "ghcr.io/acme/shop:V1"),
        ] {
            let image = format!("{bad}@{digest}");
            let capitals = ImageError::Capitals(image.clone(), lower.to_owned());
            assert_eq!(check_image(&image), Err(capitals));
        }
        for (bad, good) in [("shop:latest", "shop"), ("r:5000/a", "r:5000/a")] {
            let unpinned = ImageError::NotPinned(bad.to_owned(), good.to_owned());
            assert_eq!(check_image(bad), Err(unpinned));
        }
        for bad in ["sha256:abc", "sha512:1111", &digest.to_uppercase()] {
            assert!(check_image(&format!("shop@{bad}")).is_err(), "{bad}");
        }
    }
}
