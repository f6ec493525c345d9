//! The manual is complete and as the program is: a man page for each command, and `docs/cli.md`.

use std::process::Command;

use super::shop::{Shop, text};
use crate::support::tools::checkout;

#[test]
fn each_command_has_a_man_page_that_groff_reads_without_a_warning() {
    let shop = Shop::new();
    let folder = shop.dir.path().join("man");
    let files = shop.ok(&["man", "--output", folder.to_str().unwrap()]);
    for (words, _) in cutwater::cli::commands() {
        let page = folder.join(format!("cutwater-{}.1", words.replace(' ', "-")));
        assert!(files.contains(page.to_str().unwrap()), "{words}: {files}");
        let printed = shop.ok(&[&["man"][..], &words.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!(
            std::fs::read_to_string(&page).unwrap().trim_end(),
            printed.trim_end()
        );
        assert!(printed.contains(".SH SYNOPSIS"), "{words}");
    }
    let pages: Vec<&str> = files.lines().collect();
    assert!(pages.iter().any(|page| page.ends_with("/cutwater.1")));
    let groff = Command::new("groff")
        .args(["-man", "-ww", "-z", "-Tutf8", "-K", "utf8"])
        .args(&pages)
        .output();
    match groff {
        Ok(output) => assert_eq!(text(&output.stderr), ""),
        Err(_) => eprintln!("not checked by groff, which is not here (apt-get install groff)"),
    }
}

#[test]
fn a_command_that_is_not_there_has_no_page() {
    let output = Shop::new().run(&["man", "versions", "nope"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no command `cutwater versions nope`"));
}

#[test]
fn the_reference_of_the_command_line_is_what_the_program_says() {
    let made = Shop::new().ok(&["man", "--markdown"]);
    let page = std::fs::read_to_string(checkout().join("docs/cli.md")).unwrap();
    assert_eq!(
        page.trim_end(),
        made.trim_end(),
        "docs/cli.md is stale; `make generate` writes it"
    );
    for (words, _) in cutwater::cli::commands() {
        assert!(
            page.contains(&format!("## `cutwater {words}`\n")),
            "{words}"
        );
    }
}

#[test]
fn usage_shows_each_word_once_and_under_the_name_that_was_typed() {
    let shop = Shop::new();
    let usage = "cutwater versions label [OPTIONS] [APP] VERSION LABEL";
    let help = shop.ok(&["versions", "label", "--help"]);
    assert!(help.contains(&format!("Usage: {usage}\n")), "{help}");
    assert!(!help.contains("<[APP] VERSION LABEL> <"), "{help}");
    let page = shop.ok(&["man", "--markdown"]);
    assert!(page.contains(&format!("\n{usage}\n")));
    assert!(page.contains("\ncutwater versions delete [OPTIONS] [APP] VERSION...\n"));
    let man = shop.ok(&["man", "versions", "label"]);
    let synopsis = man.split(".SH").find(|part| part.starts_with(" SYNOPSIS"));
    let synopsis = synopsis.unwrap().replace("\\fR", "").replace("\\fB", "");
    assert!(
        synopsis.contains("[OPTIONS] [APP] VERSION LABEL"),
        "{synopsis}"
    );
    // As a plugin of kubectl.
    let plugin = shop.dir.path().join("kubectl-cutwater");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cutwater"), &plugin).unwrap();
    let mut plugin = shop.sealed(plugin.to_str().unwrap(), &shop.clone_dir());
    let help = plugin.args(["versions", "label", "--help"]).output();
    let help = text(&help.unwrap().stdout);
    assert!(
        help.contains(&format!("Usage: kubectl {usage}\n")),
        "{help}"
    );
}

#[test]
fn prose_behind_examples_is_no_text_to_type_and_no_default_is_empty() {
    let page = Shop::new().ok(&["man", "--markdown"]);
    let prose = "\n```\n\nLIVE says who uses a version";
    assert!(page.contains(prose), "{page}");
    assert!(!page.contains("``."), "{page}");
    assert!(!page.contains("Default ``"), "{page}");
}
