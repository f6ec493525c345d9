//! What counts of a commit, beside what counted before it.
//!
//! An object counts where its file can be read and it is the only one of its kind for its app. One of which that cannot be said
//! stays as it was, and so does one that is missing while a file cannot be read or is refused: it may stand there, and a copied
//! file may have taken its place. One that is missing for another reason goes, but where [`super::kept`] says why not. All others of
//! the commit count, so a slip in one app's file holds that app alone.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kept::{self, Kept, Missing, Reasons};
use crate::plan::{Owner, OwnerKind};
use crate::releases::{Kind, Release};
use crate::settings::Settings;
use crate::words::AppName;

/// Of which app and repository each object is that the state folder remembers. It counts where nothing else is known of the object.
pub(super) type Known = BTreeMap<Owner, (AppName, String)>;

/// The objects that go on though commits do not have them.
type AllKept = BTreeMap<Owner, Kept>;

/// What counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Tip {
    /// 40 hex digits; empty before the first.
    pub(super) commit: String,
    pub(super) settings: Settings,
    pub(super) releases: Vec<Arc<Release>>,
    owners: BTreeSet<Owner>,
    /// The objects that are as an older commit has them, and which one that is.
    pub(super) held: BTreeMap<Owner, String>,
    /// The objects that go on though this commit, and others before it, do not have them. Those that are not among the releases
    /// stand in the state folder.
    kept: AllKept,
    /// Commits that counted before and cannot be read any more, where what only they may have had goes on.
    lost: Vec<String>,
    /// What is neither among the releases nor kept is not wanted. Where it is false, something could not be read.
    pub(super) whole: bool,
}

/// What a commit says.
pub(super) struct Commit<'a> {
    pub(super) id: &'a str,
    pub(super) settings: Settings,
    /// The objects of all files that can be read.
    pub(super) releases: &'a [Release],
    /// The files that cannot be read, and what is wrong.
    pub(super) unreadable: Vec<(&'a str, &'a str)>,
    /// The folder of releases, where it is absent or empty.
    pub(super) empty: Option<&'a str>,
    /// True for each commit that this one follows.
    pub(super) follows: &'a dyn Fn(&str) -> bool,
    /// What is known of objects beside the commits before it.
    pub(super) known: &'a Known,
    /// The commits before it that cannot be read any more.
    pub(super) lost: &'a [String],
}

impl Tip {
    /// The commit of which an object is.
    pub(super) fn commit_of(&self, owner: &Owner) -> &str {
        self.held.get(owner).unwrap_or(&self.commit)
    }

    /// True for an object that is among the releases.
    pub(super) fn has(&self, owner: &Owner) -> bool {
        self.owners.contains(owner)
    }

    /// True for an object that is wanted, and of which only the state folder knows how.
    pub(super) fn recalls(&self, owner: &Owner) -> bool {
        !self.whole || (self.kept.contains_key(owner) && !self.has(owner))
    }

    /// For an object that is not as this commit has it: what has it so, in words.
    pub(super) fn older(&self, owner: &Owner) -> Option<String> {
        match self.held.get(owner) {
            Some(commit) => Some(format!("commit {}", short(commit))),
            None => (!self.has(owner)).then(|| "the state folder".to_owned()),
        }
    }

    /// The commits that make this up, the oldest first where `before` has them so.
    pub(super) fn commits(&self, before: &[String]) -> Vec<String> {
        let since = self.kept.values().map(|kept| &kept.since);
        let held: BTreeSet<&String> = self.held.values().chain(since).collect();
        let mut commits: Vec<String> = (before.iter())
            .filter(|commit| held.contains(commit) || self.lost.contains(commit))
            .filter(|commit| **commit != self.commit)
            .cloned()
            .collect();
        commits.push(self.commit.clone());
        commits
    }

    /// What counts with a commit after this, and all that stands against the commit.
    pub(super) fn next(&self, commit: Commit<'_>) -> (Self, Vec<String>) {
        let id = short(commit.id);
        // A file that stands against another one is read all the same, and judged by its objects.
        let is_read = |file: &str| commit.releases.iter().any(|it| it.file == file);
        let files: BTreeSet<&str> = (commit.unreadable.iter())
            .map(|(file, _)| *file)
            .filter(|file| !is_read(file))
            .collect();
        let mut problems: Vec<String> = (commit.unreadable.iter())
            .map(|(_, problem)| (*problem).to_owned())
            .collect();
        let mut stay: BTreeSet<AppName> = (self.releases.iter())
            .filter(|release| files.contains(release.file.as_str()))
            .map(|release| release.app().clone())
            .collect();
        let mut releases = Vec::new();
        let mut refused = false;
        for release in commit.releases {
            match self.changed(release, commit.known) {
                Some((app, problem)) => {
                    problems.push(problem);
                    refused = true;
                    // A copy that kept the name is refused alone, where the object is there as it was.
                    let mut others =
                        (commit.releases.iter()).filter(|other| owner(other) == owner(release));
                    if !others.any(|other| self.changed(other, commit.known).is_none()) {
                        stay.insert(app);
                    }
                }
                None => releases.push(Arc::new(release.clone())),
            }
        }
        let (doubled, said) = twins(&releases);
        problems.extend(said);
        stay.extend(doubled);
        releases.retain(|release| !stay.contains(release.app()));
        let is_read = files.is_empty() && !refused;
        let mut held = BTreeMap::new();
        let (mut stays, mut slipped) = (Vec::new(), Vec::new());
        let mut missing = self.unread(&commit);
        for old in &self.releases {
            let owner = owner(old);
            if releases.iter().any(|release| self::owner(release) == owner) {
                continue;
            }
            if is_read && !stay.contains(old.app()) {
                missing.insert(owner);
            } else {
                slipped.push(owner);
            }
        }
        let (mut kept, reasons) = self.keep(&missing, &commit);
        for owner in &slipped {
            kept.extend(
                self.kept
                    .get(owner)
                    .map(|kept| (owner.clone(), kept.clone())),
            );
        }
        let goes_on: BTreeSet<&Owner> = reasons.values().flatten().chain(&slipped).collect();
        for old in &self.releases {
            let owner = owner(old);
            if goes_on.contains(&owner) {
                held.insert(owner.clone(), self.commit_of(&owner).to_owned());
                stays.push(Arc::clone(old));
            }
        }
        problems.extend(kept::problems(&reasons, commit.id));
        if !slipped.is_empty() {
            let owners: Vec<String> = slipped.iter().map(ToString::to_string).collect();
            problems.push(format!(
                "{}: as before until that is mended; all else of commit {id} counts",
                owners.join(", ")
            ));
        }
        releases.extend(stays);
        let tip = Self {
            commit: commit.id.to_owned(),
            settings: commit.settings,
            owners: releases.iter().map(|release| owner(release)).collect(),
            releases,
            held,
            lost: if kept.is_empty() {
                Vec::new()
            } else {
                [&self.lost, commit.lost].concat()
            },
            kept,
            whole: is_read && stay.is_empty(),
        };
        (tip, problems)
    }

    /// The objects that are missing in a commit, and of which only the state folder knows.
    fn unread(&self, commit: &Commit<'_>) -> BTreeSet<Owner> {
        let known = commit.known.keys().filter(|_| !commit.lost.is_empty());
        let here = |owner: &Owner| commit.releases.iter().any(|it| self::owner(it) == *owner);
        (known.chain(self.kept.keys()))
            .filter(|owner| !self.has(owner) && !here(owner))
            .cloned()
            .collect()
    }

    /// Which of the objects that are missing in a commit go on, and why.
    fn keep(&self, missing: &BTreeSet<Owner>, commit: &Commit<'_>) -> (AllKept, Reasons) {
        let (mut kept, mut reasons) = (AllKept::new(), Reasons::new());
        for owner in missing {
            let known = Missing {
                of: self.has(owner).then(|| self.commit_of(owner)),
                kept: self.kept.get(owner),
            };
            if let Some((why, keeps)) = kept::why(&known, commit) {
                kept.extend(keeps.map(|kept| (owner.clone(), kept)));
                reasons.entry(why).or_default().insert(owner.clone());
            }
        }
        (kept, reasons)
    }

    /// An object that is now of another app or repository than before: which app it was of, and what is wrong.
    fn changed(&self, release: &Release, known: &Known) -> Option<(AppName, String)> {
        let owner = owner(release);
        let old = self.releases.iter().find(|old| self::owner(old) == owner);
        let (app, repository) = match old {
            Some(old) => (&old.wanted.app, &old.wanted.repository),
            None => known
                .get(&owner)
                .map(|(app, repository)| (app, repository))?,
        };
        let differs = |field: &str, before: &str, now: &str| {
            (before != now).then(|| {
                format!(
                    "{}:{}: spec.{field}: is `{now}` and was `{before}`; {field} never changes: write `{before}` again, or give the object another name",
                    release.file, release.place.line
                )
            })
        };
        let now = &release.wanted;
        differs("app", app.as_str(), now.app.as_str())
            .or_else(|| differs("repository", repository, &now.repository))
            .map(|problem| (app.clone(), problem))
    }
}

/// Who an object is in a plan.
pub(super) fn owner(release: &Release) -> Owner {
    Owner {
        kind: match release.kind() {
            Kind::Deployment => OwnerKind::Deployment,
            Kind::Alias => OwnerKind::Alias,
        },
        name: release.name().to_owned(),
    }
}

/// One machine is one environment: an app has one Deployment, and a name means one object. The apps of which that is not so.
fn twins(releases: &[Arc<Release>]) -> (Vec<AppName>, Vec<String>) {
    let (mut apps, mut problems) = (Vec::new(), Vec::new());
    for (index, release) in releases.iter().enumerate() {
        let twin = releases[..index].iter().find(|other| {
            let both = release.kind() == Kind::Deployment && other.kind() == Kind::Deployment;
            owner(other) == owner(release) || (both && other.app() == release.app())
        });
        if let Some(twin) = twin {
            apps.extend([release.app().clone(), twin.app().clone()]);
            problems.push(format!(
                "{}:{}: {:?} `{}` of `{}` is the second one, after {}:{}; where folders of releases are meant for different places, name one with --releases",
                release.file,
                release.place.line,
                release.kind(),
                release.name(),
                release.app(),
                twin.file,
                twin.place.line
            ));
        }
    }
    (apps, problems)
}

/// A commit as people are told of it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::releases;

    fn object(kind: &str, name: &str, app: &str, version: u32) -> Release {
        let versions = match kind {
            "Alias" => format!("version: {version}"),
            _ => format!("versions: [{{version: {version}, percentage: 100}}]"),
        };
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{app: {app}, repository: shop, {versions}}}\n"
        );
        let file = format!("releases/{name}.yaml");
        releases::read(&file, text.as_bytes())
            .unwrap()
            .releases
            .remove(0)
    }

    /// What each object serves, as of which commit.
    fn all(tip: &Tip) -> Vec<(String, u32, String)> {
        let one = |release: &Arc<Release>| {
            let owner = owner(release);
            let version = release.wanted.versions[0].version.to_string();
            let version = version.trim_start_matches('v').parse().unwrap();
            (
                format!("{}/{owner}", release.app()),
                version,
                tip.commit_of(&owner).to_owned(),
            )
        };
        tip.releases.iter().map(one).collect()
    }

    fn next(
        before: &Tip,
        id: &str,
        releases: &[Release],
        unreadable: &[&str],
    ) -> (Tip, Vec<String>) {
        before.next(Commit {
            unreadable: unreadable.iter().map(|file| (*file, "is wrong")).collect(),
            ..commit(id, releases)
        })
    }

    fn commit<'a>(id: &'a str, releases: &'a [Release]) -> Commit<'a> {
        const NOTHING: &Known = &Known::new();
        Commit {
            id,
            settings: Settings::default(),
            releases,
            unreadable: Vec::new(),
            empty: None,
            follows: &|_| true,
            known: NOTHING,
            lost: &[],
        }
    }

    /// Of an object `shop`, as the state folder remembers it.
    fn known(app: &str) -> Known {
        let release = object("Deployment", "shop", app, 1);
        let whose = (release.app().clone(), release.wanted.repository.clone());
        [(owner(&release), whose)].into()
    }

    fn entry(who: &str, version: u32, commit: &str) -> (String, u32, String) {
        (who.to_owned(), version, commit.to_owned())
    }

    #[test]
    fn a_file_that_cannot_be_read_holds_its_own_app_alone() {
        let first = [
            object("Deployment", "shop", "shop", 1),
            object("Deployment", "blog", "blog", 1),
            object("Alias", "gone", "wiki", 1),
        ];
        let (tip, said) = next(&Tip::default(), "one", &first, &[]);
        assert!(said.is_empty() && tip.whole, "{said:?}");
        // Another app moves on, and what is missing may stand in the file.
        let blog = [object("Deployment", "blog", "blog", 2)];
        let (tip, said) = next(&tip, "two", &blog, &["releases/shop.yaml"]);
        assert_eq!(
            all(&tip),
            [
                entry("blog/cwd/blog", 2, "two"),
                entry("shop/cwd/shop", 1, "one"),
                entry("wiki/cwa/gone", 1, "one"),
            ]
        );
        assert!(!tip.whole);
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(
            said[1],
            "cwd/shop, cwa/gone: as before until that is mended; all else of commit two counts"
        );
        assert_eq!(tip.commits(&["one".to_owned()]), ["one", "two"]);
        // Mended, it counts as a whole.
        let (tip, said) = next(&tip, "three", &first[..2], &[]);
        assert_eq!(
            all(&tip),
            [
                entry("shop/cwd/shop", 1, "three"),
                entry("blog/cwd/blog", 1, "three"),
            ]
        );
        assert!(said.is_empty() && tip.whole, "{said:?}");
        assert_eq!(
            tip.commits(&["one".to_owned(), "two".to_owned()]),
            ["three"]
        );
        // Where nothing was known before, what can be read counts.
        let (tip, said) = next(&Tip::default(), "two", &blog, &["releases/shop.yaml"]);
        assert_eq!(all(&tip), [entry("blog/cwd/blog", 2, "two")]);
        assert_eq!((said.len(), tip.whole), (1, false));
    }

    #[test]
    fn an_object_of_another_app_or_repository_is_an_error_and_stays() {
        let shop = object("Deployment", "shop", "shop", 1);
        let blog = object("Deployment", "blog", "blog", 1);
        let (tip, _) = next(&Tip::default(), "one", &[shop.clone(), blog.clone()], &[]);
        // Also of an app that is there: that one goes on.
        for (other, word) in [("shp", "`shp`"), ("blog", "`blog`")] {
            let wrong = object("Deployment", "shop", other, 1);
            let newer = object("Deployment", "blog", "blog", 2);
            let (next, said) = next(&tip, "two", &[newer, wrong], &[]);
            assert_eq!(
                all(&next),
                [
                    entry("blog/cwd/blog", 2, "two"),
                    entry("shop/cwd/shop", 1, "one"),
                ]
            );
            assert!(
                said[0].contains("spec.app") && said[0].contains(word),
                "{said:?}"
            );
            assert!(!next.whole);
        }
        let mut elsewhere = shop.clone();
        elsewhere.wanted.repository = "other".to_owned();
        let (next, said) = next(&tip, "two", &[elsewhere, blog], &[]);
        assert_eq!(all(&next)[1], entry("shop/cwd/shop", 1, "one"));
        assert!(said[0].contains("spec.repository: is `other`"), "{said:?}");
    }

    #[test]
    fn a_copy_that_kept_the_name_is_refused_alone() {
        let shop = object("Deployment", "shop", "shop", 1);
        let wiki = object("Deployment", "wiki", "wiki", 1);
        let (tip, _) = next(&Tip::default(), "one", &[shop, wiki], &[]);
        let mut copy = object("Deployment", "shop", "blog", 1);
        copy.file = "releases/blog.yaml".to_owned();
        let newer = object("Deployment", "shop", "shop", 2);
        // The file that is read second is said to stand against the first one.
        let (next_tip, said) = next(
            &tip,
            "two",
            &[copy.clone(), newer.clone()],
            &["releases/shop.yaml"],
        );
        let wiki = entry("wiki/cwd/wiki", 1, "one");
        assert_eq!(all(&next_tip), [entry("shop/cwd/shop", 2, "two"), wiki]);
        assert!(
            !next_tip.whole && said.iter().any(|it| it.starts_with("releases/blog.yaml:")),
            "{said:?}"
        );
        // Where nothing was known before, neither counts.
        let both = [copy, newer];
        let (tip, said) = next(&Tip::default(), "two", &both, &[]);
        assert!(all(&tip).is_empty() && !tip.whole, "{said:?}");
        // After a restart the state folder knows.
        let commit = Commit {
            known: &known("shop"),
            ..commit("two", &both)
        };
        let (tip, said) = Tip::default().next(commit);
        assert_eq!(all(&tip), [entry("shop/cwd/shop", 2, "two")]);
        assert!(!tip.whole && said[0].contains("is `blog` and was `shop`"));
    }

    #[test]
    fn what_is_remembered_stays_where_the_commit_before_cannot_be_read() {
        let blog = [object("Deployment", "blog", "blog", 1)];
        let lost = ["one".to_owned()];
        let rewritten = |tip: &Tip, id: &str, lost: &[String]| {
            tip.next(Commit {
                follows: &|before| before != "one",
                known: &known("shop"),
                lost,
                ..commit(id, &blog)
            })
        };
        let (tip, said) = rewritten(&Tip::default(), "two", &lost);
        let shop = owner(&object("Deployment", "shop", "shop", 1));
        let words = "history was rewritten: commit two does not follow one";
        assert!(said.len() == 1 && said[0].starts_with(words), "{said:?}");
        assert!(tip.recalls(&shop));
        assert_eq!(tip.commits(&lost), ["one", "two"]);
        // So it is after each start, and with each commit, until one has it.
        let (again, _) = rewritten(&Tip::default(), "two", &lost);
        let (tip, said) = rewritten(&again, "three", &[]);
        assert!(tip.recalls(&shop) && said.len() == 1, "{said:?}");
        let before = [&lost[..], &["two".to_owned()]].concat();
        assert_eq!(tip.commits(&before), ["one", "two", "three"]);
        let both = [blog[0].clone(), object("Deployment", "shop", "shop", 1)];
        let (tip, said) = tip.next(commit("four", &both));
        assert!(said.is_empty() && tip.has(&shop), "{said:?}");
        assert_eq!(tip.commits(&before), ["four"]);
        let (tip, said) = rewritten(&tip, "five", &[]);
        assert!(said.is_empty() && !tip.recalls(&shop), "{said:?}");
        assert!(!tip.has(&shop));
    }

    #[test]
    fn two_deployments_of_one_app_hold_that_app_alone() {
        let first = [
            object("Deployment", "shop", "shop", 1),
            object("Deployment", "blog", "blog", 1),
        ];
        let (tip, _) = next(&Tip::default(), "one", &first, &[]);
        let second = [
            object("Deployment", "shop", "shop", 2),
            object("Deployment", "shop-eu", "shop", 3),
            object("Deployment", "blog", "blog", 2),
        ];
        let (tip, said) = next(&tip, "two", &second, &[]);
        assert_eq!(
            all(&tip),
            [
                entry("blog/cwd/blog", 2, "two"),
                entry("shop/cwd/shop", 1, "one"),
            ]
        );
        assert!(
            said[0].contains("`shop-eu` of `shop` is the second one"),
            "{said:?}"
        );
    }

    #[test]
    fn what_may_not_be_removed_stays_and_the_rest_counts() {
        let first = [
            object("Deployment", "shop", "shop", 1),
            object("Deployment", "blog", "blog", 1),
        ];
        let (tip, _) = next(&Tip::default(), "one", &first, &[]);
        let rewritten = |releases: &[Release]| {
            tip.next(Commit {
                follows: &|_| false,
                ..commit("two", releases)
            })
        };
        let (tip, said) = rewritten(&[object("Deployment", "blog", "blog", 2)]);
        assert_eq!(
            all(&tip),
            [
                entry("blog/cwd/blog", 2, "two"),
                entry("shop/cwd/shop", 1, "one"),
            ]
        );
        let words = "history was rewritten: commit two does not follow one, so what is missing in it goes on, also where later commits do not have it: cwd/shop; ";
        assert!(said.len() == 1 && said[0].starts_with(words), "{said:?}");
        let (tip, said) = rewritten(&first);
        assert!(said.is_empty() && tip.held.is_empty(), "{said:?}");
    }

    /// What happens to an object `shop` that the first commit, `one`, has beside `blog`.
    #[test]
    fn what_was_kept_stays_until_a_commit_that_had_it_is_followed_by_one_without_it() {
        /// A commit: its name, those that it follows, and whether it has both, `blog` alone, or nothing.
        type Step = (&'static str, &'static [&'static str], char);
        let shop = object("Deployment", "shop", "shop", 1);
        let blog = object("Deployment", "blog", "blog", 1);
        let who = owner(&shop);
        let one: Step = ("one", &[], '2');
        let (empty, rewritten): (Step, Step) = (("two", &["one"], '0'), ("two", &[], '1'));
        for (steps, stays) in [
            (vec![("two", &["one"][..], '1')], false),
            (vec![empty], true),
            (vec![rewritten], true),
            // The commits after it, of the same line, of which one takes the blog away.
            (vec![empty, ("3", &["one", "two"], '1')], true),
            (
                vec![
                    empty,
                    ("3", &["one", "two"], '1'),
                    ("4", &["one", "two", "3"], '0'),
                ],
                true,
            ),
            (vec![rewritten, ("3", &["two"], '1')], true),
            (
                vec![rewritten, ("3", &["two"], '1'), ("4", &["two", "3"], '1')],
                true,
            ),
            // Once more another history.
            (vec![rewritten, ("3", &[], '1'), ("4", &["3"], '1')], true),
            // One has it again, and the next one does not.
            (
                vec![
                    empty,
                    ("3", &["one", "two"], '2'),
                    ("4", &["one", "two", "3"], '1'),
                ],
                false,
            ),
            (
                vec![rewritten, ("3", &["two"], '2'), ("4", &["two", "3"], '1')],
                false,
            ),
            // History is again the one that had it, in which it was removed.
            (vec![empty, ("3", &["one"], '1')], false),
            (vec![rewritten, ("3", &["one"], '1')], false),
        ] {
            let read = |tip: &Tip, (id, behind, has): &Step| {
                let releases = match has {
                    '2' => vec![shop.clone(), blog.clone()],
                    '1' => vec![blog.clone()],
                    _ => Vec::new(),
                };
                tip.next(Commit {
                    empty: releases.is_empty().then_some("releases"),
                    follows: &|before| before == *id || behind.contains(&before),
                    ..commit(id, &releases)
                })
            };
            let all: Vec<Step> = [one].into_iter().chain(steps).collect();
            let (mut tip, mut said, mut counted) = (Tip::default(), Vec::new(), Vec::new());
            for step in &all {
                (tip, said) = read(&tip, step);
                counted = tip.commits(&counted);
            }
            assert_eq!(tip.has(&who), stays, "{all:?}");
            assert_eq!(
                said.iter().any(|it| it.contains("cwd/shop")),
                stays,
                "{all:?}: {said:?}"
            );
            // So it is after a start, which reads again what counted.
            let mut again = Tip::default();
            for id in &counted {
                let step = all.iter().find(|(name, ..)| name == id).unwrap();
                (again, said) = read(&again, step);
            }
            assert_eq!(again.has(&who), stays, "{counted:?} of {all:?}");
            assert_eq!(again.commits(&counted), counted, "{all:?}");
            assert_eq!(
                said.iter().any(|it| it.contains("cwd/shop")),
                stays,
                "{all:?}: {said:?}"
            );
        }
    }
}
