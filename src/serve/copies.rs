//! A file that is kept twice: where one of both was cut off, damaged or changed, by a disk or by somebody, the other one is whole.
//!
//! A line with the digest of the rest stands at its end, so that what was changed is seen though it can be read. A file without
//! one, as an earlier version wrote it, is taken as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tidy;

/// The last line of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    /// Digest of the file's name without its ending and of all bytes before this line, in hexadecimal: what was copied over another
    /// file is not that one.
    sha256: String,
}

impl Sum {
    fn of(file: &Path, text: &[u8]) -> Self {
        let name = file.file_stem().unwrap_or_default().as_encoded_bytes();
        let digest = Sha256::new().chain_update(name).chain_update(b"\0");
        let sha256 = hex::encode(digest.chain_update(text).finalize());
        Self { sha256 }
    }
}

/// Where the second one is.
fn copy_of(file: &Path) -> PathBuf {
    file.with_extension("copy")
}

/// Neither the file nor its copy can be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {first}, nor its copy: {second}; {}", file.display(), aside.join(" and "))]
pub(super) struct Lost {
    /// The file.
    file: PathBuf,
    /// What is wrong with it.
    first: Damage,
    /// What is wrong with its copy.
    second: Damage,
    /// What became of both, in words.
    aside: [String; 2],
}

/// Why one of the two cannot be read.
#[derive(Debug, thiserror::Error)]
enum Damage {
    /// The system does not give it.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It is not what was written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It can be read, and is not what was written.
    #[error("it was changed since it was written")]
    Changed,
}

/// What stands in the file, or in its copy where it cannot be read.
///
/// # Errors
/// Why neither can be read. Both are put aside then, so that what is written next destroys nothing.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Lost> {
    let parse = |path: &Path| -> Result<T, Damage> {
        let bytes = fs::read(path)?;
        Ok(serde_json::from_slice(whole(path, &bytes)?)?)
    };
    let first = match parse(file) {
        Ok(found) => return Ok(found),
        Err(damage) => damage,
    };
    let copy = copy_of(file);
    match parse(&copy) {
        Ok(found) => {
            let (file, copy) = (file.display(), copy.display());
            tracing::warn!("{file}: {first}; its copy {copy} counts");
            Ok(found)
        }
        Err(second) => Err(Lost {
            file: file.to_owned(),
            first,
            second,
            aside: [file, &copy].map(|path| aside(path).unwrap_or_else(|error| error.to_string())),
        }),
    }
}

/// What stands in a file before its digest.
fn whole<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b [u8], Damage> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let (text, last) = bytes.split_at(end.map_or(0, |end| end + 1));
    match serde_json::from_slice::<Sum>(last) {
        Ok(sum) if sum.sha256 != Sum::of(path, text).sha256 => Err(Damage::Changed),
        Ok(_) => Ok(text),
        Err(_) => Ok(bytes),
    }
}

/// Puts a damaged file aside, or what stands in its place, and says where it is. Of two that are damaged, the newer one is kept.
pub(super) fn aside(path: &Path) -> io::Result<String> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    let aside = path.with_file_name(name);
    if !path.exists() {
        return Ok(format!("{} is not there", path.display()));
    }
    tidy::remove(&aside)?;
    fs::rename(path, &aside)?;
    Ok(format!("what stood there is in {}", aside.display()))
}

/// Writes the file and its copy, each whole or not at all.
pub(super) fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut text = text.to_vec();
    text.push(b'\n');
    let sum = serde_json::to_vec(&Sum::of(file, &text))?;
    text.extend(sum);
    for path in [file, &copy_of(file)] {
        tidy::write(path, &text)?;
    }
    Ok(())
}

/// True where both stand there.
pub(super) fn are_there(file: &Path) -> bool {
    file.is_file() && copy_of(file).is_file()
}

/// Removes both, the copy first: it must not be what is left.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    for path in [&copy_of(file), file] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Text = BTreeMap<String, u32>;

    #[test]
    fn one_of_both_is_enough() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop.json");
        let copy = dir.path().join("shop.copy");
        let is_there = || read::<Text>(&file).map(|found| found["served"]);
        let damage: [&dyn Fn(&Path); 6] = [
            &|path| fs::write(path, "").unwrap(),
            &|path| {
                let other = path.with_file_name("pay.json");
                write(&other, b"{\"served\": 2}").unwrap();
                fs::copy(&other, path).unwrap();
            },
            &|path| {
                let text = fs::read_to_string(path).unwrap();
                fs::write(path, text.replace("\"served\": 1", "\"served\": 2")).unwrap();
            },
            &|path| fs::write(path, "{\"served\"").unwrap(),
            &|path| fs::write(path, b"\xff").unwrap(),
            &|path| fs::remove_file(path).unwrap(),
        ];
        for damage in damage {
            for path in [&file, &copy] {
                write(&file, b"{\"served\": 1}").unwrap();
                damage(path);
                assert_eq!(is_there().unwrap(), 1);
            }
        }
        // Neither is whole: both are put aside, and the next one is begun.
        fs::write(&file, "{\"served\"").unwrap();
        fs::write(&copy, "").unwrap();
        let problem = is_there().unwrap_err().to_string();
        for said in ["shop.json: EOF", "shop.json.damaged", "shop.copy.damaged"] {
            assert!(problem.contains(said), "{problem}");
        }
        write(&file, b"{\"served\": 2}").unwrap();
        assert_eq!(is_there().unwrap(), 2);
        // As an earlier version wrote it.
        fs::write(&file, "{\"served\": 3}").unwrap();
        assert_eq!(is_there().unwrap(), 3);
        remove(&file).unwrap();
        assert!(is_there().is_err());
        remove(&file).unwrap();
    }
}
