//! Where a path of this machine leads, whether it is there or not: a repository that is away for a while has the address that it
//! had before.

use std::path::{Path, PathBuf};

use super::RemoteUrl;

/// Most links that are followed, as the kernel has it.
const LINKS_MAX: u8 = 40;

/// The path without links and `..`, as far as that is known: what is there is resolved as the system does it, and what is not stays
/// as it was written.
pub(super) fn whereabouts(path: &Path) -> PathBuf {
    resolve(path, LINKS_MAX)
}

/// The address of a repository as a person writes it, with a path of this machine made whole; a relative one is below `base`. What is
/// neither stays as it is, and is refused where it is used.
#[must_use]
pub fn address(text: &str, base: &Path) -> String {
    let path = base.join(text);
    let elsewhere = |url: RemoteUrl| url.local_path().is_none();
    let is_address = text.is_empty()
        || text.contains("::")
        || text.contains("://")
        || RemoteUrl::parse(text, true).is_ok_and(elsewhere);
    if is_address && !path.exists() {
        return text.to_owned();
    }
    whereabouts(&path).display().to_string()
}

fn resolve(path: &Path, links: u8) -> PathBuf {
    if let Ok(there) = path.canonicalize() {
        return there;
    }
    let Ok(path) = std::path::absolute(path) else {
        return path.to_owned();
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return path;
    };
    match path.read_link() {
        Ok(target) if links > 0 => resolve(&parent.join(target), links - 1),
        _ => resolve(parent, links).join(name),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_the_same_while_what_it_names_is_away() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("disk/shop.git")).unwrap();
        symlink("disk", root.join("link")).unwrap();
        symlink(root.join("link/shop.git"), root.join("shop.git")).unwrap();
        symlink("endless", root.join("endless")).unwrap();
        let paths = [
            "shop.git",
            "link/shop.git",
            "disk/../link/shop.git/",
            "none/shop.git",
        ];
        let all = || paths.map(|path| whereabouts(&root.join(path)));
        let there = all();
        let shop = root.join("disk/shop.git");
        assert_eq!(there[..3], [shop.clone(), shop.clone(), shop.clone()]);
        assert_eq!(there[3], root.join("none/shop.git"));
        fs::remove_dir(shop).unwrap();
        assert_eq!(all(), there);
        assert_eq!(whereabouts(&root.join("endless")), root.join("endless"));
        assert!(whereabouts(Path::new("nowhere.git")).is_absolute());
        let path = |name: &str| root.join(name).display().to_string();
        assert_eq!(address("link/shop.git", &root), path("disk/shop.git"));
        assert_eq!(address("nowhere.git", &root), path("nowhere.git"));
        for elsewhere in [
            "https://git.example/x",
            "git@git.example:x",
            "htps://x",
            "ext::x",
        ] {
            assert_eq!(address(elsewhere, &root), elsewhere);
        }
    }
}
