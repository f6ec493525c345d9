//! Where a forge opens a pull request of a branch. Pure.

/// The address of the page; nothing where the forge is not known.
pub(super) fn pull_request(url: &str, base: &str, branch: &str) -> Option<String> {
    // Nothing of a name that would mean something else in an address.
    let plain = |name: &str| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b))
    };
    let (host, path) = match url.split_once("://") {
        Some(("https" | "ssh", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => url.split_once(':')?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next()?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    if ![base, branch, path].into_iter().all(plain) {
        return None;
    }
    match host {
        "github.com" | "codeberg.org" => {
            Some(format!("https://{host}/{path}/compare/{base}...{branch}"))
        }
        "gitlab.com" => Some(format!(
            "https://{host}/{path}/-/merge_requests/new?merge_request[source_branch]={branch}&merge_request[target_branch]={base}"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_forge_has_a_page_and_no_password_is_in_it() {
        let page = "https://github.com/acme/shop/compare/main...canary/v8";
        for url in [
            "https://github.com/acme/shop.git",
            "https://ada:secret@github.com/acme/shop",
            "ssh://git@github.com:22/acme/shop.git/",
            "git@github.com:acme/shop.git",
        ] {
            let found = pull_request(url, "main", "canary/v8");
            assert_eq!(found.as_deref(), Some(page), "{url}");
        }
        assert!(pull_request("https://gitlab.com/a/b/c.git", "main", "x").is_some());
        for (url, branch) in [
            ("https://git.example.com/a/b", "x"),
            ("/srv/git/github.com/x", "x"),
            ("../shop.git", "x"),
            ("http://github.com/a/b", "x"),
            ("git@github.com:a/b.git", "x&y"),
        ] {
            assert_eq!(pull_request(url, "main", branch), None, "{url}");
        }
    }
}
