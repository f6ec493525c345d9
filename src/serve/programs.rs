//! What runs for a function: command, environment and probes, as its record says them and as this machine has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::checkout::Checkout;
use super::lack::{FunctionOf, Lack, ValueError};
use super::secrets::{Kind, Secrets};
use crate::app::{EnvVar, EnvVarSource, Function};
use crate::processes::{Guard, Probes, Program, Start, Unprepared, Variable};
use crate::record::VersionRecord;

/// How long a program may take to end where its function does not say.
const GRACE: u32 = 30;

/// Variables that every program gets.
const PASSED: [&str; 7] = ["HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"];

/// What is needed to start a program.
pub(super) struct Starter {
    /// This program's own file.
    pub(super) own: PathBuf,
    /// Of the environment of `serve`, what every program gets.
    pub(super) passed: Vec<(String, String)>,
    /// What a cluster would take from Secrets and ConfigMaps.
    pub(super) secrets: Arc<Secrets>,
    /// How many files a program may have open, if it asks for no more.
    pub(super) files: u64,
    /// How many programs there may be at a time: each takes files of this process.
    pub(super) most: usize,
    /// Told of each change of a program's state.
    pub(super) changed: Arc<Notify>,
    /// Cancelled when everything is to end soon.
    pub(super) closing: CancellationToken,
}

/// What every program gets of this environment.
pub(super) fn passed(given: &BTreeMap<String, String>) -> Vec<(String, String)> {
    (given.iter())
        .filter(|(name, _)| PASSED.contains(&name.as_str()) || name.starts_with("LC_"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The program of a function. What it takes from elsewhere is read at each start, and now, so that what is missing is said before
/// anything of its version runs.
pub(super) fn program(
    starter: &Starter,
    record: &VersionRecord,
    function: &Function,
    checkout: Arc<Checkout>,
) -> Result<Program, Lack> {
    let VersionRecord { app, number, .. } = record;
    let Some(local) = function.local.clone() else {
        let function = FunctionOf::new(record, function);
        return Err(Lack::Command { function });
    };
    environment(&starter.secrets, record, function)?;
    for ignored in ignored(function) {
        tracing::warn!("{app} {number}: function `{}`: {ignored}", function.name);
    }
    let grace = function.termination_grace_period_seconds.unwrap_or(GRACE);
    let (secrets, inherited) = (Arc::clone(&starter.secrets), starter.passed.clone());
    let (record, function) = (record.clone(), function.clone());
    let prepare = move || -> Result<Start, Unprepared> {
        Ok(Start {
            command: local.command.clone(),
            dir: checkout.ready()?,
            inherited: inherited.clone(),
            env: environment(&secrets, &record, &function)?,
            probes: Probes {
                startup: function.startup_probe.clone(),
                readiness: function.readiness_probe.clone(),
                liveness: function.liveness_probe.clone(),
            },
        })
    };
    Ok(Program {
        guard: Guard {
            own: starter.own.clone(),
            files: starter.files,
        },
        prepare: Arc::new(prepare),
        grace: Duration::from_secs(u64::from(grace)),
        closing: starter.closing.clone(),
    })
}

/// Takes the variables of `serve` that a version has its values from. What is missing is said when it is started.
pub(super) fn claim(secrets: &Secrets, record: &VersionRecord) {
    let variables = record.functions.iter().flat_map(|function| &function.env);
    for source in variables.filter_map(|variable| variable.value_from.as_ref()) {
        drop(bound(secrets, source));
    }
}

/// The variables of a function, in the order in which a container has them.
fn environment(
    secrets: &Secrets,
    record: &VersionRecord,
    function: &Function,
) -> Result<Vec<Variable>, Lack> {
    let mut variables: Vec<Variable> = known(record).into();
    for EnvVar {
        name,
        value,
        value_from,
    } in &function.env
    {
        let found = match (value, value_from) {
            (Some(value), _) => Some((value.clone(), true)),
            (None, Some(source)) => {
                let found = bound(secrets, source).map_err(|source| Lack::Variable {
                    function: FunctionOf::new(record, function),
                    variable: name.clone(),
                    source: Box::new(source),
                })?;
                found.map(|value| (value, false))
            }
            (None, None) => None,
        };
        variables.extend(found.map(|(value, expands)| Variable {
            name: name.clone(),
            value,
            expands,
        }));
    }
    Ok(variables)
}

/// The value that a cluster would take from a Secret or ConfigMap; nothing where it need not be there and is not.
fn bound(secrets: &Secrets, source: &EnvVarSource) -> Result<Option<String>, ValueError> {
    let secret = (source.secret_key_ref.iter()).map(|selector| (Kind::Secret, selector));
    let config = (source.config_map_key_ref.iter()).map(|selector| (Kind::ConfigMap, selector));
    let Some((kind, selector)) = secret.chain(config).next() else {
        return Ok(None);
    };
    let (name, key) = (&selector.name, &selector.key);
    let found = secrets.find(kind, name, key)?;
    if found.is_none() && selector.optional != Some(true) {
        return Err(ValueError::Missing {
            kind,
            name: name.clone(),
            key: key.clone(),
            place: secrets.place(kind, name, key),
        });
    }
    Ok(found)
}

/// What a program knows about itself, as in a container.
fn known(record: &VersionRecord) -> [Variable; 5] {
    let labels: Vec<&str> = record
        .labels
        .iter()
        .map(crate::words::Label::as_str)
        .collect();
    [
        ("CUTWATER_APP", record.app.to_string()),
        ("CUTWATER_VERSION", record.number.get().to_string()),
        ("CUTWATER_SNAPSHOT", record.tree.to_string()),
        ("CUTWATER_LABELS", labels.join(",")),
        ("CUTWATER_PUBLISHED_AT", record.published_at.to_string()),
    ]
    .map(|(name, value)| Variable {
        name: name.to_owned(),
        value,
        expands: false,
    })
}

/// What a cluster would do for a function and this machine does not, in words.
fn ignored(function: &Function) -> Vec<String> {
    let mut ignored = Vec::new();
    if !function.mounts.is_empty() {
        let paths = function.mounts.iter();
        let paths: Vec<&str> = paths.map(|mount| mount.mount_path.as_str()).collect();
        ignored.push(format!(
            "mounts are not made on this machine: {}",
            paths.join(", ")
        ));
    }
    if (function.resources.as_ref()).is_some_and(|resources| !resources.limits.is_empty()) {
        ignored.push(
            "resources.limits do not hold on this machine: it may use as much as there is"
                .to_owned(),
        );
    }
    if function.min() > 1 {
        ignored.push(format!(
            "scale.min is {}, and one process runs on this machine",
            function.min()
        ));
    }
    ignored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(yaml: &str) -> Function {
        let start = "name: web\nport: 8080\n";
        serde_yaml::from_str(&format!("{start}{yaml}")).unwrap()
    }

    fn record() -> VersionRecord {
        let record = serde_json::json!({
            "app": "shop", "number": 8, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-02T03:04:05Z", "functions": [],
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_bound_variable_is_that_of_its_secret_or_the_program_does_not_start() {
        let function = function(
            "env:\n- {name: DB_USER, value: shop}\n- {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: shop-db, key: url}}}\n- {name: MODE, valueFrom: {configMapKeyRef: {name: shop, key: mode, optional: true}}}\n",
        );
        let given = |name: &str| {
            let one = [(name.to_owned(), "value".to_owned())];
            Secrets::new(one.into(), None, None)
        };
        let found = |secrets: &Secrets| environment(secrets, &record(), &function);
        for elsewhere in ["DATABASE_URL", "CUTWATER_SECRET_BLOG_DB_URL"] {
            let refused = found(&given(elsewhere)).unwrap_err().to_string();
            assert!(
                refused.contains("CUTWATER_SECRET_SHOP_DB_URL of serve")
                    && refused.contains("DIR/shop-db/url of --secrets DIR"),
                "{refused}"
            );
        }
        let variables = found(&given("CUTWATER_SECRET_SHOP_DB_URL")).unwrap();
        let shown: Vec<String> = (variables.iter())
            .map(|it| format!("{}={} {}", it.name, it.value, it.expands))
            .collect();
        assert_eq!(
            shown[1..],
            [
                "CUTWATER_VERSION=8 false",
                "CUTWATER_SNAPSHOT=1111111111111111111111111111111111111111 false",
                "CUTWATER_LABELS= false",
                "CUTWATER_PUBLISHED_AT=2026-01-02T03:04:05Z false",
                "DB_USER=shop true",
                "DATABASE_URL=value false"
            ]
        );
    }

    #[test]
    fn what_is_ignored_is_said() {
        assert!(ignored(&function("scale: {min: 1, max: 3, cpu: 50}")).is_empty());
        let all = function(
            "scale: {min: 3}\nresources: {limits: {memory: 64Mi}}\nmounts: [{mountPath: /data, secret: x}]\n",
        );
        assert_eq!(ignored(&all).len(), 3);
        assert!(ignored(&all)[0].contains("/data"));
    }
}
