//! The `git` program, and it alone talks to remotes: it brings people's ssh, proxies and credential helpers.
//!
//! It is also asked who the person is and how two trees differ, signs and checks signatures with their set-up, and adds
//! files as they would. Nothing else in the crate starts `git`. No shell is ever involved, no argument can be read as an
//! option, nothing asks at a terminal, each call has a timeout that ends its whole process group, and no credential is in
//! an argument or in a message. Local objects and refs are not read here: that is [`crate::store`].

mod ask;
mod classify;
mod credentials;
mod diff;
mod elsewhere;
mod embedded;
mod error;
mod fast_forward;
mod ids;
mod interrupt;
mod local;
mod progress;
mod push;
mod remote;
mod run;
mod upkeep;
mod url;
mod web;
mod whereabouts;

pub use ask::{author, commit_of, remotes};
pub use credentials::Credentials;
pub(crate) use credentials::basic;
pub use diff::{ChangedFile, Form, Trees};
pub use elsewhere::{are_one, pushes_elsewhere};
pub use error::{Caller, GitError, GitErrorKind};
pub use fast_forward::{Standing, fast_forward};
pub use interrupt::{Shield, was_interrupted, watch, watch_pushes_with};
pub use local::{
    UnsignedCommit, check_signature, conflicts, is_on_branch, is_sparse, repository_of, sign,
    signs_commits, uncommitted, update_refs, work_tree,
};
pub use push::RefUpdate;
pub use remote::Git;
pub use upkeep::{damage, pack_objects, pack_refs};
pub(crate) use url::redact;
pub use url::{RemoteUrl, UrlError};
pub use web::{WebSettings, password};
pub use whereabouts::address;
