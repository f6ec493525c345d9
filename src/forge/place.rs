//! Which forge a remote is of, and where its API and its pages are. Pure.
//!
//! A token goes where this says. What a repository says of itself was written by whoever may push to it, so its API is taken from
//! there only where that is on the host of the remote.

use std::net::IpAddr;

use url::{Host, Url};

use super::place_error::PlaceError;
use crate::git::redact;
use crate::settings::{ForgeKind, ForgeSettings};

/// A repository of a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which API the forge has.
    pub kind: ForgeKind,
    /// Where the API is.
    api: Url,
    /// Where its pages are.
    pages: Url,
    /// The repository, such as `acme/shop`.
    path: String,
}

/// What the address of a remote says.
struct Remote {
    host: String,
    /// Where the web of the host is; absent for ssh, whose port says nothing of it.
    web: Option<Url>,
    path: String,
}

impl ForgeKind {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
        }
    }

    /// Where such a forge has its API, from its root.
    fn api(self) -> &'static str {
        match self {
            Self::GitHub => "/api/v3",
            Self::GitLab => "/api/v4",
            Self::Gitea | Self::Forgejo => "/api/v1",
        }
    }
}

impl Place {
    /// The repository that a remote is. `own_api` is the address of an API that the person gives for this call.
    ///
    /// # Errors
    /// Says what to set where the forge is not known, or where its API may not be asked.
    pub fn of(
        address: &str,
        settings: Option<&ForgeSettings>,
        own_api: Option<&str>,
    ) -> Result<Self, PlaceError> {
        let remote = Remote::read(address).ok_or_else(|| PlaceError::NoForge {
            address: redact(address),
        })?;
        let known = known(&remote.host);
        let kind = known.as_ref().map(|(kind, ..)| *kind);
        let kind = kind.or(settings.map(|settings| settings.kind));
        let kind = kind.ok_or_else(|| PlaceError::Unknown {
            host: remote.host.clone(),
        })?;
        let own_api = own_api.filter(|api| !api.is_empty());
        let (api, pages) = match (own_api, known) {
            (Some(api), known) => {
                let api = address_of(api).ok_or_else(|| PlaceError::OwnApi(redact(api)))?;
                let pages = known.map_or_else(|| pages_of(&api, kind), |(.., pages)| pages);
                (api, pages)
            }
            (None, Some((_, api, pages))) => (api, pages),
            (None, None) => {
                let api = remote.api(kind, settings)?;
                let pages = pages_of(&api, kind);
                (api, pages)
            }
        };
        // Who fetches without encryption sends passwords so already.
        let is_open = remote
            .web
            .as_ref()
            .is_some_and(|web| web.scheme() == "http");
        if api.scheme() == "http" && !is_open && !is_this_machine(&api) {
            return Err(PlaceError::Unencrypted {
                api: api.to_string(),
            });
        }
        // A forge may have a folder of its host for itself, which is none of its names.
        let folder = pages.path().trim_matches('/');
        let below = remote.path.strip_prefix(folder);
        let below = below.and_then(|path| path.strip_prefix('/'));
        let path = match below {
            Some(path) if remote.web.is_some() && !folder.is_empty() => path.to_owned(),
            _ => remote.path,
        };
        let parts = path.split('/').count();
        let is_repository = parts == 2 || (parts > 2 && kind == ForgeKind::GitLab);
        if !is_repository {
            return Err(PlaceError::NoRepository {
                kind,
                path,
                api: api.to_string(),
            });
        }
        Ok(Self {
            kind,
            api,
            pages,
            path,
        })
    }

    /// The repository, as the forge calls it.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.path
    }

    /// The host whose API is asked, with its port where it has one of its own.
    #[must_use]
    pub fn api_host(&self) -> String {
        authority(&self.api)
    }

    /// The host that people know the forge by.
    #[must_use]
    pub fn host(&self) -> String {
        authority(&self.pages)
    }

    /// The address at which git would ask for a password.
    #[must_use]
    pub fn web(&self) -> String {
        let pages = self.pages.as_str().trim_end_matches('/');
        format!("{pages}/{}.git", self.path)
    }

    /// The two words of a repository outside of groups.
    pub(super) fn owner_and_name(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or((&self.path, ""))
    }

    /// The address of something in the API; each word is one part of it, whatever is in it.
    pub(super) fn api(&self, words: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(words);
        }
        url
    }

    /// The API, as it is shown.
    pub(super) fn shown_api(&self) -> &str {
        self.api.as_str().trim_end_matches('/')
    }

    /// The page where a person opens a pull request of `branch` into `base`; nothing where a name would mean something else there.
    #[must_use]
    pub fn page(&self, base: &str, branch: &str) -> Option<String> {
        if ![base, branch].into_iter().all(is_plain) {
            return None;
        }
        let pages = self.pages.as_str().trim_end_matches('/');
        let repository = format!("{pages}/{}", self.path);
        Some(match self.kind {
            ForgeKind::GitLab => format!(
                "{repository}/-/merge_requests/new?merge_request[source_branch]={branch}&merge_request[target_branch]={base}"
            ),
            ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo => {
                format!("{repository}/compare/{base}...{branch}")
            }
        })
    }
}

impl Remote {
    fn read(address: &str) -> Option<Self> {
        let (host, web, path) = if address.contains("://") {
            let mut url = Url::parse(address).ok()?;
            let host = url.host_str()?.to_owned();
            let path = url.path().to_owned();
            let is_web = match url.scheme() {
                "https" | "http" => true,
                "ssh" | "git+ssh" | "ssh+git" => false,
                _ => return None,
            };
            // What is secret in it ends here.
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
            url.set_query(None);
            url.set_fragment(None);
            url.set_path("");
            (host, is_web.then_some(url), path)
        } else {
            let (host, path) = address.split_once(':')?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            if host.is_empty() || host.contains('/') {
                return None;
            }
            (host.to_owned(), None, path.to_owned())
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let is_good = !path.is_empty() && path.split('/').all(|part| !part.is_empty());
        (is_good && is_plain(path)).then(|| Self {
            host: host.to_ascii_lowercase(),
            web,
            path: path.to_owned(),
        })
    }

    /// The API of a forge that is known by its settings alone.
    fn api(&self, kind: ForgeKind, settings: Option<&ForgeSettings>) -> Result<Url, PlaceError> {
        if let Some(text) = settings.and_then(|settings| settings.api.as_ref()) {
            let api = address_of(text).ok_or_else(|| PlaceError::OwnApi(redact(text)))?;
            if !self.may_be_asked_at(kind, &api) {
                return Err(PlaceError::ApiElsewhere {
                    api: text.clone(),
                    host: self.host.clone(),
                });
            }
            Ok(api)
        } else {
            let web = match &self.web {
                Some(web) => Some(web.clone()),
                None => Url::parse(&format!("https://{}", self.host)).ok(),
            };
            let web = web.ok_or_else(|| PlaceError::Unknown {
                host: self.host.clone(),
            })?;
            Ok(with_path(&web, kind.api()))
        }
    }

    /// True where what the repository says of its API leads to the host of the remote, or to that of a forge that is known. At another
    /// port of it may be somebody else; the port of an ssh address says nothing of that.
    fn may_be_asked_at(&self, kind: ForgeKind, api: &Url) -> bool {
        let host = api.host_str().unwrap_or_default();
        let own_port = self.web.as_ref().and_then(Url::port);
        let is_port = self.web.is_none() || api.port().is_none() || api.port() == own_port;
        let of_ssh = |start: &str| self.host.strip_prefix(start) == Some(host);
        let public = ["github.com", "gitlab.com", "codeberg.org", "gitea.com"];
        let is_public = |name: &&str| {
            known(name).is_some_and(|(its_kind, its_api, _)| {
                its_kind == kind && its_api.origin() == api.origin()
            })
        };
        let is_host = host == self.host || host.strip_prefix("api.") == Some(self.host.as_str());
        (is_port && is_host)
            || (self.web.is_none() && (of_ssh("ssh.") || of_ssh("altssh.")))
            || public.iter().any(is_public)
    }
}

/// The forge of a host that everybody knows: its kind, its API and its pages.
fn known(host: &str) -> Option<(ForgeKind, Url, Url)> {
    let (kind, host) = match host {
        "github.com" | "ssh.github.com" => (ForgeKind::GitHub, "github.com"),
        "gitlab.com" | "altssh.gitlab.com" => (ForgeKind::GitLab, "gitlab.com"),
        "codeberg.org" => (ForgeKind::Forgejo, host),
        "gitea.com" => (ForgeKind::Gitea, host),
        _ if host.ends_with(".ghe.com") => (ForgeKind::GitHub, host),
        _ => return None,
    };
    let pages = Url::parse(&format!("https://{host}")).ok()?;
    let api = match kind {
        ForgeKind::GitHub => Url::parse(&format!("https://api.{host}")).ok()?,
        _ => with_path(&pages, kind.api()),
    };
    Some((kind, api, pages))
}

/// The pages of a forge whose API is at this address.
fn pages_of(api: &Url, kind: ForgeKind) -> Url {
    let path = api.path().trim_end_matches('/');
    let host = api.host_str().and_then(|host| host.strip_prefix("api."));
    // Where it has a host for itself, the forge is called without that word.
    let pages = host.filter(|_| path.is_empty());
    let pages = pages.and_then(|host| Url::parse(&format!("https://{host}")).ok());
    pages.unwrap_or_else(|| with_path(api, path.strip_suffix(kind.api()).unwrap_or_default()))
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

/// An address of the web, without anything secret.
fn address_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    (is_web && !text.contains(['@', '?', '#'])).then_some(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Nothing of a name that would mean something else in an address.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._/~+".contains(&b))
}
