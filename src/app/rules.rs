//! What no schema says about an app: names that must differ, values that depend on each other, what is reserved.

use std::collections::BTreeMap;

use super::quantity::is_quantity;
use super::spec::{App, EnvVar, Function, Mount, Probe, Scale};

/// Longest pattern of files. What compiles patterns goes as deep as their braces.
const PATTERN_MAX: usize = 256;

/// A path and what is wrong there.
pub(super) type Found = Vec<(String, String)>;

/// All that is wrong, apart from images.
pub(super) fn check(app: &App) -> Found {
    let mut found = Found::new();
    let mut names = BTreeMap::new();
    for (index, function) in app.spec.functions.iter().enumerate() {
        let path = format!("spec.functions[{index}]");
        if let Some(first) = names.insert(&function.name, index) {
            let message = format!(
                "function `{}` is there already, as spec.functions[{first}]; give each its own name",
                function.name
            );
            found.push((format!("{path}.name"), message));
        }
        check_function(&mut found, &path, function);
    }
    found
}

fn check_function(found: &mut Found, path: &str, function: &Function) {
    check_env(found, path, &function.env);
    check_paths(found, path, function);
    for (index, mount) in function.mounts.iter().enumerate() {
        check_mount(found, &format!("{path}.mounts[{index}]"), mount);
    }
    let probes = [
        ("readinessProbe", &function.readiness_probe),
        ("livenessProbe", &function.liveness_probe),
        ("startupProbe", &function.startup_probe),
    ];
    for (name, probe) in probes {
        if let Some(probe) = probe {
            check_probe(
                found,
                &format!("{path}.{name}"),
                probe,
                name == "readinessProbe",
            );
        }
    }
    if let Some(resources) = &function.resources {
        for (kind, values) in [
            ("requests", &resources.requests),
            ("limits", &resources.limits),
        ] {
            for (name, value) in values {
                let path = format!("{path}.resources.{kind}.{name}");
                if !["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) {
                    let message = "is not a resource that an app may ask for; known: cpu, memory, ephemeral-storage";
                    found.push((path, message.to_owned()));
                } else if !is_quantity(value) {
                    let message = format!(
                        "`{value}` is not a Kubernetes quantity; write a number with a suffix, such as 100m, 0.5, 64Mi or 1Gi"
                    );
                    found.push((path, message));
                }
            }
        }
    }
    if let Some(scale) = &function.scale {
        check_scale(found, &format!("{path}.scale"), scale);
    }
}

fn check_env(found: &mut Found, path: &str, env: &[EnvVar]) {
    let mut names = BTreeMap::new();
    for (index, var) in env.iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        let mut fail =
            |field: &str, message: String| found.push((format!("{path}{field}"), message));
        let name = var.name.as_str();
        let first = |c: char| c.is_ascii_alphabetic() || "_-.".contains(c);
        let rest = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !name.starts_with(first) || !name.chars().all(rest) {
            fail(
                ".name",
                format!(
                    "`{name}` is not a name of a variable; use letters, digits, `_`, `-` and `.`, not a digit first"
                ),
            );
        } else if name == "PORT" {
            fail(
                ".name",
                "`PORT` is set from the function's port; remove this variable".to_owned(),
            );
        } else if name.starts_with("CUTWATER_") {
            fail(
                ".name",
                format!(
                    "`{name}` is reserved: variables that begin with CUTWATER_ are set by the system; choose another name"
                ),
            );
        } else if let Some(first) = names.insert(name, index) {
            fail(
                ".name",
                format!("variable `{name}` is there already, as env[{first}]; keep one"),
            );
        }
        match (&var.value, &var.value_from) {
            (Some(_), Some(_)) => {
                fail(
                    ".valueFrom",
                    "is given beside `value`; keep one of the two".to_owned(),
                );
            }
            (None, None) => fail(
                "",
                format!("variable `{name}` has no value; write `value: \"\"` for an empty one"),
            ),
            (None, Some(from)) => match (&from.secret_key_ref, &from.config_map_key_ref) {
                (Some(selector), None) | (None, Some(selector)) => {
                    if !is_object_name(&selector.name) {
                        let kind = if from.secret_key_ref.is_some() {
                            "secretKeyRef"
                        } else {
                            "configMapKeyRef"
                        };
                        fail(
                            &format!(".valueFrom.{kind}.name"),
                            object_name(&selector.name),
                        );
                    }
                }
                _ => fail(
                    ".valueFrom",
                    "must have exactly one of `secretKeyRef` and `configMapKeyRef`".to_owned(),
                ),
            },
            (Some(_), None) => {}
        }
    }
}

fn check_mount(found: &mut Found, path: &str, mount: &Mount) {
    match (&mount.secret, &mount.config_map) {
        (Some(name), None) | (None, Some(name)) => {
            if !is_object_name(name) {
                let kind = if mount.secret.is_some() {
                    "secret"
                } else {
                    "configMap"
                };
                found.push((format!("{path}.{kind}"), object_name(name)));
            }
        }
        _ => found.push((
            path.to_owned(),
            "must have exactly one of `secret` and `configMap`".to_owned(),
        )),
    }
}

/// Mount paths: absolute, plain, and none inside another.
fn check_paths(found: &mut Found, path: &str, function: &Function) {
    let mut mounts: Vec<(String, &str)> = Vec::new();
    if let Some(files) = &function.files {
        mounts.push((format!("{path}.files.mountPath"), &files.mount_path));
        for (index, pattern) in files.include.iter().enumerate() {
            let problem = wrong_with(pattern);
            found.extend(problem.map(|it| (format!("{path}.files.include[{index}]"), it)));
        }
    }
    for (index, mount) in function.mounts.iter().enumerate() {
        mounts.push((
            format!("{path}.mounts[{index}].mountPath"),
            &mount.mount_path,
        ));
    }
    for (index, (field, mount)) in mounts.iter().enumerate() {
        let trimmed = mount.trim_end_matches('/');
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let fine = mount.strip_prefix('/').is_some_and(|_| {
            trimmed.split('/').skip(1).all(plain) && !mount.contains([':', '\0', '\n'])
        });
        if trimmed.is_empty() {
            found.push((
                field.clone(),
                format!(
                    "`{mount}` would hide the whole image; name a folder below it, such as /app"
                ),
            ));
        } else if !fine {
            found.push((field.clone(), format!("`{mount}` is not an absolute path without `..`, `.` and `:`; write it like /app/config")));
        }
        let inside = |a: &str, b: &str| {
            a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
        };
        let clash = mounts[..index].iter().find(|(_, other)| {
            let other = other.trim_end_matches('/');
            inside(trimmed, other) || inside(other, trimmed)
        });
        if let Some((_, other)) = clash {
            found.push((field.clone(), format!("`{mount}` and `{other}` are mounted one inside the other; give each a folder of its own")));
        }
    }
}

/// What is wrong with a pattern of paths in the snapshot.
fn wrong_with(pattern: &str) -> Option<String> {
    if pattern.len() > PATTERN_MAX {
        return Some(format!(
            "has {} bytes; at most {PATTERN_MAX} are allowed in one pattern",
            pattern.len()
        ));
    }
    if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
        return Some(format!(
            "`{pattern}` leaves the app's directory; write a path relative to it, such as public/**"
        ));
    }
    let built = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build();
    built.err().map(|error| {
        format!(
            "`{pattern}` is not a pattern ({}); write one like public/**",
            error.kind()
        )
    })
}

fn check_probe(found: &mut Found, path: &str, probe: &Probe, readiness: bool) {
    let given = [
        probe.http_get.is_some(),
        probe.tcp_socket.is_some(),
        probe.exec.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        1 => {}
        0 => found.push((
            path.to_owned(),
            "does nothing; write one of `httpGet`, `tcpSocket` and `exec`".to_owned(),
        )),
        _ => found.push((
            path.to_owned(),
            "has more than one of `httpGet`, `tcpSocket` and `exec`; keep one".to_owned(),
        )),
    }
    if let Some(get) = &probe.http_get
        && !get.path.starts_with('/')
    {
        let message = format!(
            "`{}` does not start with a slash; write `/{}`",
            get.path, get.path
        );
        found.push((format!("{path}.httpGet.path"), message));
    }
    if !readiness
        && probe
            .success_threshold
            .is_some_and(|successes| successes > 1)
    {
        let message = "must be 1 for liveness and startup probes; remove it";
        found.push((format!("{path}.successThreshold"), message.to_owned()));
    }
}

fn check_scale(found: &mut Found, path: &str, scale: &Scale) {
    let min = scale.min.unwrap_or(1);
    let Some(max) = scale.max else { return };
    if max < min {
        found.push((
            format!("{path}.max"),
            format!("is {max}, which is less than min ({min}); raise it to {min} or more"),
        ));
    } else if max > min && scale.cpu.is_none() {
        let message = format!(
            "is more than min ({min}), which takes an autoscaler; say when it scales with `cpu: 70` (percent of the request)"
        );
        found.push((format!("{path}.max"), message));
    }
}

/// A DNS subdomain, which is what Secrets and the like are called.
fn is_object_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(allowed)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

fn object_name(name: &str) -> String {
    format!("`{name}` cannot be the name of an object; use lower-case letters, digits, `-` and `.`")
}
