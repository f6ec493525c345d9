//! `cutwater init`: what it writes is taken by our own readers, by the API server and by git, and nothing is overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::crds::would_create;
use super::shop::{Shop, digest, text};
use crate::support::{ApiServer, User};

/// All files below a directory, by their paths from there; those of git left out.
fn files(root: &Path) -> Vec<String> {
    fn below(root: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                if path != root.join(".git") {
                    below(root, &path, found);
                }
            } else {
                let path = path.strip_prefix(root).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    below(root, root, &mut found);
    found.sort();
    found
}

const ALL: [&str; 10] = [
    ".forgejo/workflows/publish.yaml",
    ".github/workflows/publish.yaml",
    ".gitlab-ci.yml",
    "README.md",
    "apps/hello/app.yaml",
    "apps/hello/index.html",
    "ci/publish.sh",
    "cluster/repository.yaml",
    "cutwater.yaml",
    "releases/hello.yaml",
];

/// A directory, in the sealed environment of a shop.
fn place() -> (Shop, PathBuf) {
    let shop = Shop::new();
    let place = shop.dir.path().join("begun");
    (shop, place)
}

#[test]
fn from_nothing_to_a_published_version_as_its_readme_says() {
    let (shop, place) = place();
    let said = shop.ok(&["init", "../begun", "--app", "hello"]);
    assert_eq!(files(&place), ALL);
    for path in ALL {
        assert!(said.contains(&format!("wrote {path}\n")), "{said}");
    }
    let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode();
    assert_eq!(mode("ci/publish.sh") & 0o100, 0o100);
    assert_eq!(mode("README.md") & 0o111, 0);
    let readme = fs::read_to_string(place.join("README.md")).unwrap();
    // The commands of the README, with what a person fills in.
    shop.git(shop.dir.path(), &["init", "-q", "--bare", "begun.git"]);
    let image = digest("7");
    let image = image.split_once('@').unwrap();
    let commands: String = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .take_while(|line| !line.starts_with("kubectl "))
        .map(|line| {
            line.replace("URL", "../begun.git")
                .replace("IMAGE@sha256:DIGEST", &format!("{}@{}", image.0, image.1))
                + "\n"
        })
        .collect();
    assert_eq!(commands.lines().count(), 3, "{commands}");
    let program = Path::new(env!("CARGO_BIN_EXE_cutwater"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let run = |script: &str| {
        let mut sh = shop.sealed("sh", &place);
        let output = sh.args(["-euc", script]).env("PATH", &path).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let printed = run(&commands);
    assert!(printed.contains("published hello v1 (g"), "{printed}");
    assert_eq!(shop.git(&place, &["status", "--porcelain"]), "");
    assert_eq!(shop.git(&place, &["branch", "--show-current"]), "main\n");

    // The pipelines' program: what is there is unchanged, and an author is known though git was told none.
    run(&format!(
        "sed -i 's|# image:.*|image: {}|' apps/hello/app.yaml; git commit -qam 'Pin the image'",
        digest("8")
    ));
    let printed = run(
        "unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL; ci/publish.sh; \
         BASE=0000000000000000000000000000000000000000 ci/publish.sh",
    );
    assert!(
        printed.starts_with("published hello v2 (g") && printed.contains("\nunchanged hello v2"),
        "{printed}"
    );
    let printed = run(
        "echo changed > apps/hello/index.html; git commit -qam 'Another page'; BASE=HEAD~1 ci/publish.sh",
    );
    assert!(printed.starts_with("published hello v3 (g"), "{printed}");
}

#[test]
fn the_pipelines_program_publishes_all_apps_from_the_folder_that_the_settings_name() {
    let (shop, place) = place();
    shop.ok(&["init", "../begun", "--app", "hello"]);
    shop.git(shop.dir.path(), &["init", "-q", "--bare", "begun.git"]);
    let program = Path::new(env!("CARGO_BIN_EXE_cutwater"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    // `broken` comes first and has no image.
    let script = format!(
        "mkdir services; mv apps/hello services/hello; sed -i 's|^apps:.*|apps: services|' cutwater.yaml
        mkdir services/broken; sed 's/name: hello/name: broken/' services/hello/app.yaml > services/broken/app.yaml
        sed -i 's|# image:.*|image: {}|' services/hello/app.yaml
        git add --all; git commit -qm 'Two apps'; git remote add origin ../begun.git; ci/publish.sh",
        digest("7")
    );
    let mut sh = shop.sealed("sh", &place);
    let output = sh.args(["-euc", &script]).env("PATH", &path).output();
    let output = output.unwrap();
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{error}");
    assert!(said.starts_with("published hello v1 (g"), "{said}{error}");
    assert!(error.contains("broken"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_the_resources_also_the_alias_that_is_commented_out() {
    let (shop, place) = place();
    shop.ok(&["init", "../begun", "--app", "hello"]);
    let server = ApiServer::shared();
    let client = server.client(User::Admin).await;
    let namespace = server.namespace("begun");
    let releases = fs::read_to_string(place.join("releases/hello.yaml")).unwrap();
    let (release, alias) = releases.split_once("uncomment what is below.\n").unwrap();
    let alias = alias
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line));
    let alias: String = alias.map(|line| format!("{line}\n")).collect();
    let uncommented = format!("{release}\n{alias}");
    let repository = fs::read_to_string(place.join("cluster/repository.yaml")).unwrap();
    let mut kinds = Vec::new();
    for text in [releases.as_str(), &uncommented, &repository] {
        // And why it stands there.
        assert!(text.contains("# matchLabels: not used by cutwater.dev\n# (`helm lint` "));
        for document in serde_yaml::Deserializer::from_str(text) {
            let object: Json = serde::Deserialize::deserialize(document).unwrap();
            kinds.push(object["kind"].as_str().unwrap().to_owned());
            would_create(&client, &namespace, object).await.unwrap();
        }
    }
    assert_eq!(kinds, ["Deployment", "Deployment", "Alias", "Repository"]);
}

#[test]
fn the_pipelines_are_yaml_and_call_the_program_with_the_whole_history() {
    let (shop, place) = place();
    shop.ok(&["init", "../begun"]);
    let read = |path: &str| -> Json {
        serde_yaml::from_str(&fs::read_to_string(place.join(path)).unwrap()).unwrap()
    };
    for forge in ["github", "forgejo"] {
        let workflow = read(&format!(".{forge}/workflows/publish.yaml"));
        assert_eq!(
            workflow["on"]["push"]["branches"],
            serde_json::json!(["main"])
        );
        let steps = workflow["jobs"]["publish"]["steps"].as_array().unwrap();
        assert_eq!(steps[0]["with"]["fetch-depth"], 0, "{forge}");
        let last = steps.last().unwrap();
        assert_eq!(last["run"], "ci/publish.sh");
        assert_eq!(last["env"]["BASE"], "${{ github.event.before }}");
    }
    assert_eq!(
        read(".github/workflows/publish.yaml")["permissions"]["contents"],
        "write"
    );
    let job = &read(".gitlab-ci.yml")["publish"];
    assert_eq!(job["variables"]["GIT_DEPTH"], 0);
    assert_eq!(job["variables"]["BASE"], "$CI_COMMIT_BEFORE_SHA");
    let script = job["script"].as_array().unwrap();
    assert_eq!(script.last().unwrap(), "ci/publish.sh");
}

#[test]
fn without_the_program_the_pipeline_says_which_variable_is_missing() {
    let (shop, place) = place();
    shop.ok(&["init", "../begun", "--ci", "gitlab"]);
    assert_eq!(files(&place).len(), ALL.len() - 2);
    let output = shop
        .sealed("sh", &place)
        .arg("ci/publish.sh")
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("CUTWATER_GIT: set this variable"), "{said}");
}

#[test]
fn a_file_that_is_there_is_named_and_nothing_is_written() {
    let (shop, place) = place();
    fs::create_dir_all(place.join("apps/hello")).unwrap();
    fs::write(place.join("README.md"), "mine").unwrap();
    fs::write(place.join("apps/hello/app.yaml"), "mine too").unwrap();
    let said = shop.refused(&["init", "../begun"]);
    assert!(
        said.contains("nothing was written: README.md, apps/hello/app.yaml are there already")
            && said.contains("--keep"),
        "{said}"
    );
    assert_eq!(files(&place), ["README.md", "apps/hello/app.yaml"]);
    assert!(!place.join(".git").exists());
    let kept = shop.ok(&["init", "../begun", "--keep"]);
    assert!(kept.contains("kept README.md\n"), "{kept}");
    assert_eq!(files(&place), ALL);
    assert_eq!(fs::read_to_string(place.join("README.md")).unwrap(), "mine");
    // A second run is refused as well, and changes nothing.
    shop.refused(&["init", "../begun"]);
}

#[test]
fn an_app_that_is_added_brings_no_pipelines_that_nobody_chose() {
    for ci in ["none", "gitlab", "github,forgejo"] {
        let (shop, place) = place();
        shop.ok(&["init", "../begun", "--ci", ci]);
        let before = files(&place).len();
        shop.ok(&["init", "../begun", "--app", "pay", "--keep"]);
        // Its app.yaml, its page and its Deployment.
        assert_eq!(files(&place).len(), before + 3, "{ci}");
        shop.ok(&[
            "init", "../begun", "--app", "pay", "--keep", "--ci", "gitlab",
        ]);
        assert!(place.join(".gitlab-ci.yml").exists(), "{ci}");
    }
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let (shop, place) = place();
    fs::create_dir(&place).unwrap();
    let outside = TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), place.join("apps")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.join("cutwater.yaml")).unwrap();
    let said = shop.refused(&["init", "../begun"]);
    assert!(
        said.contains("apps/hello/app.yaml, apps/hello/index.html, cutwater.yaml are there"),
        "{said}"
    );
    shop.ok(&["init", "../begun", "--keep"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!place.join("nowhere").exists());
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    let (shop, place) = place();
    let said = shop.ok(&["init", "../begun", "--dry-run"]);
    assert!(
        said.contains("would make a git repository in ") && said.contains("would write README.md")
    );
    assert!(!place.exists());
}

#[test]
fn what_was_begun_is_taken_away_when_a_file_cannot_be_written() {
    let (shop, place) = place();
    // The system refuses the second kilobyte of a file: the README has more.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} init ../begun --ci none",
        env!("CARGO_BIN_EXE_cutwater")
    );
    let mut bash = shop.sealed("bash", &shop.clone_dir());
    let output = bash.args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("begun/README.md: File too large"), "{said}");
    assert!(!place.exists());
}

#[test]
fn it_begins_in_a_repository_that_is_there_and_only_at_its_root() {
    let (shop, place) = place();
    shop.git(shop.dir.path(), &["init", "-q", "-b", "trunk", "begun"]);
    fs::create_dir(place.join("deep")).unwrap();
    let said = shop.refused(&["init", "../begun/deep"]);
    assert!(said.contains("is inside the git repository"), "{said}");
    let said = shop.refused(&["init", "../begun/deep/and/new"]);
    assert!(said.contains("is inside the git repository"), "{said}");
    assert_eq!(files(&place), [""; 0]);
    let mut at_root = shop.command_in(&place, &["init", "--json"]);
    let begun: Json = serde_json::from_slice(&at_root.output().unwrap().stdout).unwrap();
    assert_eq!(
        (&begun["madeRepository"], &begun["branch"]),
        (&false.into(), &"trunk".into())
    );
    let settings = fs::read_to_string(place.join("cutwater.yaml")).unwrap();
    assert!(settings.contains("branch: \"trunk\""), "{settings}");
    let said = shop.refused(&["init", "../remote.git"]);
    assert!(said.contains("is a bare repository"), "{said}");
    let said = shop.refused(&["init", "apps/checkout/app.yaml"]);
    assert!(said.contains("is a file"), "{said}");
    for args in [
        &["init", "--app", "v1"][..],
        &["init", "--ci", "none,github"],
    ] {
        assert_eq!(shop.run(args).status.code(), Some(2), "{args:?}");
    }
}
