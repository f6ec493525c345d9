use std::fs;

use super::{Hostile, bounded, fetch, refused, resolve};

#[test]
fn a_remote_that_lacks_an_object_is_said_and_what_was_fetched_stays() {
    bounded(|| {
        let hostile = Hostile::new();
        let mirror = hostile.mirror();
        let blob = hostile.blob("there");
        let gone = "1".repeat(40);
        let tree = hostile.snapshot(&[("100644", b"a", &blob), ("100644", b"gone", &gone)]);
        hostile.tag("v2", &hostile.commit(2, &tree));
        let error = fetch(&mirror).unwrap_err();
        assert!(
            error.contains("cannot fetch from") && error.contains(&gone),
            "{error}"
        );
        refused(&mirror, "v2", "VersionNotFound", &[]);
        assert!(resolve(&mirror, "first").is_ok());
        let error = hostile.shop.refused(&["versions", "list", "checkout"]);
        assert!(error.contains(&gone), "{error}");
        // Without that tag all goes on.
        fs::remove_file(hostile.remote().join("refs/tags/checkout/v2")).unwrap();
        fetch(&mirror).unwrap();
        hostile.goes_on(&mirror);
    });
}

#[test]
fn a_remote_whose_ref_is_damaged_is_said_and_what_was_fetched_stays() {
    bounded(|| {
        let hostile = Hostile::new();
        let mirror = hostile.mirror();
        let junk = "refs/tags/checkout/junk";
        hostile.set(junk, "nothing of the kind");
        let error = fetch(&mirror).unwrap_err();
        assert!(error.contains("cannot fetch from"), "{error}");
        assert!(resolve(&mirror, "first").is_ok());
        fs::remove_file(hostile.remote().join(junk)).unwrap();
        fetch(&mirror).unwrap();
        hostile.goes_on(&mirror);
    });
}

#[test]
fn a_remote_whose_pack_is_damaged_is_said_and_what_was_fetched_stays() {
    bounded(|| {
        let hostile = Hostile::new();
        let mirror = hostile.mirror();
        let noise: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let blob = hostile.blob(noise);
        hostile.version(2, &hostile.snapshot(&[("100644", b"a", &blob)]));
        let remote = hostile.remote();
        hostile.shop.git(&remote, &["repack", "-q", "-a", "-d"]);
        let packs = fs::read_dir(remote.join("objects/pack")).unwrap();
        let pack = packs
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "pack")
            })
            .unwrap();
        let mut content = fs::read(&pack).unwrap();
        let middle = content.len() / 2;
        content[middle..middle + 64].fill(0);
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, content).unwrap();
        let error = fetch(&mirror).unwrap_err();
        assert!(error.contains("cannot fetch from"), "{error}");
        refused(&mirror, "v2", "VersionNotFound", &[]);
        assert!(resolve(&mirror, "first").is_ok());
    });
}

/// What a remote's own configuration names is not run, and its alternates do not lead out of what is fetched.
#[test]
fn a_remote_starts_no_program_of_its_own() {
    bounded(|| {
        let hostile = Hostile::new();
        let remote = hostile.remote();
        let witness = hostile.shop.dir.path().join("clone/.git/witness");
        let program = remote.join("evil");
        fs::write(
            &program,
            format!("#!/bin/sh\necho ran > {}\nexec \"$@\"\n", witness.display()),
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
        for hook in [
            "pre-receive",
            "post-update",
            "reference-transaction",
            "post-checkout",
            "post-merge",
        ] {
            fs::copy(&program, remote.join("hooks").join(hook)).unwrap();
        }
        for name in [
            "uploadpack.packObjectsHook",
            "core.fsmonitor",
            "core.sshCommand",
            "core.pager",
            "core.editor",
        ] {
            hostile
                .shop
                .git(&remote, &["config", name, program.to_str().unwrap()]);
        }
        let blob = hostile.blob("x");
        hostile.version(2, &hostile.snapshot(&[("100644", b"a", &blob)]));
        let mirror = hostile.mirror();
        assert!(resolve(&mirror, "v2").is_ok());
        hostile.goes_on(&mirror);
        assert!(!witness.exists(), "a program of the remote ran");
    });
}
