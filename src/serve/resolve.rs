//! Words into versions: what was resolved before stays, whatever git says now; new words are looked up in the mirror.

use super::state::{Pinned, Remembered};
use crate::api::Wanted;
use crate::plan::{Owner, Shares, asked};
use crate::store::Mirror;
use crate::words::AppName;

/// What the versions of one owner are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Resolution {
    /// Nothing where it is not known what is wanted.
    pub(super) shares: Option<Shares>,
    /// Why not all of it is as it is wanted.
    pub(super) problem: Option<String>,
}

/// Resolves what an owner wants, and keeps it in `remembered`: all of it, or what it was before.
pub(super) fn resolve(
    mirror: &Mirror,
    app: &AppName,
    owner: &Owner,
    wanted: &Wanted,
    remembered: &mut Remembered,
) -> Resolution {
    let before = remembered.pinned.get(owner).cloned().unwrap_or_default();
    let mut pinned: Vec<Pinned> = Vec::new();
    let mut problem = None;
    for entry in &wanted.versions {
        let held = (before.iter())
            .find(|old| old.word == entry.version)
            .filter(|old| remembered.records.contains_key(&old.number));
        let number = match held {
            Some(held) => held.number,
            None => match mirror.resolve(app, &entry.version) {
                Ok(record) => {
                    let number = record.number;
                    remembered.records.entry(number).or_insert(record);
                    number
                }
                Err(error) => {
                    problem = Some(error.to_string());
                    break;
                }
            },
        };
        if let Some(twin) = pinned.iter().find(|other| other.number == number) {
            problem = Some(format!(
                "`{}` and `{}` are both {number}; keep one entry with the whole percentage",
                twin.word, entry.version
            ));
            break;
        }
        pinned.push(Pinned {
            word: entry.version.clone(),
            number,
            share: entry.percentage,
        });
    }
    if problem.is_none() {
        let listed = pinned.iter().map(|entry| entry.number).collect();
        problem = asked::reachable(&wanted.routes, &listed, &remembered.records).err();
    }
    let pinned = if problem.is_none() { pinned } else { before };
    let shares: Shares = pinned
        .iter()
        .map(|entry| (entry.number, entry.share))
        .collect();
    if !pinned.is_empty() {
        remembered.pinned.insert(owner.clone(), pinned);
    }
    Resolution {
        shares: Some(shares).filter(|shares| !shares.is_empty()),
        problem,
    }
}
