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
    let releases = read("releases/x.yaml", GOOD.as_bytes()).unwrap().releases;
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
    let nothing = read("x", b"# only a comment\n---\n").unwrap();
    assert_eq!(nothing, Content::default());
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
            "percentage: 14.29",
            "percentage: 014.29",
            "releases/x.yaml:10:",
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
            "<<<<<<< HEAD\nkind: Alias\n=======\nkind: Deployment\n>>>>>>> theirs",
            "releases/x.yaml:23:1: holds the conflict markers of a merge",
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
    for text in ["text", "7"] {
        assert!(errors(text).contains("is no object"), "{text}");
    }
    let error = read("x", b"a: \xff").unwrap_err().to_string();
    assert!(error.starts_with("x:1:4: is not UTF-8"), "{error}");
    assert!(read("x", &vec![b' '; 300_000]).is_err());
}

#[test]
fn objects_of_others_are_left_aside_and_what_may_be_ours_is_not() {
    for (text, what) in [
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [checkout.yaml]\n",
            "`Kustomization` of `kustomize.config.k8s.io/v1beta1`, which is no object of cutwater.dev, is left aside",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata: {app: checkout}\n",
            "`ConfigMap` of `v1`",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nspec: {app: checkout}\n",
            "`Deployment` of `apps/v1`",
        ),
        ("resources: [checkout.yaml]\n", "no Kubernetes object"),
        (
            "- {op: replace, path: /spec/app, value: checkout}\n",
            "no Kubernetes object",
        ),
        ("{\"name\": \"checkout\"}", "no Kubernetes object"),
        (
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: checkout}}]\n",
            "`List` of `v1`",
        ),
    ] {
        let content = read("releases/x.yaml", text.as_bytes()).unwrap();
        assert_eq!(content.releases, [], "{text}");
        let [aside] = content.aside.as_slice() else {
            panic!("{:?}", content.aside);
        };
        assert!(
            aside.starts_with("releases/x.yaml:1: ") && aside.contains(what),
            "{aside}"
        );
        // Ours beside it count all the same.
        let content = read("x", format!("{text}\n---\n{GOOD}").as_bytes()).unwrap();
        assert_eq!(
            (content.releases.len(), content.aside.len()),
            (2, 1),
            "{text}"
        );
    }
    for (text, problem) in [
        (
            "kind: Deployment\nmetadata: {name: a}\n",
            "apiVersion: is missing",
        ),
        (
            "metadata: {name: a}\nspec: {app: a}\n",
            "apiVersion: is missing",
        ),
        ("app: a\nversions: []\n", "apiVersion: is missing"),
        (
            "apiVersion: cutwater.dev/v1\nkind: Alias\n",
            "is `cutwater.dev/v1`; write `cutwater.dev/v1alpha1`",
        ),
        (
            "apiVersion: cutwatr.dev/v1alpha1\nkind: Deployment\n",
            "is `cutwatr.dev/v1alpha1`; write `cutwater.dev/v1alpha1`",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nspec: {app: a, repository: r, versions: []}\n",
            "is `apps/v1`; write `cutwater.dev/v1alpha1`",
        ),
        (
            "apiVersion: Cutwater.dev/v1alpha1\nkind: Alias\n",
            "is `Cutwater.dev/v1alpha1`; write",
        ),
        (
            "apiVersion: cutwater/v1alpha1\nkind: Alias\n",
            "is `cutwater/v1alpha1`; write",
        ),
        ("apiVersion: 1\nkind: Alias\n", "apiVersion: is missing"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: cutwater.dev/v1alpha1, kind: Alias}\n",
            "kind: is a list; write each of its items as a document of its own",
        ),
        (
            "- {apiVersion: cutwater.dev/v1alpha1, kind: Alias}\n",
            "is no object",
        ),
    ] {
        assert!(errors(text).contains(problem), "{text}: {}", errors(text));
    }
}

#[test]
fn files_are_read_by_their_names() {
    for (path, read) in [
        ("a.yaml", true),
        ("b/a.yml", true),
        ("a.json", true),
        ("a.YAML", true),
        ("a.Json", true),
        ("a.yaml.bak", false),
        ("README.md", false),
        ("yaml", false),
    ] {
        assert_eq!(is_read(path), read, "{path}");
    }
}

#[test]
fn a_file_whose_ending_is_one_letter_off_is_nearly_read() {
    for (path, nearly) in [
        ("a.yamll", true),
        ("a.ymal", true),
        ("b/a.YAM", true),
        ("a.yl", true),
        ("a.yaml~", false),
        ("a.yaml.bak", false),
        ("a.txt", false),
        ("a.xml", false),
        ("yamll", false),
    ] {
        assert_eq!(is_nearly_read(path), nearly, "{path}");
    }
    let said = misnamed("releases/a.yamll", GOOD.as_bytes()).unwrap();
    assert!(said.contains("rename it to end in `.yaml`"), "{said}");
    assert_eq!(misnamed("releases/a.xml", b"<project/>"), None);
}

#[test]
fn two_files_of_one_folder_may_not_hold_one_object() {
    let file = |path: &str| read(path, GOOD.as_bytes()).map(|content| content.releases);
    let both = Releases::of([file("releases/a.yaml"), file("releases/b.yaml")]);
    assert_eq!((both.list.len(), both.problems.len()), (4, 1));
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
        assert!(read("r.yaml", file(good).as_bytes()).is_ok());
    }
    for (bad, said) in [
        (
            "  onLoss: drop",
            "r.yaml:8:11: spec.onLoss: is `drop`; write `shift` or `hold`",
        ),
        (
            "  override: {mode: nobody}",
            "r.yaml:8:20: spec.override.mode: is `nobody`; write `header` or `key` or `none`",
        ),
    ] {
        let problems = read("r.yaml", file(bad).as_bytes()).unwrap_err();
        assert_eq!(problems.to_string(), said);
    }
}
