use super::*;

const GOOD: &str = "\
# What serves.
apiVersion: cutwater.dev/v1alpha1
kind: Deployment
metadata: {name: checkout, labels: {team: shop}}
spec:
  app: checkout
  repository: shop
  versions:
  - {version: 7, percentage: 85.71}
  - {version: \"g1a2b3c4d\", percentage: 14.29}
  routes:
  - hostnames: [shop.example.com]
    gateway: {name: public}
---
apiVersion: cutwater.dev/v1alpha1
kind: Repository
metadata: {name: shop}
spec: {url: anything}
---
# Nothing here.
---
apiVersion: cutwater.dev/v1alpha1
kind: Alias
metadata: {name: prod, namespace: shop}
spec:
  app: checkout
  repository: shop
  version: v1.4.0
  canary: {version: 9, percentage: 5}
  rollbackWindow: 2h
";

fn errors(text: &str) -> String {
    read("releases/x.yaml", text.as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn several_documents_are_read_each_with_its_place() {
    let releases = read("releases/x.yaml", GOOD.as_bytes()).unwrap();
    let seen: Vec<(Kind, &str, Option<&str>, u64)> = releases
        .iter()
        .map(|r| (r.kind(), r.name(), r.namespace(), r.place.line))
        .collect();
    assert_eq!(
        seen,
        [
            (Kind::Deployment, "checkout", None, 2),
            (Kind::Alias, "prod", Some("shop"), 22)
        ]
    );
    let shares: Vec<String> = releases
        .iter()
        .flat_map(|r| &r.wanted.versions)
        .map(|v| format!("{} {}", v.version, v.percentage))
        .collect();
    assert_eq!(shares, ["v7 85.71", "g1a2b3c4d 14.29", "v1.4.0 95", "v9 5"]);
    assert_eq!(read("x", b"# only a comment\n---\n").unwrap(), []);
}

#[test]
fn each_problem_has_file_line_and_column() {
    for (from, to, expected) in [
        (
            "percentage: 14.29",
            "percentage: 14.3",
            "releases/x.yaml:9:5: spec.versions: the percentages total 100.01",
        ),
        (
            "percentage: 85.71",
            "percentage: 85.714",
            "releases/x.yaml:9:30: spec.versions[0].percentage: `85.714` is not a percentage",
        ),
        (
            "percentage: 85.71",
            "percentage: 85%",
            "releases/x.yaml:9:30: spec.versions[0].percentage: is the text \"85%\"",
        ),
        (
            "version: 7,",
            "version: 7.1,",
            "releases/x.yaml:9:15: spec.versions[0].version: version 7.1 is a float",
        ),
        (
            "version: 7,",
            "version: LATEST,",
            "releases/x.yaml:9:15: spec.versions[0].version: `LATEST` is the tracked branch",
        ),
        (
            "version: 7,",
            "version: g1a2b3c4d,",
            "releases/x.yaml:9:5: spec.versions: version g1a2b3c4d is listed twice",
        ),
        (
            "  repository: shop\n  versions",
            "  repository: shop\n  onLos: hold\n  versions",
            "releases/x.yaml:8:3: spec.onLos: unknown field; did you mean `onLoss`?",
        ),
        (
            "  repository: shop\n  versions",
            "  repository: shop\n  onLoss: drop\n  versions",
            "releases/x.yaml:8:11: spec.onLoss: is `drop`; write `shift` or `hold`",
        ),
        (
            "kind: Alias",
            "kind: Alais",
            "releases/x.yaml:23:7: kind: is `Alais`; write `Deployment` or `Alias`",
        ),
        (
            "kind: Deployment",
            "kind: Deployment\nkind: Alias",
            "releases/x.yaml:4:1: the key `kind` is there twice",
        ),
        (
            "metadata: {name: prod,",
            "metadata: {name: 1prod,",
            "releases/x.yaml:24:18: metadata.name: is `1prod`, which cannot be the name of an alias",
        ),
        (
            "metadata: {name: checkout,",
            "metadata: {name: checkout-v1,",
            "releases/x.yaml:4:18: metadata.name: is `checkout-v1`, which reads like a workload",
        ),
        (
            "rollbackWindow: 2h",
            "rollbackWindow: soon",
            "releases/x.yaml:30:19: spec.rollbackWindow:",
        ),
        (
            "spec:\n  app: checkout\n  repository: shop\n  version: v1",
            "spec:\n  app: Checkout\n  repository: shop\n  version: v1",
            "releases/x.yaml:26:8: spec.app: app name `Checkout` holds 'C'",
        ),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let error = errors(&text);
        assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn all_documents_of_a_file_are_judged() {
    let text = GOOD
        .replacen("percentage: 14.29", "percentage: 14.3", 1)
        .replacen("kind: Alias", "kind: Alais", 1);
    assert_eq!(errors(&text).lines().count(), 2);
    let twice = format!("{GOOD}---\n{GOOD}");
    let error = errors(&twice);
    assert!(
        error.contains("releases/x.yaml:33:1: metadata.name: Deployment `checkout` is in releases/x.yaml:2 already"),
        "{error}"
    );
}

#[test]
fn bombs_and_what_is_no_object_are_refused() {
    let level = |level: usize| match level {
        0 => "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(),
        _ => format!(
            "b{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 9].join(", ")
        ),
    };
    let bomb: Vec<String> = (0..9).map(level).collect();
    let bomb = bomb.concat();
    let error = errors(&bomb);
    assert!(error.contains("too large or too deep"), "{error}");
    for text in ["- x\n", "text", "7"] {
        assert!(errors(text).contains("is no object"), "{text}");
    }
    assert!(errors("a: 1\n").contains("apiVersion: is missing"));
    let other = "apiVersion: apps/v1\nkind: Deployment\n";
    assert!(errors(other).contains("x.yaml:1:13: apiVersion: is `apps/v1`"));
    let error = read("x", b"a: \xff").unwrap_err().to_string();
    assert!(error.starts_with("x:1:4: is not UTF-8"), "{error}");
    assert!(read("x", &vec![b' '; 300_000]).is_err());
}

#[test]
fn two_files_of_one_folder_may_not_hold_one_object() {
    let file = |path: &str| read(path, GOOD.as_bytes());
    let both = Releases::of([file("releases/a.yaml"), file("releases/b.yaml")]);
    assert_eq!((both.list.len(), both.problems.len()), (2, 1));
    assert_eq!(both.problems[0].file, "releases/b.yaml");
    let apart = Releases::of([file("releases/prod/a.yaml"), file("releases/test/a.yaml")]);
    assert_eq!((apart.list.len(), apart.problems.len()), (4, 0));
}

#[test]
fn a_broken_file_concerns_an_app_only_if_it_could_name_it() {
    let app = "checkout".parse().unwrap();
    assert!(may_name(b"app: checkout\n: :", &app));
    assert!(may_name(b"app: \"\\x63heckout\"", &app));
    assert!(may_name(b"\xff", &app));
    assert!(!may_name(b"app: pay\n: :", &app));
}

#[test]
fn words_of_which_there_are_few_are_read_and_others_are_told_which() {
    let file = |lines: &str| {
        format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: a}}\nspec:\n  app: a\n  repository: r\n  versions: [{{version: 1, percentage: 100}}]\n{lines}\n"
        )
    };
    for good in [
        "  onLoss: hold",
        "  override: {mode: none}",
        "  override: {mode: key, header: X-Key, secretRef: {name: preview, key: token}}",
    ] {
        read("r.yaml", file(good).as_bytes()).unwrap();
    }
    for (bad, said) in [
        (
            "  onLoss: drop",
            "r.yaml:8:11: spec.onLoss: is `drop`; write `shift` or `hold`",
        ),
        (
            "  override: {mode: off}",
            "r.yaml:8:20: spec.override.mode: is `off`; write `header` or `key` or `none`",
        ),
    ] {
        let problems = read("r.yaml", file(bad).as_bytes()).unwrap_err();
        assert_eq!(problems.to_string(), said);
    }
}
