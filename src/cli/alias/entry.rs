//! An alias as it stands in the tracked branch.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::releases::{Object, Release};
use crate::releasing::alias_name;
use crate::store::History;
use crate::users::Scope;
use crate::words::{AppName, Share, VersionNumber, VersionWord};

/// An alias.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct AliasJson {
    /// Its name.
    pub(super) name: String,
    /// The object's namespace, where the file names one.
    pub(super) namespace: Option<String>,
    /// The object's name.
    object: String,
    /// The file, from the root of the repository.
    pub(super) file: String,
    /// The line at which the object begins.
    pub(super) line: u64,
    /// What it is for.
    pub(super) description: Option<String>,
    /// The main version, then the canary, where there is one.
    pub(super) versions: Vec<AliasVersion>,
    /// The hostnames at which it is reached.
    pub(super) hostnames: Vec<String>,
}

/// A version of an alias.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct AliasVersion {
    /// The version, as it is named.
    version: VersionWord,
    /// Its number; absent where the word names no living version.
    number: Option<VersionNumber>,
    /// Its share in percent.
    percentage: Share,
}

impl AliasJson {
    fn of(history: &History, release: &Release) -> Option<Self> {
        let Object::Alias(alias) = &release.object else {
            return None;
        };
        let versions = release.wanted.versions.iter().map(|entry| AliasVersion {
            version: entry.version.clone(),
            number: history.version(&entry.version).ok().map(|v| v.number),
            percentage: entry.percentage,
        });
        // Several routes may be at one hostname.
        let mut hostnames: Vec<String> = Vec::new();
        for hostname in alias.spec.routes.iter().flat_map(|route| &route.hostnames) {
            if !hostnames.contains(hostname) {
                hostnames.push(hostname.clone());
            }
        }
        Some(Self {
            name: alias_name(release)?.to_owned(),
            namespace: release.namespace().map(str::to_owned),
            object: release.name().to_owned(),
            file: release.file.clone(),
            line: release.place.line,
            description: alias.spec.description.clone(),
            versions: versions.collect(),
            hostnames,
        })
    }

    /// True where a person's word for an object means this one.
    pub(super) fn is(&self, word: &str) -> bool {
        let (space, object) = (self.namespace.as_deref(), self.object.as_str());
        let whole = space.map(|space| format!("{space}/{object}"));
        word == object || word == self.file || Some(word) == whole.as_deref()
    }

    /// `v7 75%, v8 25%`; a word that names no living version says so.
    pub(super) fn shares(&self) -> String {
        let share = |entry: &AliasVersion| match entry.number {
            Some(number) => format!("{number} {}%", entry.percentage),
            None => format!("{} {}% (does not live)", entry.version, entry.percentage),
        };
        self.versions
            .iter()
            .map(share)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The aliases of the app in the tracked branch of the remote, by name.
pub(super) fn read(ui: &Ui, context: &Context, app: &AppName) -> Result<Vec<AliasJson>, Failure> {
    ui.progress(&format!(
        "reading the aliases of {app} at {}",
        context.workspace.remote()
    ));
    let survey = context.workspace.survey(app, Scope::Tracked, 1)?;
    for gap in survey.gaps() {
        ui.warning(format!("not read: {gap}"));
    }
    let releases = survey
        .branches
        .iter()
        .flat_map(|branch| branch.releases.iter());
    let mut aliases: Vec<AliasJson> = releases
        .filter(|release| release.app() == app)
        .filter_map(|release| AliasJson::of(&survey.history, release))
        .collect();
    if aliases.is_empty() && survey.history.entries.is_empty() {
        context.known(app)?;
    }
    aliases.sort_by(|a, b| (&a.name, &a.file, a.line).cmp(&(&b.name, &b.file, b.line)));
    Ok(aliases)
}
