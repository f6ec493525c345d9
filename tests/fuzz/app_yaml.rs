//! `app.yaml` and `cutwater.yaml`: any bytes are an app, or settings, or problems that can be shown.
//!
//! An app that is complete is complete wherever it is read, holds nothing that a version may not hold, and takes an image
//! with not one other byte changed.

use std::collections::BTreeSet;

use cutwater::app::{App, check_image, set_image};
use cutwater::settings::Settings;
use cutwater::yaml::Problems;

/// Longest list of problems as text.
const MESSAGE_MAX: usize = 128 * 1024;
const IMAGE: &str = "r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111";

pub fn check(data: &[u8]) {
    let none = BTreeSet::new();
    let branch = App::from_branch("apps/x/app.yaml", data);
    let published = App::to_publish("apps/x/app.yaml", data, &none);
    let snapshot = App::from_snapshot(data);
    for problems in [&branch, &published, &snapshot]
        .into_iter()
        .filter_map(|read| read.as_ref().err())
    {
        shown(problems);
    }
    match (&published, &snapshot) {
        (Ok(published), Ok(snapshot)) => {
            assert_eq!(published, snapshot);
            assert_eq!(branch.as_ref().ok(), Some(snapshot));
        }
        (Err(_), Err(_)) => {}
        other => panic!("what is published can be read, and the other way round: {other:?}"),
    }
    if let Ok(app) = &snapshot {
        complete(app);
    }
    match Settings::read(data) {
        Ok(settings) => {
            let text = serde_json::to_vec(&settings).unwrap();
            assert_eq!(Settings::read(&text).unwrap(), settings);
        }
        Err(problems) => shown(&problems),
    }
    if let Ok(app) = branch {
        edits(data, &app);
    }
}

fn complete(app: &App) {
    let mut names = BTreeSet::new();
    assert!(!app.spec.functions.is_empty());
    for function in &app.spec.functions {
        assert!(
            names.insert(&function.name),
            "{} is there twice",
            function.name
        );
        assert!(function.port > 0);
        check_image(function.image.as_deref().unwrap()).unwrap();
        assert!(function.min() <= function.max());
        for var in &function.env {
            assert!(!var.name.starts_with("CUTWATER_") && var.name != "PORT");
        }
        for pattern in function.files.iter().flat_map(|files| &files.include) {
            assert!(!pattern.starts_with('/') && !pattern.contains("../"));
        }
    }
    let text = serde_json::to_string(app).unwrap();
    let again: App = serde_json::from_str(&text).unwrap();
    assert_eq!(again, *app, "a record holds what was read");
}

/// An image can be set for every function that is there, or that is said to be impossible.
fn edits(data: &[u8], app: &App) {
    let given: BTreeSet<_> = app
        .spec
        .functions
        .iter()
        .map(|function| function.name.clone())
        .collect();
    for function in &app.spec.functions {
        let Ok(edited) = set_image(data, &function.name, IMAGE) else {
            continue;
        };
        let read = App::to_publish("app.yaml", &edited, &given).unwrap();
        for (before, after) in app.spec.functions.iter().zip(&read.spec.functions) {
            if before.name == function.name {
                assert_eq!(after.image.as_deref(), Some(IMAGE));
            }
            let mut after = after.clone();
            after.image.clone_from(&before.image);
            assert!(after == *before, "only that image changes");
        }
    }
}

/// For a terminal, a status and an event: bounded, with no control character but the ends of lines.
fn shown(problems: &Problems) {
    assert!(!problems.list.is_empty());
    let text = problems.to_string();
    assert!(text.len() <= MESSAGE_MAX, "{}", text.len());
    assert!(text.lines().count() <= problems.list.len(), "{text}");
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
}
