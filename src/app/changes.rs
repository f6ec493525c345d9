//! What differs between two apps as they run: per function, field by field.
//!
//! Compares what `app.yaml` says, and nothing else: not the files that it mounts, and not the code.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::spec::{App, EnvVar, EnvVarSource, Function, KeySelector, Mount};
use crate::words::FunctionName;

/// One difference between two apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The function.
    pub function: FunctionName,
    /// What of it: `function` where it is new or gone as a whole, else a field, such as `image`, `env.LOG_LEVEL`,
    /// `mounts./etc/tls` or `scale.max`; `env` where the same variables stand in another order.
    pub field: String,
    /// What it was; absent where it was not there.
    pub from: Option<String>,
    /// What it is; absent where it is gone.
    pub to: Option<String>,
}

/// What changes for a running app from `from` to `to`, in the order of its functions and fields. A new function is listed
/// with all its fields, one that is gone by its name alone.
#[must_use]
pub fn changes(from: &App, to: &App) -> Vec<Change> {
    let whole = |function: &Function, from: bool, to: bool| Change {
        function: function.name.clone(),
        field: "function".to_owned(),
        from: from.then(|| function.name.to_string()),
        to: to.then(|| function.name.to_string()),
    };
    let mut changes = Vec::new();
    for function in &to.spec.functions {
        let old = find(from, &function.name);
        if old.is_none() {
            changes.push(whole(function, false, true));
        }
        let fields_before = old.map(fields).unwrap_or_default();
        compare(
            &function.name,
            &fields_before,
            &fields(function),
            &mut changes,
        );
        changes.extend(old.and_then(|old| order(old, function)));
    }
    for function in &from.spec.functions {
        if find(to, &function.name).is_none() {
            changes.push(whole(function, true, false));
        }
    }
    changes
}

fn find<'a>(app: &'a App, name: &FunctionName) -> Option<&'a Function> {
    let mut functions = app.spec.functions.iter();
    functions.find(|function| function.name == *name)
}

/// A variable may use those before it, so their order counts; of those that both have.
fn order(from: &Function, to: &Function) -> Option<Change> {
    let common = |function: &Function, other: &Function| -> String {
        let both = |name: &&str| other.env.iter().any(|variable| variable.name == *name);
        let names = function.env.iter().map(|variable| variable.name.as_str());
        names.filter(both).collect::<Vec<_>>().join(", ")
    };
    let (old, new) = (common(from, to), common(to, from));
    (old != new).then(|| Change {
        function: to.name.clone(),
        field: "env".to_owned(),
        from: Some(old),
        to: Some(new),
    })
}

fn compare(
    function: &FunctionName,
    from: &[(String, String)],
    to: &[(String, String)],
    changes: &mut Vec<Change>,
) {
    let old: BTreeMap<&str, &str> = from.iter().map(|(f, v)| (f.as_str(), v.as_str())).collect();
    let new: BTreeMap<&str, &str> = to.iter().map(|(f, v)| (f.as_str(), v.as_str())).collect();
    let mut push = |field: &str| {
        let (from, to) = (old.get(field), new.get(field));
        if from != to {
            changes.push(Change {
                function: function.clone(),
                field: field.to_owned(),
                from: from.map(|value| (*value).to_owned()),
                to: to.map(|value| (*value).to_owned()),
            });
        }
    };
    for (field, _) in to {
        push(field);
    }
    for (field, _) in from
        .iter()
        .filter(|(field, _)| !new.contains_key(field.as_str()))
    {
        push(field);
    }
}

/// The fields of a function with their values, in the order of `app.yaml`'s description.
fn fields(function: &Function) -> Vec<(String, String)> {
    // Each field is named, so that a new one is not forgotten here.
    let Function {
        name: _,
        image,
        command,
        args,
        port,
        env,
        files,
        mounts,
        readiness_probe,
        liveness_probe,
        startup_probe,
        resources,
        scale,
        termination_grace_period_seconds,
        local,
    } = function;
    let mut fields = Vec::new();
    leaves("image", image, &mut fields);
    for (field, words) in [("command", command), ("args", args)] {
        if !words.is_empty() {
            leaves(field, words, &mut fields);
        }
    }
    leaves("port", port, &mut fields);
    for variable in env {
        fields.push((format!("env.{}", variable.name), value_of(variable)));
    }
    leaves("files", files, &mut fields);
    for mount in mounts {
        fields.push((format!("mounts.{}", mount.mount_path), object_of(mount)));
    }
    leaves("readinessProbe", readiness_probe, &mut fields);
    leaves("livenessProbe", liveness_probe, &mut fields);
    leaves("startupProbe", startup_probe, &mut fields);
    leaves("resources", resources, &mut fields);
    leaves("scale", scale, &mut fields);
    leaves(
        "terminationGracePeriodSeconds",
        termination_grace_period_seconds,
        &mut fields,
    );
    leaves("local", local, &mut fields);
    fields
}

/// The plain value, or the key that the value comes from.
fn value_of(variable: &EnvVar) -> String {
    let Some(EnvVarSource {
        secret_key_ref,
        config_map_key_ref,
    }) = &variable.value_from
    else {
        return variable.value.clone().unwrap_or_default();
    };
    let key = |kind: &str, selector: &KeySelector| {
        let optional = optional(selector.optional);
        format!("key {} of {kind} {}{optional}", selector.key, selector.name)
    };
    let secret = secret_key_ref.iter().map(|s| key("Secret", s));
    let map = config_map_key_ref.iter().map(|s| key("ConfigMap", s));
    secret.chain(map).collect::<Vec<_>>().join(", ")
}

fn object_of(mount: &Mount) -> String {
    let secret = mount.secret.iter().map(|name| format!("Secret {name}"));
    let map = (mount.config_map.iter()).map(|name| format!("ConfigMap {name}"));
    let object = secret.chain(map).collect::<Vec<_>>().join(", ");
    object + optional(mount.optional)
}

fn optional(optional: Option<bool>) -> &'static str {
    if optional == Some(true) {
        " (optional)"
    } else {
        ""
    }
}

/// The scalars and lists below a field, each with its path.
fn leaves(field: &str, value: &impl Serialize, fields: &mut Vec<(String, String)>) {
    // What was read from YAML can be written as JSON.
    let value = serde_json::to_value(value).unwrap_or_default();
    flatten(field, &value, fields);
}

fn flatten(path: &str, value: &Json, fields: &mut Vec<(String, String)>) {
    match value {
        Json::Null => {}
        Json::String(text) => fields.push((path.to_owned(), text.clone())),
        Json::Object(map) => {
            for (key, value) in map {
                flatten(&format!("{path}.{key}"), value, fields);
            }
        }
        other => fields.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(functions: &str) -> App {
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: checkout}}\nspec:\n  functions:\n{functions}"
        );
        App::from_branch("app.yaml", text.as_bytes()).unwrap()
    }

    /// One line per change: `function field: from -> to`.
    fn lines(from: &str, to: &str) -> Vec<String> {
        let word = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        changes(&app(from), &app(to))
            .into_iter()
            .map(|c| {
                format!(
                    "{} {}: {} -> {}",
                    c.function,
                    c.field,
                    word(c.from),
                    word(c.to)
                )
            })
            .collect()
    }

    const WEB: &str = "  - name: web\n    port: 8080\n";

    #[test]
    fn equal_apps_have_no_changes() {
        assert_eq!(lines(WEB, WEB), [""; 0]);
        // The same, written in another way.
        assert_eq!(lines(WEB, "  - {port: 8080, name: web}\n"), [""; 0]);
    }

    #[test]
    fn each_field_is_compared_by_its_path() {
        let digest = |digit: &str| format!("r/x@sha256:{}", digit.repeat(64));
        let from = format!(
            "{WEB}    image: {}\n    command: [/bin/a]\n    env:\n    - {{name: LOG, value: info}}\n    - {{name: OLD, value: x}}\n    - {{name: DB, valueFrom: {{secretKeyRef: {{name: db, key: url}}}}}}\n    files: {{mountPath: /app, include: [a]}}\n    mounts: [{{mountPath: /tls, secret: tls}}]\n    readinessProbe: {{httpGet: {{path: /a, port: 8080}}}}\n    resources: {{limits: {{memory: 64Mi}}}}\n    scale: {{min: 1}}\n",
            digest("1")
        );
        let to = format!(
            "  - name: web\n    port: 8081\n    image: {}\n    command: [/bin/a, -v]\n    env:\n    - {{name: LOG, value: debug}}\n    - {{name: DB, valueFrom: {{secretKeyRef: {{name: db, key: url, optional: true}}}}}}\n    files: {{mountPath: /app, include: [a, b]}}\n    mounts: [{{mountPath: /tls, configMap: tls}}]\n    readinessProbe: {{tcpSocket: {{port: 8081}}}}\n    resources: {{limits: {{memory: 128Mi}}}}\n    scale: {{min: 2}}\n    terminationGracePeriodSeconds: 5\n",
            digest("2")
        );
        assert_eq!(
            lines(&from, &to),
            [
                format!("web image: {} -> {}", digest("1"), digest("2")),
                "web command: [\"/bin/a\"] -> [\"/bin/a\",\"-v\"]".to_owned(),
                "web port: 8080 -> 8081".to_owned(),
                "web env.LOG: info -> debug".to_owned(),
                "web env.DB: key url of Secret db -> key url of Secret db (optional)".to_owned(),
                "web files.include: [\"a\"] -> [\"a\",\"b\"]".to_owned(),
                "web mounts./tls: Secret tls -> ConfigMap tls".to_owned(),
                "web readinessProbe.tcpSocket.port: - -> 8081".to_owned(),
                "web resources.limits.memory: 64Mi -> 128Mi".to_owned(),
                "web scale.min: 1 -> 2".to_owned(),
                "web terminationGracePeriodSeconds: - -> 5".to_owned(),
                "web env.OLD: x -> -".to_owned(),
                "web readinessProbe.httpGet.path: /a -> -".to_owned(),
                "web readinessProbe.httpGet.port: 8080 -> -".to_owned(),
            ]
        );
    }

    #[test]
    fn the_order_of_variables_counts() {
        let env = |names: [&str; 2]| {
            let one = |name: &str| format!("    - {{name: {name}, value: x}}\n");
            format!("{WEB}    env:\n{}{}", one(names[0]), one(names[1]))
        };
        let found = lines(&env(["A", "B"]), &env(["B", "A"]));
        assert_eq!(found, ["web env: A, B -> B, A"]);
    }

    #[test]
    fn functions_come_and_go() {
        let api = "  - name: api\n    port: 9090\n";
        assert_eq!(
            lines(WEB, &format!("{api}{WEB}")),
            ["api function: - -> api", "api port: - -> 9090"]
        );
        assert_eq!(
            lines(&format!("{api}{WEB}"), WEB),
            ["api function: api -> -"]
        );
    }
}
