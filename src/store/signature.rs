//! The signature of a version, as the person's own git judges it: their keys, their trust.

use git2::Oid;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::StoreError;
use super::objects;
use super::version::Version;
use super::workspace::Workspace;
use crate::git;

/// The signature of a version's commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionSignature {
    /// What the person's git says of it.
    pub verdict: Verdict,
    /// Who made it, as far as git knows the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The key, or its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What git says of a signature: `%G?` in `git help log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Good, by a key that is trusted here.
    Good,
    /// Made by that key, of which nothing here says whose it is.
    Untrusted,
    /// Good once: the signature or its key is past its time.
    Expired,
    /// Good, by a key that was revoked.
    Revoked,
    /// Not of this commit.
    Bad,
    /// Cannot be checked here: no key, or no `gpg.ssh.allowedSignersFile`.
    Unchecked,
}

impl Workspace {
    /// The signature of a version; nothing where it has none.
    ///
    /// # Errors
    /// When its commit cannot be read, or `git` cannot be run.
    pub fn signature(&self, version: &Version) -> Result<Option<VersionSignature>, StoreError> {
        let fail = |problem: String| {
            let what = format!(
                "the signature of version {} of `{}`",
                version.number, version.app
            );
            StoreError::local(what, &problem)
        };
        let oid = Oid::try_from(&version.commit).map_err(|error| fail(error.to_string()))?;
        let commit = objects::commit(&self.repo, oid).map_err(|error| fail(error.to_string()))?;
        if commit.header_field_bytes("gpgsig").is_err() {
            return Ok(None);
        }
        let home = self.repo.workdir().unwrap_or_else(|| self.repo.path());
        let [letter, signer, key] = git::check_signature(home, &version.commit, self.timeout())
            .map_err(|error| fail(error.message))?;
        let verdict = match letter.as_str() {
            "G" => Verdict::Good,
            "U" => Verdict::Untrusted,
            "X" | "Y" => Verdict::Expired,
            "R" => Verdict::Revoked,
            "B" => Verdict::Bad,
            _ => Verdict::Unchecked,
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Some(VersionSignature {
            verdict,
            signer: some(signer),
            key: some(key),
        }))
    }
}
