//! Where a rollback without a version goes: what ledger and branch remember, for the choice of [`rollback`]. A guess is never made
//! in silence: where something is not known, the error says what, and how to go where it probably leads.

use super::ReleaseRequest;
use super::error::{NothingStable, ReleaseError};
use crate::api::WantedVersion;
use crate::ledger::Served;
use crate::releases::rollback::{self, Deployed, Event, Target};
use crate::releases::{Part, Release};
use crate::store::Branch;
use crate::store::partial::DEPTHS;
use crate::users::{
    Change, Fate, Item, Past, Survey, Timeline, ledger_of, meaning, meant, parts, timeline,
};
use crate::words::{Share, VersionNumber, VersionWord};

/// What a rollback is about.
pub(super) struct Back<'a> {
    pub(super) request: &'a ReleaseRequest,
    pub(super) survey: &'a Survey,
    pub(super) branch: &'a Branch,
    pub(super) release: &'a Release,
}

/// What the object is given now, and before.
struct Memory {
    events: Vec<Event>,
    /// Why older ones are not known.
    cut: Option<String>,
    /// What remembers it, in words.
    place: String,
    now: Now,
    /// True where `now` is all that the object asks for.
    is_known: bool,
}

/// What the object is given now, as far as it is known, with the words for it.
#[derive(Default)]
pub(super) struct Now {
    pub(super) words: Vec<(VersionWord, Part)>,
    /// A ledger says what the words meant when they were deployed.
    pub(super) recorded: bool,
}

impl Now {
    pub(super) fn parts(&self) -> Vec<Part> {
        self.words.iter().map(|(_, part)| *part).collect()
    }

    /// The version that the object is given by this word.
    pub(super) fn meant(&self, word: &VersionWord) -> Option<VersionNumber> {
        let found = self.words.iter().find(|(given, _)| given == word);
        found.map(|(_, part)| part.version)
    }

    /// True where a ledger says what this word meant when it was deployed.
    pub(super) fn is_recorded(&self, word: &VersionWord) -> bool {
        self.recorded && self.meant(word).is_some()
    }
}

impl Back<'_> {
    /// The version to go to, and what is deployed now; or what to do instead. `past` is asked for what the branch deployed, with so
    /// many fetches of older commits.
    pub(super) fn chosen(
        &self,
        past: impl Fn(usize) -> Past,
    ) -> Result<(VersionNumber, Now), ReleaseError> {
        let mut fetches = 0;
        loop {
            let past = past(fetches);
            let memory = self.memory(&past);
            match self.choice(&memory) {
                Ok(version) => return Ok((version, memory.now)),
                // What is not here may decide it.
                Err(_) if past.shallow && fetches < DEPTHS.len() => fetches += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// What is deployed now, as far as it is known: a label may have named another version when it was deployed.
    pub(super) fn now(&self, past: impl Fn(usize) -> Past) -> Now {
        let words = &self.release.wanted.versions;
        if !words.iter().any(is_label) {
            return self.by_word(words);
        }
        let mut fetches = 0;
        loop {
            let past = past(fetches);
            let memory = self.memory(&past);
            // The commit that the ledger tells of may be one that is not here.
            if memory.is_known || !past.shallow || fetches >= DEPTHS.len() {
                return memory.now;
            }
            fetches += 1;
        }
    }

    fn choice(&self, memory: &Memory) -> Result<VersionNumber, ReleaseError> {
        let history = &self.survey.history;
        let lives = |number: VersionNumber| history.version(&VersionWord::Number(number)).is_ok();
        let (target, left) = rollback::target(&memory.events, memory.cut.as_deref(), lives);
        let (why, guess, now) = match target {
            Target::Version(version) => return Ok(version),
            Target::Unknown { why, guess } => (format!("it is not known {why}"), guess, Vec::new()),
            Target::Nothing => {
                let place = &memory.place;
                let why = format!(
                    "{place} knows no earlier version that had 100 %, lives, and was not left for another"
                );
                (why, None, memory.now.parts())
            }
        };
        let living = history.living().map(|version| version.number);
        let mut candidates = rollback::candidates(&memory.events, &left, living);
        // What is advised does not stand among those that were left.
        candidates.left.retain(|version| Some(*version) != guess);
        Err(ReleaseError::NothingStable(Box::new(NothingStable {
            app: self.request.app.clone(),
            object: self.request.object.clone(),
            now,
            why,
            guess,
            candidates,
        })))
    }

    fn memory(&self, past: &Past) -> Memory {
        // What could not be read for a while, and was as before then, was never served.
        let changes: Vec<&Change> = (past.changes.iter())
            .filter(|change| change.is_of(self.release) && !change.passing)
            .collect();
        let newest = changes.first().copied();
        let ledger = newest.and_then(|newest| ledger_of(self.survey, self.branch, newest));
        let history = &self.survey.history;
        let told = timeline(&changes, past, ledger, |change| {
            parts(history, &change.versions)
        });
        let mut events = self.events(&told, &changes);
        let known = self.known(&told);
        self.begin(&mut events, known.as_ref().map(Now::parts), newest);
        let is_known = known.is_some();
        let now = known.unwrap_or_else(|| {
            // The label is left out: nobody can say that its version was left.
            let words = self.release.wanted.versions.iter();
            let fixed = words.filter(|entry| !is_label(entry));
            self.by_word(fixed)
        });
        let place = ledger.map_or_else(
            || format!("branch {}", self.branch.name),
            |ledger| {
                let (environment, branch) = (&ledger.environment, &self.branch.name);
                format!("the ledger of {environment}, with branch {branch} before it,")
            },
        );
        Memory {
            events,
            cut: told.cut,
            place,
            now,
            is_known,
        }
    }

    /// What the object asks for, in numbers; nothing where a label stands there and no ledger says what it meant.
    fn known(&self, told: &Timeline<'_>) -> Option<Now> {
        let words = &self.release.wanted.versions;
        if !words.iter().any(is_label) {
            return Some(self.by_word(words));
        }
        let parts = meant(&self.survey.history, words, told.newest?)?;
        let pair = |(entry, part): (&WantedVersion, Option<Part>)| {
            part.map(|part| (entry.version.clone(), part))
        };
        Some(Now {
            words: words.iter().zip(parts).filter_map(pair).collect(),
            recorded: true,
        })
    }

    /// What words mean now, as far as they mean something.
    fn by_word<'w>(&self, words: impl IntoIterator<Item = &'w WantedVersion>) -> Now {
        let pair = |entry: &WantedVersion| {
            let part = Part {
                version: meaning(&self.survey.history, &entry.version)?,
                percentage: entry.percentage,
            };
            Some((entry.version.clone(), part))
        };
        Now {
            words: words.into_iter().filter_map(pair).collect(),
            recorded: false,
        }
    }

    /// What is remembered, the newest first.
    fn events(&self, told: &Timeline<'_>, changes: &[&Change]) -> Vec<Event> {
        let doubt = |change: &Change| {
            format!(
                "whether what commit {} of branch {} asked for was served: no record of the ledger tells",
                change.commit.short(),
                self.branch.name
            )
        };
        let event = |(index, item): (usize, &Item<'_>)| match item {
            Item::Served(entry) if is_again(&entry.served, &told.items[index + 1..]) => {
                // A branch that went back leaves no commit that says so.
                Event::Deployed(Deployed {
                    left: Vec::new(),
                    by_hand: true,
                    ..of_record(&entry.served, changes)
                })
            }
            Item::Served(entry) => Event::Deployed(of_record(&entry.served, changes)),
            Item::Asked(change, Fate::Never) if change.source.is_none() => {
                let parts = parts(&self.survey.history, &change.versions);
                let left = || Event::Left(change.rolled_back_from.clone());
                parts.map_or_else(left, Event::Passed)
            }
            Item::Asked(change, Fate::Recorded | Fate::Never) => {
                Event::Left(change.rolled_back_from.clone())
            }
            Item::Asked(change, Fate::Alone | Fate::Same) => self.asked(change, None),
            Item::Asked(change, Fate::Unrecorded | Fate::Again) => {
                self.asked(change, Some(doubt(change)))
            }
        };
        let mut events: Vec<Event> = told.items.iter().enumerate().map(event).collect();
        if let Some((index, why)) = &told.gap {
            let why = format!("what was deployed before: {why}");
            let guess = Vec::new();
            events.insert(*index, Event::Unknown { why, guess });
        }
        events
    }

    /// Lets the events begin with what is deployed now.
    fn begin(&self, events: &mut Vec<Event>, known: Option<Vec<Part>>, newest: Option<&Change>) {
        let Some(now) = known else {
            let first = newest.map_or_else(
                || "what is deployed now".to_owned(),
                |newest| self.what(newest),
            );
            let words = &self.release.wanted.versions;
            let unknown = self.meant_then(&first, words);
            // The newest change is the same, where it comes first.
            if events.first() != Some(&unknown) {
                events.insert(0, unknown);
            }
            return;
        };
        let begins =
            |event: &Event| matches!(event, Event::Deployed(deployed) if deployed.parts == now);
        let before =
            (events.iter()).find(|event| !matches!(event, Event::Left(_) | Event::Passed(_)));
        if !before.is_some_and(begins) || !matches!(events.first(), Some(Event::Deployed(_))) {
            events.insert(
                0,
                Event::Deployed(Deployed {
                    parts: now,
                    ..Deployed::default()
                }),
            );
        }
    }

    /// What a change of the branch deployed, in words.
    fn what(&self, change: &Change) -> String {
        let (short, branch) = (change.commit.short(), &self.branch.name);
        format!("what commit {short} of branch {branch} deployed")
    }

    /// A change of the branch.
    fn asked(&self, change: &Change, doubt: Option<String>) -> Event {
        let what = self.what(change);
        if let Some(problem) = &change.unknown {
            return Event::Unknown {
                why: format!("{what}: {problem}"),
                guess: Vec::new(),
            };
        }
        match parts(&self.survey.history, &change.versions) {
            Some(parts) => Event::Deployed(Deployed {
                parts,
                left: change.rolled_back_from.clone(),
                by_hand: change.source.is_none(),
                doubt,
            }),
            None => self.meant_then(&what, &change.versions),
        }
    }

    /// A deployment of words of which one may have meant another version then.
    fn meant_then(&self, what: &str, words: &[WantedVersion]) -> Event {
        let means = |entry: &WantedVersion| meaning(&self.survey.history, &entry.version);
        let moves = |entry: &&WantedVersion| {
            is_label(entry) || (entry.percentage == Share::ALL && means(entry).is_none())
        };
        let entry = words.iter().find(moves);
        let word = entry.map_or_else(String::new, |entry| entry.version.to_string());
        let means = entry.and_then(means).map_or_else(
            || "means no version now".to_owned(),
            |guess| format!("means {guess} now, and may have meant another version then"),
        );
        Event::Unknown {
            why: format!("{what}: it said `{word}`, which {means}"),
            guess: self.by_word(words).parts(),
        }
    }
}

/// True where a record says that the same commit was served before.
fn is_again(served: &Served, older: &[Item<'_>]) -> bool {
    let commit = served.release_commit.as_ref();
    let same = |item: &Item<'_>| match item {
        Item::Served(entry) => entry.served.release_commit.as_ref() == commit,
        Item::Asked(..) => false,
    };
    commit.is_some() && older.iter().any(same)
}

/// A record of a ledger. The commit that asked for it says best what made it.
fn of_record(served: &Served, changes: &[&Change]) -> Deployed {
    let commit = served.release_commit.as_ref();
    let asked = changes.iter().find(|change| Some(&change.commit) == commit);
    let by_command = match asked {
        Some(change) => change.source.is_some(),
        None => !matches!(served.source.as_deref(), None | Some("releases")),
    };
    Deployed {
        parts: (served.versions.iter())
            .map(|version| Part {
                version: version.version,
                percentage: version.percentage,
            })
            .collect(),
        left: served.left().collect(),
        by_hand: !by_command,
        doubt: None,
    }
}

/// True for a word that may mean another version later.
fn is_label(entry: &WantedVersion) -> bool {
    entry.percentage != Share::ZERO && matches!(entry.version, VersionWord::Label(_))
}
