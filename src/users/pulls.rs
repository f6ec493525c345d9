//! Which merges are pulls of the tracked branch, by git's own words for them: the branch goes on with their second parent.
//!
//! A merge from another repository is none, however its branch is called: what was deployed there was not deployed here.

use git2::Commit;

use crate::git::are_one;
use crate::store::workspace::Workspace;

/// What a clone calls the remote that it was made from.
const ORIGIN: &str = "origin";

/// What a merge brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// The branch, into commits that somebody had made beside it.
    Branch,
    /// Other commits, into the branch.
    Other,
    /// One of the two: it names a branch of that name, in a repository that this clone does not know.
    Unknown,
}

/// The tracked branch, and the remotes of the clone.
pub(super) struct Pulls {
    branch: String,
    remote: String,
    /// Name and address of each remote, and whether it is the repository that is asked; nothing where the addresses do not tell.
    remotes: Vec<(String, String, Option<bool>)>,
}

impl Pulls {
    /// Those of a branch at the remote of the workspace.
    pub(super) fn of(workspace: &Workspace, branch: &str) -> Self {
        let repo = &workspace.repo;
        let names = repo.remotes();
        let names = (names.iter()).flat_map(|names| names.iter().flatten().flatten());
        let url = |name: &str| {
            let remote = repo.find_remote(name).ok()?;
            let url = String::from_utf8_lossy(remote.url_bytes()).into_owned();
            Some((name.to_owned(), crate::git::address(&url, workspace.home())))
        };
        Self::new(branch, workspace.remote(), names.filter_map(url).collect())
    }

    fn new(branch: &str, remote: &str, remotes: Vec<(String, String)>) -> Self {
        let asked = remotes.iter().find(|(name, _)| name == remote);
        let asked = asked.map(|(_, url)| url.clone());
        let remotes = remotes.into_iter().map(|(name, url)| {
            let is_asked = asked.as_ref().map(|asked| are_one(asked, &url));
            (name, url, is_asked.unwrap_or(Some(false)))
        });
        Self {
            branch: branch.to_owned(),
            remote: remote.to_owned(),
            remotes: remotes.collect(),
        }
    }

    /// What a commit brought; a commit that is no merge of two brought nothing of the kind.
    pub(super) fn by(&self, commit: &Commit<'_>) -> Pull {
        if commit.parent_count() != 2 {
            return Pull::Other;
        }
        let message = String::from_utf8_lossy(commit.message_bytes());
        self.said(message.lines().next().unwrap_or_default())
    }

    /// What the first line of a message says.
    fn said(&self, message: &str) -> Pull {
        let tracking = "Merge remote-tracking branch '";
        if let Some(rest) = message.strip_prefix("Merge branch '") {
            let url = (rest.strip_prefix(self.branch.as_str()))
                .and_then(|rest| rest.strip_prefix("' of "));
            url.map_or(Pull::Other, |url| self.of_address(url))
        } else if let Some((name, _)) = (message.strip_prefix(tracking))
            .and_then(|rest| rest.split_once('\''))
            .filter(|(_, into)| into.is_empty() || into.starts_with(" into "))
        {
            let remote = (name.strip_suffix(self.branch.as_str()))
                .and_then(|remote| remote.strip_suffix('/'));
            remote.map_or(Pull::Other, |remote| self.of_remote(remote))
        } else {
            Pull::Other
        }
    }

    /// A merge of the branch of that name from a remote of that name.
    fn of_remote(&self, name: &str) -> Pull {
        let found = self.remotes.iter().find(|(known, ..)| known == name);
        match found {
            _ if name == self.remote => Pull::Branch,
            Some((.., Some(true))) => Pull::Branch,
            // Whoever has one clone alone calls the repository so, whatever is called so here.
            Some((.., Some(false))) if name != ORIGIN => Pull::Other,
            _ => Pull::Unknown,
        }
    }

    /// A merge of the branch of that name from an address, which may be followed by the name of another branch.
    fn of_address(&self, text: &str) -> Pull {
        let address = text
            .rsplit_once(" into ")
            .map_or(text, |(address, _)| address);
        let mut known = self.remotes.iter();
        let found = known.find(|(_, url, _)| are_one(address, url) == Some(true));
        match found {
            Some((.., Some(true))) => Pull::Branch,
            Some((.., Some(false))) => Pull::Other,
            // Owner and name tell nothing: a host that was renamed has both, and so has another repository of another region.
            _ => Pull::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clone of the shop, with a remote of another repository, and another way to the shop.
    fn said(remote: &str, message: &str) -> Pull {
        let remotes = [
            (remote, "https://git.example/acme/shop.git"),
            ("ssh", "git@git.example:acme/shop.git"),
            ("alias", "alias:acme/shop"),
            ("upstream", "https://git.example/first/shop.git"),
            ("origin", "https://git.example/ada/shop.git"),
        ];
        let owned = |(name, url): &(&str, &str)| ((*name).to_owned(), (*url).to_owned());
        let mut remotes: Vec<_> = remotes.iter().map(owned).collect();
        if remote == "origin" {
            remotes.pop();
        }
        Pulls::new("main", remote, remotes).said(message)
    }

    #[test]
    fn a_pull_of_the_branch_is_known_by_the_words_of_git_and_by_its_remote() {
        for (message, expected) in [
            (
                "Merge branch 'main' of https://git.example/acme/shop",
                Pull::Branch,
            ),
            (
                "Merge branch 'main' of git.example:acme/shop into main",
                Pull::Branch,
            ),
            (
                "Merge branch 'main' of https://git.example/first/shop",
                Pull::Other,
            ),
            (
                "Merge branch 'main' of https://git.example/else/shop",
                Pull::Unknown,
            ),
            ("Merge branch 'main' of ../shop into main", Pull::Unknown),
            // A host that was renamed and another region look the same.
            (
                "Merge branch 'main' of ssh://git@old.example:7999/acme/Shop.git",
                Pull::Unknown,
            ),
            (
                "Merge branch 'main' of https://git.eu.example/acme/shop",
                Pull::Unknown,
            ),
            ("Merge branch 'main' of eu.example:acme/shop", Pull::Unknown),
            // So do the groups of one host.
            (
                "Merge branch 'main' of https://git.example/eu/acme/shop",
                Pull::Unknown,
            ),
            // An alias for ssh may be that of any host.
            ("Merge branch 'main' of work:acme/shop", Pull::Unknown),
            ("Merge branch 'main' of work:first/shop", Pull::Unknown),
            (
                "Merge branch 'main' of git.example:eu/acme/shop",
                Pull::Unknown,
            ),
            ("Merge branch 'main' of alias:acme/shop", Pull::Unknown),
            ("Merge remote-tracking branch 'alias/main'", Pull::Unknown),
            ("Merge remote-tracking branch 'origin/main'", Pull::Branch),
            (
                "Merge remote-tracking branch 'origin/main' into canary",
                Pull::Branch,
            ),
            ("Merge remote-tracking branch 'ssh/main'", Pull::Branch),
            ("Merge remote-tracking branch 'upstream/main'", Pull::Other),
            ("Merge remote-tracking branch 'ada/main'", Pull::Unknown),
            (
                "Merge branch 'canary' of https://git.example/acme/shop",
                Pull::Other,
            ),
            ("Merge branch 'main'", Pull::Other),
            (
                "Merge branch 'main2' of https://git.example/acme/shop",
                Pull::Other,
            ),
            ("Merge remote-tracking branch 'origin/canary'", Pull::Other),
            ("Merge remote-tracking branch 'main'", Pull::Other),
            ("Merge pull request #7 from shop/main", Pull::Other),
        ] {
            assert_eq!(said("origin", message), expected, "{message}");
        }
        // Where another repository is called so here, others may call the one that is asked so.
        let fork = "Merge remote-tracking branch 'origin/main'";
        assert_eq!(said("shop", fork), Pull::Unknown);
    }
}
