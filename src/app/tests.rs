//! Every way in which an `app.yaml` can be wrong, with the line and column that a person is sent to.

use std::fmt::Write;

use super::*;

const GOOD: &str = "\
apiVersion: cutwater.dev/v1alpha1
kind: App
metadata: {name: checkout}
spec:
  functions:
  - name: web
    image: ghcr.io/acme/checkout@sha256:1111111111111111111111111111111111111111111111111111111111111111
    command: [/bin/checkout]
    port: 8080
    env:
    - {name: LOG_LEVEL, value: info}
    - {name: DB_URL, valueFrom: {secretKeyRef: {name: checkout-db, key: url}}}
    files: {mountPath: /app, include: [public/**]}
    mounts:
    - {mountPath: /etc/keys, secret: keys}
    readinessProbe: {httpGet: {path: /ready, port: 8080}}
    resources: {requests: {cpu: 100m, memory: 64Mi}}
    scale: {min: 2, max: 10, cpu: 70}
    terminationGracePeriodSeconds: 30
    local: {command: [python3, server.py]}
";

/// The good file with lines replaced; each pair is a piece and what stands there instead.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn the_example_is_read_and_its_json_schema_knows_every_field() {
    let app = App::from_snapshot(GOOD.as_bytes()).unwrap();
    assert_eq!(app.spec.functions[0].port, 8080);
    assert_eq!(app.spec.functions[0].max(), 10);
    let json = serde_json::to_string(json_schema()).unwrap();
    assert!(json.contains("terminationGracePeriodSeconds"));
}

#[test]
fn an_image_may_be_absent_in_the_branch_or_given_at_publish_but_not_in_a_snapshot() {
    let cluster = |line: &&str| !line.contains("image:") && !line.contains("local:");
    let text = GOOD.lines().filter(cluster).collect::<Vec<_>>().join("\n");
    let web = "web".parse().unwrap();
    assert!(App::from_branch("app.yaml", text.as_bytes()).is_ok());
    assert!(App::to_publish("app.yaml", text.as_bytes(), &[web].into()).is_ok());
    let error = App::from_snapshot(text.as_bytes()).unwrap_err();
    assert!(
        error.to_string().contains("give that of `web` at publish"),
        "{error}"
    );
}

#[test]
fn a_function_that_runs_without_a_cluster_needs_no_image() {
    let text = GOOD.lines().filter(|line| !line.contains("image:"));
    let text = text.collect::<Vec<_>>().join("\n");
    assert!(App::from_snapshot(text.as_bytes()).is_ok());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_problem_has_its_line_column_and_remedy() {
    let nine: String = (0..9).fold(String::new(), |mut all, n| {
        writeln!(
            all,
            "  - {{name: f{n}, port: 1, image: \"r/x@sha256:{}\"}}",
            "2".repeat(64)
        )
        .unwrap();
        all
    });
    let many = format!("{}{nine}", with(&[]).split("  - name").next().unwrap());
    let twice = format!(
        "{GOOD}  - {{name: web, port: 81, image: \"r/x@sha256:{}\"}}\n",
        "2".repeat(64)
    );
    let pinned = "@sha256:1111111111111111111111111111111111111111111111111111111111111111";
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "unknown fields",
            with(&[
                ("port: 8080", "prot: 8080"),
                ("command: [/b", "comand: [/b"),
                ("kind:", "extra: 1\nkind:"),
            ])
            .into(),
        ),
        (
            "wrong constants",
            with(&[("v1alpha1", "v1"), ("App\n", "Worker\n")]).into(),
        ),
        ("unpinned image", with(&[(pinned, ":latest")]).into()),
        ("short digest", with(&[(pinned, "@sha256:abc")]).into()),
        (
            "bad port",
            with(&[
                ("port: 8080\n", "port: 70000\n"),
                ("port: 8080}", "port: 0}"),
            ])
            .into(),
        ),
        (
            "port as text",
            with(&[("port: 8080\n", "port: \"8080\"\n")]).into(),
        ),
        (
            "number as text",
            with(&[("value: info", "value: 8080")]).into(),
        ),
        ("yes as text", with(&[("value: info", "value: yes")]).into()),
        ("duplicate function", twice.into()),
        ("nine functions", many.into()),
        (
            "no functions",
            with(&[])
                .split("  functions")
                .next()
                .unwrap()
                .replace("spec:", "spec: {functions: []}")
                .into(),
        ),
        (
            "bad names",
            with(&[
                ("checkout}", "Check_out}"),
                ("- name: web", "- name: web-v1"),
            ])
            .into(),
        ),
        (
            "reserved variables",
            with(&[("LOG_LEVEL", "PORT"), ("DB_URL", "CUTWATER_X")]).into(),
        ),
        (
            "value and valueFrom",
            with(&[("{name: DB_URL,", "{name: DB_URL, value: x,")]).into(),
        ),
        (
            "variable without value",
            with(&[(", value: info", "")]).into(),
        ),
        ("variable twice", with(&[("DB_URL", "LOG_LEVEL")]).into()),
        (
            "probe without action",
            with(&[(
                "{httpGet: {path: /ready, port: 8080}}",
                "{periodSeconds: 5}",
            )])
            .into(),
        ),
        (
            "probe with two actions",
            with(&[("{httpGet:", "{tcpSocket: {port: 1}, httpGet:")]).into(),
        ),
        (
            "probe path",
            with(&[("path: /ready", "path: ready")]).into(),
        ),
        ("max below min", with(&[("max: 10", "max: 1")]).into()),
        ("scale without cpu", with(&[(", cpu: 70", "")]).into()),
        (
            "paths",
            with(&[
                ("mountPath: /app", "mountPath: app"),
                ("mountPath: /etc/keys", "mountPath: /etc/../keys"),
            ])
            .into(),
        ),
        (
            "paths one inside the other",
            with(&[("mountPath: /etc/keys", "mountPath: /app/keys")]).into(),
        ),
        (
            "root path and patterns",
            with(&[
                ("mountPath: /app", "mountPath: /"),
                ("[public/**]", "[../x, \"a[\", /abs]"),
            ])
            .into(),
        ),
        ("grace", with(&[("Seconds: 30", "Seconds: 3601")]).into()),
        (
            "resources",
            with(&[
                ("cpu: 100m", "cpu: 0.5, gpu: 1, ephemeral-storage: 1000"),
                ("memory: 64Mi", "memory: 64mb"),
            ])
            .into(),
        ),
        ("mount of nothing", with(&[(", secret: keys", "")]).into()),
        (
            "object name",
            with(&[("secret: keys", "secret: My_Keys")]).into(),
        ),
        (
            "list expected",
            with(&[("[/bin/checkout]", "/bin/checkout")]).into(),
        ),
        ("empty field", with(&[("port: 8080\n", "port:\n")]).into()),
        (
            "duplicate key",
            with(&[("    port: 8080\n", "    port: 8080\n    port: 8081\n")]).into(),
        ),
        ("two documents", format!("{GOOD}---\n{GOOD}").into()),
        (
            "not YAML",
            with(&[("[/bin/checkout]", "[/bin/checkout")]).into(),
        ),
        (
            "tab",
            with(&[("    port: 8080\n", "\tport: 8080\n")]).into(),
        ),
        (
            "not UTF-8",
            [with(&[]).as_bytes().split_at(60).0, &[0xff], b"\n"].concat(),
        ),
        ("empty", Vec::new()),
        ("a text", b"hello\n".to_vec()),
        ("alias bomb", bomb.into()),
        ("deep nesting", "[".repeat(5000).into()),
        ("too large", vec![b'#'; 300 * 1024]),
    ];
    let mut report = String::new();
    for (name, bytes) in cases {
        let problems = match App::from_snapshot(&bytes) {
            Err(problems) => problems.to_string(),
            Ok(_) => "READ WITHOUT A WORD".to_owned(),
        };
        writeln!(report, "{name}\n  {}\n", problems.replace('\n', "\n  ")).unwrap();
    }
    insta::assert_snapshot!(report);
}
