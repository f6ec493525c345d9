//! Versions by the thousand: the refs and commits that `cutwater versions publish` makes, by one `git fast-import`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::releases::IMAGE;

/// Fields of the one function of each app, below `image` and `port`.
pub struct Recipe<'a> {
    pub image: &'a str,
    pub fields: &'a str,
}

impl Default for Recipe<'_> {
    fn default() -> Self {
        Self {
            image: IMAGE,
            fields: "scale: {min: 1}",
        }
    }
}

/// The name of the app with that number.
pub fn app(number: usize) -> String {
    format!("app-{number:04}")
}

/// Puts versions of apps into a bare repository. They differ in their tree, as versions do.
pub fn import(remote: &Path, apps: &[String], numbers: &[u32], recipe: &Recipe<'_>) {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(remote)
        .args(["fast-import", "--quiet"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = String::new();
    for app in apps {
        for number in numbers {
            let yaml = format!(
                "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: {app}}}\nspec:\n  functions:\n  - name: web\n    image: {}\n    port: 8080\n    {}\n",
                recipe.image, recipe.fields
            );
            let message = format!(
                "{app} v{number}: measured\n\nCutwater-App: {app}\nCutwater-Version: {number}\nCutwater-Source: cli\n"
            );
            let marker = format!("{number}\n");
            for text in [
                format!("commit refs/tags/{app}/v{number}\nmark :1\n"),
                "author A Tester <tester@example.com> 1700000000 +0000\n".to_owned(),
                "committer A Tester <tester@example.com> 1700000000 +0000\n".to_owned(),
                data(&message),
                format!("M 100644 inline app.yaml\n{}", data(&yaml)),
                format!("M 100644 inline marker\n{}", data(&marker)),
                format!("\nreset refs/cutwater/{app}/last\nfrom :1\n\n"),
            ] {
                stream.push_str(&text);
            }
        }
    }
    stream.push_str("done\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "git fast-import failed");
}

fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}
