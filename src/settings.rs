//! `cutwater.yaml` at the root of a release repository: where apps and releases are, and how large a snapshot may be.
//!
//! Pure: bytes in, [`Settings`] or located [`Problems`] out. A repository without the file has the defaults.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use url::Url;

use crate::yaml::{self, Problem, Problems, Shape};

/// Name of the file.
pub const SETTINGS_FILE: &str = "cutwater.yaml";

/// Settings of a release repository. Everything may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Always `cutwater.dev/v1alpha1`.
    #[schemars(extend("const" = "cutwater.dev/v1alpha1"))]
    pub api_version: String,
    /// Always `Settings`.
    #[schemars(extend("const" = "Settings"))]
    pub kind: String,
    /// Folder of the apps, from the root of the repository.
    #[serde(default = "apps")]
    pub apps: String,
    /// Folder of the Deployments and Aliases, from the root of the repository.
    #[serde(default = "releases")]
    pub releases: String,
    /// The branch whose releases count.
    #[serde(default = "branch")]
    pub branch: String,
    /// Remote of a clone that holds the versions; `--remote` and `CUTWATER_REMOTE` go before it.
    #[serde(default = "remote")]
    pub remote: String,
    /// How large a snapshot may be.
    #[serde(default)]
    pub limits: Limits,
    /// The forge of the remote, for pull requests. Those of github.com, gitlab.com and codeberg.org are known by their host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<ForgeSettings>,
}

/// The forge of the remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgeSettings {
    /// Which API it has.
    pub kind: ForgeKind,
    /// Address of its API, such as `https://git.example.com/api/v4`; on the remote's host. Where absent, it is where such a forge has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// The APIs of forges that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// GitHub, and GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
}

/// How large a snapshot may be. A whole number of bytes, or one with `Ki`, `Mi` or `Gi` behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The largest file, up to 1Gi.
    #[serde(default = "file")]
    #[schemars(extend("format" = "quantity"))]
    pub file: String,
    /// All files together, up to 4Gi.
    #[serde(default = "snapshot")]
    #[schemars(extend("format" = "quantity"))]
    pub snapshot: String,
}

fn apps() -> String {
    "apps".to_owned()
}

fn releases() -> String {
    "releases".to_owned()
}

fn branch() -> String {
    "main".to_owned()
}

fn remote() -> String {
    "origin".to_owned()
}

fn file() -> String {
    "64Mi".to_owned()
}

fn snapshot() -> String {
    "256Mi".to_owned()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_version: "cutwater.dev/v1alpha1".to_owned(),
            kind: "Settings".to_owned(),
            apps: apps(),
            releases: releases(),
            branch: branch(),
            remote: remote(),
            limits: Limits::default(),
            forge: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: file(),
            snapshot: snapshot(),
        }
    }
}

impl Limits {
    /// Bytes of the largest file.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        bytes(&self.file).unwrap_or(0)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn snapshot_bytes(&self) -> usize {
        bytes(&self.snapshot).unwrap_or(0)
    }
}

static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(Settings);
    schema.insert("title".to_owned(), "Cutwater cutwater.yaml".into());
    schema.to_value()
});

/// The JSON Schema of `cutwater.yaml`, for editors.
#[must_use]
pub fn json_schema() -> &'static Json {
    &SCHEMA
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// All problems of the file, unknown fields among them.
    pub fn read(bytes: &[u8]) -> Result<Self, Problems> {
        let all = |list| Problems {
            file: SETTINGS_FILE.to_owned(),
            list,
        };
        let node = yaml::read(bytes, "Settings").map_err(|problem| all(vec![problem]))?;
        let mut shape = Shape::new(&SCHEMA);
        let json = shape.check(&node);
        let mut problems = shape.problems;
        if problems.is_empty() {
            let settings: Self = serde_json::from_value(json).map_err(|error| {
                all(vec![Problem {
                    place: node.place,
                    field: String::new(),
                    message: error.to_string(),
                }])
            })?;
            for (field, message) in settings.check() {
                problems.push(Problem {
                    place: node.find(field),
                    field: field.to_owned(),
                    message,
                });
            }
            if problems.is_empty() {
                return Ok(settings);
            }
        }
        Err(all(problems))
    }

    /// What no schema says.
    fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (field, path) in [("apps", &self.apps), ("releases", &self.releases)] {
            if !is_folder(path) {
                found.push((
                    field,
                    format!("is `{path}`; write a folder below the root, such as `{field}`"),
                ));
            }
        }
        let inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
        if inside(&self.apps, &self.releases) || inside(&self.releases, &self.apps) {
            found.push((
                "releases",
                "and `apps` lie in each other; name two folders apart".to_owned(),
            ));
        }
        for (field, name) in [("branch", &self.branch), ("remote", &self.remote)] {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            let good = !name.is_empty()
                && name.len() <= 255
                && name.chars().all(plain)
                && !name.starts_with(['-', '/', '.'])
                && !name.ends_with(['/', '.'])
                && !name.contains("..")
                && !name.contains("//");
            if !good {
                found.push((field, format!("is `{name}`, which is no name in git")));
            } else if let Some(short) = name.strip_prefix("refs/heads/") {
                found.push((
                    field,
                    format!("is a whole ref; write the name alone: `{short}`"),
                ));
            } else if name.starts_with("refs/") {
                found.push((
                    field,
                    format!("is `{name}`, which is the name of a ref; write a name such as `main`"),
                ));
            }
        }
        let sizes = [
            ("limits.file", &self.limits.file, 1_usize << 30, "1Gi"),
            ("limits.snapshot", &self.limits.snapshot, 4 << 30, "4Gi"),
        ];
        for (field, size, max, shown) in sizes {
            if bytes(size).is_none_or(|bytes| bytes == 0 || bytes > max) {
                found.push((
                    field,
                    format!("is `{size}`; write a size such as 64Mi, of at most {shown}"),
                ));
            }
        }
        let api = self.forge.as_ref().and_then(|forge| forge.api.as_ref());
        if let Some(api) = api.filter(|api| !is_web_address(api)) {
            found.push((
                "forge.api",
                // A password may stand in it.
                match api.split_once('@') {
                    Some(_) => "holds a user or password; write the address alone, such as https://git.example.com/api/v4".to_owned(),
                    None => format!("is `{api}`; write an address such as https://git.example.com/api/v4"),
                },
            ));
        }
        found
    }
}

/// True for the address of a folder of the web, with nothing in it that is secret.
fn is_web_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    matches!(url.scheme(), "https" | "http") && url.has_host() && !text.contains(['@', '?', '#'])
}

/// A relative path in git's own spelling.
fn is_folder(path: &str) -> bool {
    let good = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.eq_ignore_ascii_case(".git")
            && !part.chars().any(|c| c.is_control() || c == '\\')
    };
    path.len() <= 255 && path.split('/').all(good)
}

/// `64Mi` in bytes.
fn bytes(text: &str) -> Option<usize> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
    let unit = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    number.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\n";

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = Settings::read(HEAD.as_bytes()).unwrap();
        assert_eq!(read, Settings::default());
        assert_eq!(read.limits.file_bytes(), 64 << 20);
        let text = format!(
            "{HEAD}apps: services\nbranch: release/2\nlimits: {{snapshot: 1Gi, file: 512}}\n"
        );
        let read = Settings::read(text.as_bytes()).unwrap();
        assert_eq!(
            (read.apps.as_str(), read.branch.as_str()),
            ("services", "release/2")
        );
        assert_eq!(
            (read.limits.file_bytes(), read.limits.snapshot_bytes()),
            (512, 1 << 30)
        );
    }

    #[test]
    fn a_forge_has_a_kind_and_an_address_without_secrets() {
        let read = |forge: &str| Settings::read(format!("{HEAD}forge: {forge}\n").as_bytes());
        let good = read("{kind: gitlab, api: 'https://git.example.com:8443/gitlab/api/v4'}");
        assert_eq!(good.unwrap().forge.unwrap().kind, ForgeKind::GitLab);
        assert_eq!(read("{kind: forgejo}").unwrap().forge.unwrap().api, None);
        for (forge, said) in [
            (
                "{kind: bitbucket}",
                "forge.kind: is `bitbucket`; write `github` or `gitlab` or",
            ),
            ("{api: 'https://h/'}", "forge.kind: is missing"),
            (
                "{kind: gitea, url: 'https://h/'}",
                "forge.url: unknown field",
            ),
            (
                "{kind: gitea, api: git.example.com}",
                "forge.api: is `git.example.com`; write an",
            ),
            (
                "{kind: gitea, api: 'https://me:hunter2@h/'}",
                "forge.api: holds a user or password",
            ),
            (
                "{kind: gitea, api: 'https://h/?token=x'}",
                "forge.api: is `https",
            ),
        ] {
            let error = read(forge).unwrap_err().to_string();
            assert!(
                error.contains(said) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_tab_is_found_where_it_stands() {
        for (text, line) in [
            ("limits:\n\tfile: 1Mi\n", 4),
            ("limits:\n  file: 1Mi\n\tsnapshot: 2Mi\n", 5),
            ("limits:\n  file: 1Mi\n  \tsnapshot: 2Mi\nbranch: main\n", 5),
        ] {
            let text = format!("{HEAD}{text}");
            let error = Settings::read(text.as_bytes()).unwrap_err().to_string();
            let place = format!("cutwater.yaml:{line}:");
            assert!(
                error.starts_with(&place) && error.contains("tabs"),
                "{error}"
            );
        }
    }

    #[test]
    fn each_problem_has_its_place() {
        let text =
            format!("{HEAD}aps: x\napps: ../out\nreleases: a\nremote: -x\nlimits:\n  file: 2Ti\n");
        let error = Settings::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cutwater.yaml:3:1: aps: unknown field; did you mean `apps`?"
        );
        let error = Settings::read(text.replace("aps: x\n", "").as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cutwater.yaml:3:7: apps: is `../out`; write a folder below the root, such as `apps`\n\
             cutwater.yaml:5:9: remote: is `-x`, which is no name in git\n\
             cutwater.yaml:7:9: limits.file: is `2Ti`; write a size such as 64Mi, of at most 1Gi"
        );
        let error = Settings::read(format!("{HEAD}branch: refs/heads/main\n").as_bytes());
        let error = error.unwrap_err().to_string();
        assert!(
            error.ends_with("branch: is a whole ref; write the name alone: `main`"),
            "{error}"
        );
        let error = Settings::read(format!("{HEAD}apps: r/a\nreleases: r\n").as_bytes());
        assert!(error.unwrap_err().to_string().contains("lie in each other"));
    }
}
