//! The first page: `cutwater init`, and the words of the README that it writes.

use std::fs;
use std::path::Path;

use super::super::shop::{Shop, text};
use super::{Standalone, until};
use crate::support::http;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_repository_serves_its_page_as_its_readme_says() {
    let shop = Shop::new();
    let place = shop.dir.path().join("begun");
    shop.ok(&["init", "../begun", "--app", "hello", "--ci", "none"]);
    shop.git(shop.dir.path(), &["init", "-q", "--bare", "begun.git"]);
    shop.git(&place, &["remote", "add", "origin", "../begun.git"]);
    shop.git(&place, &["add", "--all"]);
    shop.git(&place, &["commit", "-qm", "A release repository"]);
    shop.git(&place, &["push", "-qu", "origin", "main"]);
    // "Take the `#` away before `local`", and the commands behind it.
    let app = fs::read_to_string(place.join("apps/hello/app.yaml")).unwrap();
    let app = app.replace("# local: {", "local: {");
    fs::write(place.join("apps/hello/app.yaml"), app).unwrap();
    let readme = fs::read_to_string(place.join("README.md")).unwrap();
    let (_, standalone) = readme.split_once("Or on this machine").unwrap();
    let commands: Vec<&str> = (standalone.lines())
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    let (serve, before) = commands.split_last().unwrap();
    let path = std::env::var("PATH").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_cutwater"));
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let script = before.join("\n").replace("VERSION", "v1");
    let mut shell = shop.sealed("sh", &place);
    let output = shell.args(["-euc", &script]).env("PATH", path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(*serve, "cutwater serve");
    let mut standalone = Standalone::over(shop);
    standalone.more = vec!["-C".to_owned(), place.display().to_string()];
    standalone.source = Some(String::new());
    standalone.start().await;
    assert!(readme.contains("http://hello.localhost:8080"), "{readme}");
    let gateway = standalone.gateway.to_string();
    let page = until("the page is served", async || {
        let answer = http::get(&gateway, "hello.localhost:8080", "/", &[]).await;
        answer.ok().filter(|answer| answer.status == 200)
    })
    .await;
    assert!(page.body.contains("This is hello"), "{}", page.body);
}
