//! What can be written in an `app.yaml` and could never run: what the API server, the kubelet or the system refuses.
//!
//! A version is there for ever, so this is asked before it is published. Versions that are there are read without it: some of
//! them run all the same, elsewhere or in another way.

use super::quantity;
use super::rules::Found;
use super::spec::{App, EnvVar, Function, Probe, Resources};

/// Longest variable, argument or part of a command, in bytes with what the system adds: `MAX_ARG_STRLEN` of Linux.
const STRING_MAX: usize = 128 * 1024;
/// Longest key of a Secret or a ConfigMap.
const KEY_MAX: usize = 253;

/// Folders of the system: no container runtime mounts anything below the first two, and a program cannot do without the last.
const SYSTEM: [&str; 2] = ["/proc", "/sys"];
/// What the kubelet mounts itself.
const MOUNTED: [&str; 5] = [
    "/dev",
    "/dev/termination-log",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
];

/// All that would keep the app from running. `in_cluster` says whether any of its functions has an image, or gets one.
pub(super) fn check(app: &App, in_cluster: bool) -> Found {
    let mut found = Found::new();
    let name = app.metadata.name.as_str();
    if in_cluster && name.starts_with(|c: char| c.is_ascii_digit()) {
        found.push((
            "metadata.name".to_owned(),
            format!(
                "`{name}` begins with a digit: Services are named by the app, and before Kubernetes 1.36 they begin with a letter; choose another name"
            ),
        ));
    }
    for (index, function) in app.spec.functions.iter().enumerate() {
        check_function(&mut found, &format!("spec.functions[{index}]"), function);
    }
    found
}

fn check_function(found: &mut Found, path: &str, function: &Function) {
    let local = function.local.iter();
    let local = local.flat_map(|local| numbered(format!("{path}.local.command"), &local.command));
    let probes = [
        ("readinessProbe", &function.readiness_probe),
        ("livenessProbe", &function.liveness_probe),
        ("startupProbe", &function.startup_probe),
    ];
    let commands = numbered(format!("{path}.command"), &function.command)
        .chain(numbered(format!("{path}.args"), &function.args))
        .chain(local);
    for (field, text) in commands {
        found.extend(string(text, 0).map(|problem| (field, problem)));
    }
    for (index, var) in function.env.iter().enumerate() {
        check_env(found, &format!("{path}.env[{index}]"), var);
    }
    for (name, probe) in probes {
        if let Some(probe) = probe {
            check_probe(found, &format!("{path}.{name}"), probe);
        }
    }
    check_mounts(found, path, function);
    if let Some(resources) = &function.resources {
        check_resources(found, &format!("{path}.resources"), resources);
    }
    let asks = |resources: &Resources| {
        let given = |map: &std::collections::BTreeMap<String, String>| {
            map.get("cpu")
                .and_then(|text| quantity::value(text))
                .is_some_and(|cpu| cpu > 0.0)
        };
        // Without a request, Kubernetes takes the limit for it.
        given(&resources.requests)
            || (!resources.requests.contains_key("cpu") && given(&resources.limits))
    };
    if function.autoscaled() && !function.resources.as_ref().is_some_and(asks) {
        found.push((
            format!("{path}.scale.cpu"),
            "is a percentage of the cpu that is requested, and none is, so no autoscaler could ever act; write `resources: {requests: {cpu: 100m}}`".to_owned(),
        ));
    }
}

fn numbered(field: String, texts: &[String]) -> impl Iterator<Item = (String, &String)> {
    let at = move |(index, text)| (format!("{field}[{index}]"), text);
    texts.iter().enumerate().map(at)
}

/// What is wrong with a text that a program is started with; `beside` are the bytes that stand before it.
fn string(text: &str, beside: usize) -> Option<String> {
    let size = text.len() + beside + 1;
    if text.contains('\0') {
        return Some("holds a NUL, which no program can be given; remove it".to_owned());
    }
    (size > STRING_MAX).then(|| {
        format!(
            "has {size} bytes; no program is started with more than {STRING_MAX} in one; put it into a file"
        )
    })
}

fn check_env(found: &mut Found, path: &str, var: &EnvVar) {
    let value = var.value.as_deref().unwrap_or_default();
    let problem = string(value, var.name.len() + 1);
    found.extend(problem.map(|problem| (format!("{path}.value"), problem)));
    let from = var.value_from.as_ref();
    let sources = [
        (
            "secretKeyRef",
            from.and_then(|from| from.secret_key_ref.as_ref()),
        ),
        (
            "configMapKeyRef",
            from.and_then(|from| from.config_map_key_ref.as_ref()),
        ),
    ];
    for (kind, selector) in sources {
        let Some(key) = selector.map(|selector| selector.key.as_str()) else {
            continue;
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let dots = key == "." || key.starts_with("..");
        if key.is_empty() || key.len() > KEY_MAX || dots || !key.chars().all(allowed) {
            found.push((
                format!("{path}.valueFrom.{kind}.key"),
                format!(
                    "`{}` cannot be a key; use letters, digits, `-`, `_` and `.`",
                    key.escape_default()
                ),
            ));
        }
    }
}

fn check_probe(found: &mut Found, path: &str, probe: &Probe) {
    if let Some(get) = &probe.http_get
        && get.path.chars().any(char::is_control)
    {
        let shown = get.path.escape_default();
        found.push((
            format!("{path}.httpGet.path"),
            format!("`{shown}` holds a control character, such as a line break; remove it"),
        ));
    }
    let command = probe.exec.iter();
    let command = command.flat_map(|exec| numbered(format!("{path}.exec.command"), &exec.command));
    for (field, text) in command {
        found.extend(string(text, 0).map(|problem| (field, problem)));
    }
}

fn check_mounts(found: &mut Found, path: &str, function: &Function) {
    let files = function.files.iter();
    let files = files.map(|files| (format!("{path}.files.mountPath"), &files.mount_path));
    let mounts = function.mounts.iter().enumerate();
    let mounts = mounts.map(|(index, mount)| {
        (
            format!("{path}.mounts[{index}].mountPath"),
            &mount.mount_path,
        )
    });
    for (field, mount) in files.chain(mounts) {
        let place = mount.trim_end_matches('/');
        let below = |folder: &str| {
            place
                .strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if MOUNTED.contains(&place) || SYSTEM.into_iter().any(below) {
            found.push((
                field,
                format!("`{mount}` belongs to the system; choose a folder of the app's own, such as /app/config"),
            ));
        }
    }
}

/// What is asked for fits below the limit.
fn check_resources(found: &mut Found, path: &str, resources: &Resources) {
    for (name, request) in &resources.requests {
        let Some(limit) = resources.limits.get(name) else {
            continue;
        };
        let values = quantity::value(request).zip(quantity::value(limit));
        if values.is_some_and(|(request, limit)| request > limit * (1.0 + 1e-9)) {
            found.push((
                format!("{path}.requests.{name}"),
                format!("is {request}, which is more than the limit ({limit}); raise the limit, or ask for less"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::app::App;

    const DIGEST: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    /// An app with one function that has these lines.
    fn app(name: &str, lines: &str) -> String {
        format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  functions:\n  - name: web\n    port: 8080\n{lines}"
        )
    }

    #[test]
    fn what_could_never_run_is_refused_at_publish_and_read_where_it_was_published() {
        let image = format!("    image: r/x@sha256:{DIGEST}\n");
        let huge = "x".repeat(131_072);
        let cases = [
            (
                "    resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 1500m, memory: 1Gi}}\n",
                "requests.cpu: is 2, which is more than the limit (1500m)",
            ),
            (
                "    scale: {min: 1, max: 5, cpu: 70}\n",
                "scale.cpu: is a percentage of the cpu that is requested, and none is",
            ),
            (
                "    scale: {min: 1, max: 5, cpu: 70}\n    resources: {requests: {cpu: 0}}\n",
                "scale.cpu: is a percentage",
            ),
            (
                "    files: {mountPath: /proc, include: [a]}\n",
                "mountPath: `/proc` belongs to the system",
            ),
            (
                "    mounts: [{mountPath: /sys/x/, secret: s}]\n",
                "mountPath: `/sys/x/` belongs to the system",
            ),
            (
                "    mounts: [{mountPath: /etc/hosts, secret: s}]\n",
                "belongs to the system",
            ),
            (
                "    env: [{name: A, value: \"a\\0b\"}]\n",
                "env[0].value: holds a NUL",
            ),
            ("    command: [\"a\\0\"]\n", "command[0]: holds a NUL"),
            (
                "    local: {command: [a, \"\\0\"]}\n",
                "local.command[1]: holds a NUL",
            ),
            (
                &format!("    env: [{{name: A, value: {huge}}}]\n"),
                "env[0].value: has 131075 bytes",
            ),
            (
                "    env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: \"a b\"}}}]\n",
                "secretKeyRef.key: `a b` cannot be a key",
            ),
            (
                "    readinessProbe: {httpGet: {path: \"/a\\nb\", port: 1}}\n",
                "httpGet.path: `/a\\nb` holds a control character",
            ),
        ];
        for (lines, said) in cases {
            let text = app("shop", &format!("{image}{lines}"));
            let error = App::to_publish("app.yaml", text.as_bytes(), &BTreeSet::new());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(said), "{lines:.80}: {error:.300}");
            assert!(App::from_snapshot(text.as_bytes()).is_ok(), "{lines:.80}");
        }
        for lines in [
            "    scale: {min: 1, max: 5, cpu: 70}\n    resources: {limits: {cpu: 1}}\n",
            "    resources: {requests: {cpu: 1}, limits: {cpu: 1000m}}\n",
            "    mounts: [{mountPath: /process, secret: s}, {mountPath: /etc/host, secret: s}]\n",
        ] {
            let text = app("shop", &format!("{image}{lines}"));
            let read = App::to_publish("app.yaml", text.as_bytes(), &BTreeSet::new());
            assert!(read.is_ok(), "{lines}: {read:?}");
        }
    }

    #[test]
    fn an_app_in_a_cluster_does_not_begin_with_a_digit() {
        let (web, none) = ("web".parse().unwrap(), BTreeSet::new());
        let local = app("1shop", "    local: {command: [a]}\n");
        assert!(App::to_publish("app.yaml", local.as_bytes(), &none).is_ok());
        let given = App::to_publish("app.yaml", local.as_bytes(), &[web].into());
        assert!(
            given
                .unwrap_err()
                .to_string()
                .contains("`1shop` begins with a digit")
        );
        let image = app("1shop", &format!("    image: r/x@sha256:{DIGEST}\n"));
        assert!(App::to_publish("app.yaml", image.as_bytes(), &none).is_err());
        assert!(App::from_snapshot(image.as_bytes()).is_ok());
    }
}
