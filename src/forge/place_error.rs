//! Why a remote is of no forge that may be asked. No credentials are in any of it.

use crate::settings::ForgeKind;

/// Why it is not known where a remote has its forge, or why that may not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The remote is a path, or nothing that is known.
    #[error(
        "{address} is no address of a forge, which opens pull requests; the remote has to be one by https or ssh"
    )]
    NoForge {
        /// The address of the remote, without credentials.
        address: String,
    },
    /// Nothing says which API the host has.
    #[error(
        "which forge is at `{host}` is not known; say it in cutwater.yaml: `forge: {{kind: github}}`, or gitlab, gitea or forgejo, and `api: https://HOST/...` beside `kind` where its API is at an address of its own"
    )]
    Unknown {
        /// The host of the remote.
        host: String,
    },
    /// The path is not one of a repository.
    #[error("`{path}` is no name of a repository of {}, whose API is {api}; correct the address of the remote, or `forge` in cutwater.yaml", kind.name())]
    NoRepository {
        /// The forge.
        kind: ForgeKind,
        /// The path.
        path: String,
        /// The API.
        api: String,
    },
    /// Who may push to the repository would get the token.
    #[error(
        "forge.api in cutwater.yaml is {api}, which is not on the host of the remote, `{host}`, at its port; a token is sent there only where the environment says so: CUTWATER_FORGE_API={api}"
    )]
    ApiElsewhere {
        /// The API.
        api: String,
        /// The host of the remote.
        host: String,
    },
    /// Anybody on the way could read the token.
    #[error(
        "the API of the forge, {api}, is not encrypted, and a token would be sent there; write https:// in CUTWATER_FORGE_API, or in forge.api of cutwater.yaml"
    )]
    Unencrypted {
        /// The API.
        api: String,
    },
    /// The address that the environment gives for the API is none.
    #[error(
        "CUTWATER_FORGE_API is {0}, which is no address of an API; write one such as https://git.example.com/api/v4"
    )]
    OwnApi(String),
}
