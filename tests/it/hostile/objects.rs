use std::fs;
use std::path::{Path, PathBuf};

use super::{Hostile, app_with_files, bounded, checkout, refused, resolve};

const UNREADABLE: &str = "SnapshotUnreadable";

fn place(dir: &Path, oid: &str) -> PathBuf {
    dir.join("objects").join(&oid[..2]).join(&oid[2..])
}

/// Writes over a loose object, which is read-only; `None` takes it away. What was there is given back.
fn overwrite(path: &Path, content: Option<&[u8]>) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    if let Some(content) = content {
        fs::write(path, content).unwrap();
    }
    before
}

#[test]
fn a_missing_or_damaged_object_is_said_with_its_version_and_read_again_when_it_is_back() {
    bounded(|| {
        let hostile = Hostile::new();
        let remote = hostile.remote();
        let app = hostile.blob(app_with_files());
        let file = hostile.blob("a file of the version ".repeat(100));
        let folder = hostile.tree(&[("100644", b"x", &file)]);
        let tree = hostile.tree(&[("100644", b"app.yaml", &app), ("40000", b"public", &folder)]);
        hostile.version(2, &tree);
        let commit = hostile.shop.rev(&remote, "checkout/v2");
        drop(hostile.mirror());
        let first = hostile.shop.rev(&remote, "checkout/v1");
        // A mirror remembers what it read; each case opens it anew, and goes on after the repair.
        for oid in [&commit, &tree, &app, &folder, &file] {
            let path = place(&hostile.mirror_dir(), oid);
            let whole = fs::read(&path).unwrap();
            let other = fs::read(place(&hostile.mirror_dir(), &first)).unwrap();
            let damages: [Option<&[u8]>; 6] = [
                None,
                Some(b""),
                Some(&whole[..whole.len() - 9]),
                Some(&whole[..whole.len() / 2]),
                Some(b"not an object at all"),
                Some(&other),
            ];
            for damage in damages {
                overwrite(&path, damage);
                let mirror = hostile.open();
                refused(&mirror, "v2", UNREADABLE, &["v2"]);
                assert!(
                    resolve(&mirror, "first").is_ok(),
                    "one damaged version hides no other"
                );
                let history = mirror.history(&checkout()).unwrap();
                assert_eq!(history.entries.len(), 2);
                fs::write(&path, &whole).unwrap();
                let again = resolve(&mirror, "v2").unwrap();
                let files = mirror.file_contents(&again, &"web".parse().unwrap());
                assert_eq!(
                    files.unwrap().len(),
                    2,
                    "what could not be read is not remembered"
                );
            }
        }
        let history = hostile.open().history(&checkout()).unwrap();
        assert_eq!(history.problems, [], "all is well again");
        hostile.goes_on(&hostile.open());
    });
}

#[test]
fn an_object_that_goes_while_the_mirror_is_open_is_said() {
    bounded(|| {
        let hostile = Hostile::new();
        let app = hostile.blob(app_with_files());
        let file = hostile.blob("x");
        let tree = hostile.tree(&[("100644", b"app.yaml", &app), ("100644", b"x", &file)]);
        hostile.version(2, &tree);
        let mirror = hostile.mirror();
        let record = resolve(&mirror, "v2").unwrap();
        overwrite(&place(&hostile.mirror_dir(), &file), None);
        let error = mirror
            .file_contents(&record, &"web".parse().unwrap())
            .unwrap_err();
        assert_eq!(error.reason().as_str(), UNREADABLE);
        assert!(
            error.to_string().contains("version v2 of `checkout`"),
            "{error}"
        );
        assert!(error.to_string().contains("`x`"), "{error}");
    });
}

#[test]
fn a_clone_whose_objects_are_cut_off_says_so() {
    bounded(|| {
        let hostile = Hostile::new();
        let clone = hostile.shop.clone_dir().join(".git");
        let head = hostile.shop.rev(&hostile.shop.clone_dir(), "HEAD");
        let tree = hostile.shop.rev(&hostile.shop.clone_dir(), "HEAD^{tree}");
        for oid in [&head, &tree] {
            let path = place(&clone, oid);
            let whole = fs::read(&path).unwrap();
            overwrite(&path, Some(&whole[..whole.len() - 9]));
            let error = hostile.shop.refused(&["versions", "publish"]);
            assert!(
                error.contains("is damaged") && error.contains(oid.as_str()),
                "{error}"
            );
            overwrite(&path, Some(&whole));
        }
        hostile.goes_on(&hostile.mirror());
    });
}
