//! The one way in which a path is written, so that a request cannot reach by another spelling what its route keeps apart.
//!
//! As Envoy Gateway does it where nobody says otherwise: escapes of letters, digits, `-`, `.`, `_` and `~` are undone, `\` is `/`,
//! `.` and `..` are followed, `//` is `/`, and a path with an escaped slash or backslash is redirected to the one without.
//!
//! Pure.

use std::borrow::Cow;

/// What to do with a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Normal<'a> {
    /// Route by this one, and pass it on.
    Path(Cow<'a, str>),
    /// Send the client there.
    Redirect(String),
    /// It holds a NUL byte.
    Malformed,
}

/// What to do with a path, which starts with a slash.
pub(super) fn normal(path: &str) -> Normal<'_> {
    if is_normal(path) {
        return Normal::Path(Cow::Borrowed(path));
    }
    let Some(plain) = unescaped(path) else {
        return Normal::Malformed;
    };
    let path = followed(&plain);
    let lower = path.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") {
        let mut open = path;
        for (escape, character) in [("%2f", "/"), ("%2F", "/"), ("%5c", "\\"), ("%5C", "\\")] {
            open = open.replace(escape, character);
        }
        // Two slashes at its beginning would name a host.
        let open = followed(&open.replace('\\', "/"));
        return Normal::Redirect(open);
    }
    Normal::Path(Cow::Owned(path))
}

/// True for nearly all paths: one look at each byte.
fn is_normal(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let plain =
            byte != b'%' && byte != b'\\' && !(before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        plain
    })
}

/// Without escapes of characters that mean the same without; nothing where one is of NUL.
fn unescaped(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        plain.push_str(&rest[..at]);
        let escape = rest
            .get(at + 1..at + 3)
            .filter(|_| rest[at..].starts_with('%'));
        let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let taken = match byte {
            Some(0) => return None,
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
                3
            }
            _ if rest[at..].starts_with('\\') => {
                plain.push('/');
                1
            }
            _ => {
                plain.push('%');
                1
            }
        };
        rest = &rest[at + taken..];
    }
    plain.push_str(rest);
    Some(plain)
}

/// With `.` and `..` followed and slashes merged.
fn followed(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut is_folder = true;
    for part in path.split('/').skip(1) {
        is_folder = matches!(part, "" | "." | "..");
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    let mut path = parts
        .iter()
        .fold(String::new(), |path, part| path + "/" + part);
    if is_folder {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, wanted) in [
            ("/", "/"),
            ("/admin", "/admin"),
            ("//admin", "/admin"),
            ("/./admin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/x/%2e%2E/admin/", "/admin/"),
            ("/%61dmin", "/admin"),
            ("/\\admin", "/admin"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a//b///", "/a/b/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a.b/c..d", "/a.b/c..d"),
            ("/caf%C3%A9%20%zz%", "/caf%C3%A9%20%zz%"),
            ("/%25%36%31", "/%2561"),
        ] {
            assert_eq!(normal(path), Normal::Path(wanted.into()), "{path}");
        }
        assert!(matches!(normal("/a/b.c"), Normal::Path(Cow::Borrowed(_))));
        for (path, wanted) in [
            ("/a%2Fb", "/a/b"),
            ("/%2f%2Fevil.test/", "/evil.test/"),
            ("/%5C%5cevil.test", "/evil.test"),
            ("/a%2f..%2fb", "/b"),
        ] {
            assert_eq!(normal(path), Normal::Redirect(wanted.into()), "{path}");
        }
        assert_eq!(normal("/a%00"), Normal::Malformed);
    }
}
