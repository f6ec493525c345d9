//! The two kinds of objects that use versions, and what each is called.

use schemars::JsonSchema;
use serde::Serialize;

/// Kinds of objects that use versions. Deployments come before Aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(rename = "Kind")]
pub enum OwnerKind {
    /// `deployments.cutwater.dev`, short name `cwd`.
    Deployment,
    /// `aliases.cutwater.dev`, short name `cwa`.
    Alias,
}

impl OwnerKind {
    /// The short name by which `kubectl` knows it.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Deployment => "cwd",
            Self::Alias => "cwa",
        }
    }

    /// The kind of a short name.
    #[must_use]
    pub fn of_short(name: &str) -> Option<Self> {
        let mut all = [Self::Deployment, Self::Alias].into_iter();
        all.find(|kind| kind.short() == name)
    }

    /// An object of this kind by its place and name: `shop/checkout`, `alias shop/prod`.
    #[must_use]
    pub fn named(self, namespace: Option<&str>, name: &str) -> String {
        let alias = if self == Self::Alias { "alias " } else { "" };
        match namespace {
            Some(namespace) => format!("{alias}{namespace}/{name}"),
            None => format!("{alias}{name}"),
        }
    }
}
