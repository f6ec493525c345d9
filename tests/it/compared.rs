//! `docs/compared.md` names a test for each of its rows, and each of them is there.

use std::path::Path;

use crate::support::tools::checkout;

/// The file in which the test of a row has to be, and its name: `it::publish::name`, or a module of the crate.
fn place(test: &str) -> Option<(String, &str)> {
    let (modules, name) = test.rsplit_once("::")?;
    let root = match modules.split("::").next()? {
        "it" | "e2e" => "tests",
        _ => "src",
    };
    Some((format!("{root}/{}.rs", modules.replace("::", "/")), name))
}

#[test]
fn every_row_has_a_test_that_exists() {
    let page = std::fs::read_to_string(checkout().join("docs/compared.md")).unwrap();
    let mut wrong = Vec::new();
    let mut rows = 0;
    let tables = page.split("\n## ").skip(2);
    for line in tables
        .flat_map(str::lines)
        .filter(|line| line.starts_with('|'))
    {
        if line.starts_with("| there |")
            || line.starts_with("| subtlety |")
            || line.starts_with("|---")
        {
            continue;
        }
        rows += 1;
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<&str> = (last.split('`').skip(1).step_by(2))
            .filter(|word| word.contains("::"))
            .collect();
        if tests.is_empty() {
            wrong.push(format!("no test: {line}"));
        }
        for test in tests {
            let there =
                place(test).is_some_and(|(file, name)| is_test(&checkout().join(file), name));
            if !there {
                wrong.push(format!("not there: {test}"));
            }
        }
    }
    assert!(rows > 60, "the tables are read: {rows}");
    assert!(wrong.is_empty(), "docs/compared.md:\n{}", wrong.join("\n"));
}

/// True where the file has a function of that name right behind the attributes of a test.
fn is_test(file: &Path, name: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let mut marked = false;
    lines.any(|line| {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if line.contains("fn ") {
            let found = marked && line.contains(&format!("fn {name}("));
            marked = false;
            return found;
        }
        false
    })
}
