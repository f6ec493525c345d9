//! What is wanted, what is known, what git answers, and what counts then.

use serde_json::json;

use super::*;
use crate::releases;

/// A version of which the snapshot commit is this digit forty times.
fn record(version: u32, commit: &str) -> VersionRecord {
    serde_json::from_value(json!({
        "app": "shop", "number": version, "tree": "1".repeat(40), "commit": commit.repeat(40),
        "publishedAt": "2026-01-01T00:00:00Z",
        "functions": [{"name": "web", "port": 80}],
    }))
    .unwrap()
}

/// The same of a Repository object.
fn of(repository: &str, version: u32, commit: &str) -> VersionRecord {
    VersionRecord {
        repository: Some(repository.to_owned()),
        ..record(version, commit)
    }
}

fn wanted(versions: &str, function: &str) -> Wanted {
    let text = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec: {{app: shop, repository: main, versions: {versions}, routes: [{{hostnames: [shop.test], function: {function}, gateway: {{name: any}}}}]}}\n"
    );
    let releases = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
    releases.releases.into_iter().next().unwrap().wanted
}

/// Each of these words with the same share.
fn split(words: &str) -> Wanted {
    let words: Vec<&str> = words.split(' ').collect();
    let share = 100 / words.len();
    let entry = |word: &&str| format!("{{version: {word}, percentage: {share}}}");
    let entries: Vec<String> = words.iter().map(entry).collect();
    wanted(&format!("[{}]", entries.join(", ")), "web")
}

/// What an owner goes by.
#[derive(Default)]
struct Owner {
    before: Vec<(VersionWord, u32, Option<String>)>,
    repository: Option<&'static str>,
    records: Records,
    pinned: BTreeMap<VersionNumber, String>,
    /// What git says of words.
    git: Vec<(&'static str, VersionRecord)>,
    /// Words that are being looked up.
    slow: Vec<&'static str>,
}

impl Owner {
    fn pinned(mut self, word: &str, number: u32, commit: Option<&str>) -> Self {
        let commit = commit.map(|commit| commit.repeat(40));
        (self.before).push((word.parse().unwrap(), number, commit));
        self
    }

    fn knows(mut self, record: VersionRecord) -> Self {
        self.records.insert(record.number, record);
        self
    }

    fn git(mut self, word: &'static str, record: VersionRecord) -> Self {
        self.git.push((word, record));
        self
    }

    fn slow(mut self, word: &'static str) -> Self {
        self.slow.push(word);
        self
    }

    fn of(mut self, repository: &'static str) -> Self {
        self.repository = Some(repository);
        self
    }

    fn resolve(&mut self, wanted: &Wanted) -> Resolution {
        let there: BTreeSet<VersionNumber> = self.records.keys().copied().collect();
        let share = Share::ALL;
        let before = self.before.iter().map(|(word, number, commit)| Pin {
            word,
            number: VersionNumber::new(*number).unwrap(),
            commit: commit.as_deref(),
            share,
        });
        let asked = Asked {
            wanted,
            before: before.collect(),
            repository: self.repository,
            there: &there,
            pinned: &self.pinned,
        };
        let questions = asked.questions(&self.records);
        let (git, slow) = (&self.git, &self.slow);
        let answer = |word: &VersionWord| {
            let word = word.to_string();
            let found = git.iter().find(|(name, _)| *name == word);
            match found {
                _ if slow.contains(&word.as_str()) => Answer::Unknown,
                Some((_, record)) => Answer::Is(record),
                None => Answer::Not(Trouble::new(Reason::VersionNotFound, format!("no {word}"))),
            }
        };
        // What nobody asked for is not answered.
        let or_unknown = |asked: bool, word: &VersionWord| {
            let answer = asked.then(|| answer(word));
            answer.unwrap_or(Answer::Unknown)
        };
        let look = |word: &VersionWord| or_unknown(questions.words.contains(word), word);
        let check = |number: VersionNumber| {
            let word = VersionWord::Number(number);
            or_unknown(questions.versions.contains(&number), &word)
        };
        resolve(&asked, &mut self.records, look, check)
    }

    /// `v1 v2` where all counts, `was v1` where what was before goes on, `nothing`; then the reasons of troubles, and behind a `~` those
    /// of what git says against versions that go on; behind a `+` what is held.
    fn says(&mut self, wanted: &Wanted) -> String {
        let found = self.resolve(wanted);
        let shares: Vec<String> = (found.shares.iter().flatten())
            .map(|(number, _)| number.to_string())
            .collect();
        let mut words = vec![match (&found.numbers, &found.shares) {
            (Some(_), _) => shares.join(" "),
            (None, Some(_)) => format!("was {}", shares.join(" ")),
            (None, None) => "nothing".to_owned(),
        }];
        words.extend(found.troubles.iter().map(|it| it.reason.to_string()));
        words.extend(found.strayed.iter().map(|it| format!("~{}", it.reason)));
        words.extend(found.holds.iter().map(|number| format!("+{number}")));
        words.join(" ")
    }
}

fn owner() -> Owner {
    Owner::default()
}

/// One that is served by version 1.
fn serving() -> Owner {
    owner().pinned("v1", 1, Some("a")).knows(record(1, "a"))
}

#[test]
fn a_new_word_is_looked_up_and_one_that_was_resolved_stays() {
    for (mut owner, words, expected) in [
        (owner().git("v1", record(1, "a")), "v1", "v1"),
        (owner().git("stable", record(1, "a")), "stable", "v1"),
        (owner().slow("v1"), "v1", "nothing Progressing"),
        (owner(), "v1", "nothing VersionNotFound"),
        // A label that leads elsewhere by now.
        (
            (owner().pinned("stable", 1, Some("a")))
                .knows(record(1, "a"))
                .git("v1", record(1, "a"))
                .git("stable", record(2, "b")),
            "stable",
            "v1 +v1",
        ),
        // Nothing of the version is left in memory: it is asked for by its number, and has to be the same commit.
        (
            owner()
                .pinned("stable", 1, Some("a"))
                .git("v1", record(1, "a")),
            "stable",
            "v1",
        ),
        (
            owner()
                .pinned("stable", 1, Some("a"))
                .git("v1", record(1, "b")),
            "stable",
            "nothing VersionMoved",
        ),
        // All or nothing: what was before goes on, and all that is wrong is said.
        (
            serving().git("v1", record(1, "a")).slow("v3"),
            "v2 v3",
            "was v1 VersionNotFound Progressing",
        ),
        (
            serving()
                .git("v1", record(1, "a"))
                .git("v2", record(2, "b")),
            "v1 v2",
            "v1 v2 +v1",
        ),
        (
            serving()
                .git("v1", record(1, "a"))
                .git("one", record(1, "a")),
            "v1 one",
            "was v1 VersionTwice +v1",
        ),
    ] {
        assert_eq!(owner.says(&split(words)), expected, "{words}");
    }
}

#[test]
fn a_route_to_a_function_that_a_version_lacks_changes_nothing() {
    let mut owner = serving()
        .git("v1", record(1, "a"))
        .git("v2", record(2, "b"));
    let versions = "[{version: 2, percentage: 100}]";
    let found = owner.says(&wanted(versions, "webb"));
    assert_eq!(found, "was v1 FunctionNotFound");
}

#[test]
fn what_runs_goes_on_whatever_git_says_and_people_are_told() {
    for (mut owner, expected) in [
        (serving().git("v1", record(1, "a")), "v1 +v1"),
        (serving().slow("v1"), "v1 +v1"),
        (serving().git("v1", record(1, "b")), "v1 ~VersionMoved +v1"),
        (serving(), "v1 ~VersionNotFound +v1"),
    ] {
        assert_eq!(owner.says(&split("v1")), expected);
    }
    assert!(serving().slow("v1").resolve(&split("v1")).unasked);
    assert!(!serving().resolve(&split("v1")).unasked);
    // Of what was just looked up git has said what it is.
    assert!(
        !owner()
            .git("v1", record(1, "a"))
            .resolve(&split("v1"))
            .unasked
    );
    // Also where it is not all of what is wanted.
    let mut half = owner()
        .pinned("v3", 3, None)
        .knows(record(3, "c"))
        .git("v3", record(3, "c"));
    half = half.knows(record(1, "a")).git("v1", record(1, "b"));
    assert_eq!(
        half.says(&split("v1 v9")),
        "was v3 VersionNotFound ~VersionMoved +v1"
    );
    let moved = serving().git("v1", record(1, "b")).resolve(&split("v1"));
    let gone = serving().resolve(&split("v1"));
    for (found, says) in [
        (&moved, "the tag of v1 points to commit bbbbbbbbbbbb now"),
        (&gone, "no v1; what runs goes on"),
    ] {
        assert!(found.strayed[0].message.contains(says), "{found:?}");
    }
    // Also where it goes on in place of what cannot be.
    let mut falls_back = serving().git("v1", record(1, "b"));
    let expected = "was v1 VersionNotFound ~VersionMoved";
    assert_eq!(falls_back.says(&split("v9")), expected);
}

/// A version of which is remembered what it is goes back to it, whatever git has under its number now; and where not all of what
/// is wanted can be, it is kept.
#[test]
fn what_is_remembered_is_gone_back_to_whatever_became_of_its_tag() {
    let known = || {
        let owner = owner().pinned("v3", 3, None).knows(record(3, "c"));
        owner.git("v3", record(3, "c")).knows(record(1, "a"))
    };
    let id = format!("g{}", "a".repeat(40));
    for word in ["v1", &id] {
        for (mut owner, expected) in [
            (known().git("v1", record(1, "b")), "v1 ~VersionMoved +v1"),
            (known(), "v1 ~VersionNotFound +v1"),
            (known().slow("v1"), "v1 +v1"),
        ] {
            assert_eq!(owner.says(&split(word)), expected, "{word}");
            assert_eq!(owner.records[&record(1, "a").number], record(1, "a"));
        }
    }
    // Who names the other commit by its id does not get this one, and nor does a label that leads there.
    let other = "gbbbbbbbb";
    for (mut owner, words, expected) in [
        (
            known().git(other, record(1, "b")),
            other,
            "was v3 VersionMoved",
        ),
        (
            known().git("stable", record(1, "b")),
            "stable",
            "was v3 VersionMoved",
        ),
        (
            known(),
            "v1 v9",
            "was v3 VersionNotFound ~VersionNotFound +v1",
        ),
    ] {
        assert_eq!(owner.says(&split(words)), expected, "{words}");
        assert_eq!(owner.records[&record(1, "a").number], record(1, "a"));
    }
}

#[test]
fn a_number_of_one_repository_is_not_that_number_of_another() {
    let main = |record: VersionRecord| owner().of("main").git("v1", record);
    for (mut owner, expected) in [
        (main(record(1, "a")), "v1"),
        (main(record(1, "a")).knows(of("main", 1, "a")), "v1 +v1"),
        (
            main(record(1, "b")).knows(of("other", 1, "a")),
            "nothing RepositoryConflict",
        ),
        // The same commit is the same version, wherever it was read.
        (main(record(1, "a")).knows(of("other", 1, "a")), "v1 +v1"),
        // Of a record that does not say of which repository it is, git decides.
        (main(record(1, "a")).knows(record(1, "a")), "v1 +v1"),
        (
            main(record(1, "b")).knows(record(1, "a")),
            "nothing VersionMoved +v1",
        ),
    ] {
        assert_eq!(owner.says(&split("v1")), expected);
    }
    let mut owner = main(record(1, "b")).knows(record(1, "a"));
    (owner.pinned).insert(record(1, "a").number, "a".repeat(40));
    assert_eq!(owner.says(&split("v1")), "v1 ~VersionMoved +v1");
    // What another owner has pinned is what the number means.
    let mut owner = main(record(1, "b"));
    (owner.pinned).insert(record(1, "a").number, "a".repeat(40));
    assert_eq!(owner.says(&split("v1")), "nothing VersionMoved");
    let mut owner = main(record(1, "a"));
    let found = owner.resolve(&split("v1"));
    assert!(found.is_whole());
    let taken = &owner.records[&record(1, "a").number];
    assert_eq!(taken.repository.as_deref(), Some("main"));
}
