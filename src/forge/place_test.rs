//! Tests of [`super::place`]: where an address leads.

use super::place::Place;
use super::place_error::PlaceError;
use crate::settings::{ForgeKind, ForgeSettings};

fn settings(kind: ForgeKind, api: Option<&str>) -> ForgeSettings {
    ForgeSettings {
        kind,
        api: api.map(str::to_owned),
    }
}

/// API, pages and path of the repository.
fn read(address: &str, settings: Option<&ForgeSettings>) -> Result<[String; 3], PlaceError> {
    let place = Place::of(address, settings, None)?;
    let (api, web) = (place.shown_api().to_owned(), place.web());
    Ok([api, web, place.repository().to_owned()])
}

#[test]
fn a_known_host_has_its_api_and_no_password_is_in_any_address() {
    let github = [
        "https://api.github.com",
        "https://github.com/acme/shop.git",
        "acme/shop",
    ];
    let groups = "https://gitlab.com/acme/eu/shop.git";
    for (address, expected) in [
        ("https://github.com/acme/shop.git", github),
        ("https://ada:secret@github.com/acme/shop", github),
        ("ssh://git@github.com:22/acme/shop.git/", github),
        ("ssh://git@ssh.github.com:443/acme/shop.git", github),
        ("git@github.com:acme/shop.git", github),
        ("git@GitHub.com:/acme/shop", github),
        (
            "git@altssh.gitlab.com:acme/eu/shop.git",
            ["https://gitlab.com/api/v4", groups, "acme/eu/shop"],
        ),
        (
            "https://codeberg.org/acme/shop",
            [
                "https://codeberg.org/api/v1",
                "https://codeberg.org/acme/shop.git",
                "acme/shop",
            ],
        ),
        (
            "https://acme.ghe.com/acme/shop",
            [
                "https://api.acme.ghe.com",
                "https://acme.ghe.com/acme/shop.git",
                "acme/shop",
            ],
        ),
    ] {
        let found = read(address, None).unwrap();
        assert_eq!(found, expected.map(str::to_owned), "{address}");
    }
}

#[test]
fn another_host_has_what_the_settings_say() {
    use ForgeKind::{Forgejo, GitHub, GitLab, Gitea};
    for (address, kind, api, expected) in [
        (
            "git@git.acme.com:acme/shop.git",
            GitHub,
            None,
            [
                "https://git.acme.com/api/v3",
                "https://git.acme.com/acme/shop.git",
                "acme/shop",
            ],
        ),
        // The port of the web is not that of ssh.
        (
            "ssh://git@git.acme.com:2222/acme/eu/shop",
            GitLab,
            None,
            [
                "https://git.acme.com/api/v4",
                "https://git.acme.com/acme/eu/shop.git",
                "acme/eu/shop",
            ],
        ),
        (
            "https://git.acme.com:8443/acme/shop",
            Gitea,
            None,
            [
                "https://git.acme.com:8443/api/v1",
                "https://git.acme.com:8443/acme/shop.git",
                "acme/shop",
            ],
        ),
        (
            "https://acme.com/code/acme/shop",
            Forgejo,
            Some("https://acme.com/code/api/v1/"),
            [
                "https://acme.com/code/api/v1",
                "https://acme.com/code/acme/shop.git",
                "acme/shop",
            ],
        ),
        (
            "git@ssh.acme.com:acme/shop",
            GitLab,
            Some("https://acme.com/code/api/v4"),
            [
                "https://acme.com/code/api/v4",
                "https://acme.com/code/acme/shop.git",
                "acme/shop",
            ],
        ),
        (
            "work:acme/shop",
            GitHub,
            Some("https://api.github.com"),
            [
                "https://api.github.com",
                "https://github.com/acme/shop.git",
                "acme/shop",
            ],
        ),
        (
            "http://127.0.0.1:3000/acme/shop",
            Gitea,
            None,
            [
                "http://127.0.0.1:3000/api/v1",
                "http://127.0.0.1:3000/acme/shop.git",
                "acme/shop",
            ],
        ),
    ] {
        let found = read(address, Some(&settings(kind, api))).unwrap();
        assert_eq!(found, expected.map(str::to_owned), "{address}");
    }
}

#[test]
fn no_token_goes_where_a_repository_alone_says() {
    let gitea = |api| settings(ForgeKind::Gitea, Some(api));
    for (address, api) in [
        (
            "https://git.acme.com/acme/shop",
            "https://evil.example/api/v1",
        ),
        (
            "https://git.acme.com/acme/shop",
            "https://git.acme.com.evil.example/api/v1",
        ),
        ("https://git.acme.com/acme/shop", "https://acme.com/api/v1"),
        ("https://git.acme.com/acme/shop", "https://api.github.com"),
        ("work:acme/shop", "https://evil.example/api/v1"),
        // At another port may be somebody else.
        (
            "https://git.acme.com/acme/shop",
            "https://git.acme.com:9999/api/v1",
        ),
        (
            "https://git.acme.com:3000/acme/shop",
            "https://api.git.acme.com:9999/api/v1",
        ),
    ] {
        let error = Place::of(address, Some(&gitea(api)), None).unwrap_err();
        assert!(matches!(error, PlaceError::ApiElsewhere { .. }), "{error}");
        // Who says it in the environment means it.
        assert!(Place::of(address, Some(&gitea("x")), Some(api)).is_ok());
    }
    let open = gitea("http://git.acme.com/api/v1");
    for address in ["https://git.acme.com/a/b", "git@git.acme.com:a/b"] {
        let error = Place::of(address, Some(&open), None).unwrap_err();
        assert!(matches!(error, PlaceError::Unencrypted { .. }), "{error}");
        // Nor by the environment: it may have been meant for another clone.
        let error = Place::of(address, Some(&open), Some("http://git.acme.com/api/v1"));
        assert!(matches!(error, Err(PlaceError::Unencrypted { .. })));
    }
    for api in [
        "https://git.acme.com:3000/api/v1",
        "https://git.acme.com/api/v1",
    ] {
        let address = "https://git.acme.com:3000/acme/shop";
        assert!(Place::of(address, Some(&gitea(api)), None).is_ok(), "{api}");
    }
    assert!(Place::of("http://git.acme.com/a/b", Some(&open), None).is_ok());
}

#[test]
fn what_is_no_repository_of_a_forge_says_so() {
    for address in [
        "/srv/git/shop.git",
        "../shop.git",
        "file:///srv/shop",
        "git@h:",
        "https://h/",
    ] {
        let error = Place::of(address, None, None).unwrap_err();
        assert!(
            matches!(error, PlaceError::NoForge { .. }),
            "{address}: {error}"
        );
    }
    let error = Place::of("https://ada:secret@git.acme.com/a/b", None, None).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("`git.acme.com`") && said.contains("kind:"),
        "{said}"
    );
    let error = Place::of("https://github.com/acme/eu/shop", None, None).unwrap_err();
    assert!(matches!(error, PlaceError::NoRepository { .. }), "{error}");
}

#[test]
fn a_page_is_for_a_person() {
    let place = |address| Place::of(address, None, None).unwrap();
    let github = place("https://ada:secret@github.com/acme/shop.git");
    let page = github.page("main", "canary/v8");
    assert_eq!(
        page.as_deref(),
        Some("https://github.com/acme/shop/compare/main...canary/v8")
    );
    assert_eq!(github.page("main", "x&y"), None);
    let gitlab = place("git@gitlab.com:a/b/c.git").page("main", "x");
    assert!(
        gitlab
            .unwrap()
            .starts_with("https://gitlab.com/a/b/c/-/merge_requests/new?")
    );
}
