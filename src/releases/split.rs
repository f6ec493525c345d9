//! Which share each version gets, where a person names the shares of some, or of none.

use std::str::FromStr;

use crate::words::{
    Share, ShareError, Total, VersionNumber, VersionWord, WORD_MAX, WordError, shown,
};

/// Most versions of one Deployment.
pub const VERSIONS_MAX: usize = 10;

/// A version, and the share that it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The version.
    pub version: VersionNumber,
    /// Its share.
    pub percentage: Share,
}

/// `VERSION[=PERCENT]`, as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The version.
    pub version: VersionWord,
    /// The share, where one is given.
    pub percentage: Option<Share>,
}

/// Why a word asks for nothing that can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// No version.
    #[error(transparent)]
    Version(#[from] WordError),
    /// No percentage.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A share behind the sign of another tool.
    #[error("`{0}`: a share is written behind `=`: {1}")]
    Sign(String, String),
    /// Several, with commas between them.
    #[error("`{0}` is not one version; versions stand with a blank between them, not `,`: {1}")]
    Joined(String, String),
}

/// The versions and shares of a word such as `v7=90,v8=10`, with blanks between them. Nothing for a share with a decimal comma.
fn apart(given: &str) -> Option<String> {
    if !given.contains(',') {
        return None;
    }
    let parts: Vec<&str> = given.split(',').filter(|part| !part.is_empty()).collect();
    let is_decimal = |pair: &[&str]| {
        let decimals = pair[1].trim_end_matches('%');
        pair[0].contains('=') && decimals.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_asked = |part: &&str| part.parse::<Asked>().is_ok();
    (!parts.is_empty() && parts.iter().all(is_asked) && !parts.windows(2).any(is_decimal))
        .then(|| parts.join(" "))
}

impl FromStr for Asked {
    type Err = AskedError;

    /// Reads `v8`, `v8=10` or `v8=12.5%`.
    fn from_str(given: &str) -> Result<Self, AskedError> {
        if let Some(words) = apart(given) {
            return Err(AskedError::Joined(shown(given, WORD_MAX), words));
        }
        let (version, percentage) = match given.rsplit_once('=') {
            Some((version, share)) => {
                let share = share.strip_suffix('%').unwrap_or(share);
                (version, Some(share.parse()?))
            }
            None => match given.split_once(['@', ':']) {
                Some((version, share)) if share.trim_end_matches('%').parse::<Share>().is_ok() => {
                    let right = format!("{version}={}", share.trim_end_matches('%'));
                    return Err(AskedError::Sign(given.to_owned(), right));
                }
                _ => (given, None),
            },
        };
        Ok(Self {
            version: version.parse()?,
            percentage,
        })
    }
}

/// Why shares make no split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// None, or too many.
    #[error("{0} versions are named; name 1 to {VERSIONS_MAX}")]
    Count(usize),
    /// Nothing is left to share, and something is missing or too much.
    #[error("the percentages total {total} and must total exactly 100; {advice}")]
    Total {
        /// What they total.
        total: String,
        /// What to change.
        advice: &'static str,
    },
}

/// The share of each: those that are not given share what the others leave, equally in hundredths of a percent, and what
/// cannot be parted goes to the first of them.
///
/// # Errors
/// When there are too many, or when they can never total 100 %.
pub fn split(given: &[Option<Share>]) -> Result<Vec<Share>, SplitError> {
    if !(1..=VERSIONS_MAX).contains(&given.len()) {
        return Err(SplitError::Count(given.len()));
    }
    let total = Total::of(given.iter().flatten().copied());
    let open = given.iter().filter(|share| share.is_none()).count();
    if total > Total::ALL || (open == 0 && total < Total::ALL) {
        let advice = if given.len() == 1 {
            "a version alone has 100, which need not be written"
        } else if open > 0 {
            "lower one of them"
        } else {
            "change one of them, or leave one out: it gets what the others leave"
        };
        return Err(SplitError::Total {
            total: total.to_string(),
            advice,
        });
    }
    let left = total.left();
    let open = u32::try_from(open).unwrap_or(1).max(1);
    let mut extra = left % open;
    let share = |given: &Option<Share>| {
        given.unwrap_or_else(|| Share::from_basis_points(left / open + std::mem::take(&mut extra)))
    };
    Ok(given.iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(given: &[&str]) -> Result<String, String> {
        let given: Vec<Option<Share>> = given.iter().map(|share| share.parse().ok()).collect();
        let shares = split(&given).map_err(|error| error.to_string())?;
        let total: u32 = shares.iter().map(|share| share.basis_points()).sum();
        assert_eq!(total, 10_000);
        let shares: Vec<String> = shares.iter().map(Share::to_string).collect();
        Ok(shares.join(" "))
    }

    #[test]
    fn what_is_left_is_shared_equally_and_the_first_gets_the_rest_of_it() {
        for (given, expected) in [
            (&["-"][..], "100"),
            (&["100"], "100"),
            (&["90", "10"], "90 10"),
            (&["-", "10"], "90 10"),
            (&["-", "-", "-"], "33.34 33.33 33.33"),
            (&["50", "-", "-", "-"], "50 16.68 16.66 16.66"),
            (&["99.99", "-", "-"], "99.99 0.01 0"),
            (&["100", "-"], "100 0"),
            (&["100", "0"], "100 0"),
            (&["-"; 7], "14.32 14.28 14.28 14.28 14.28 14.28 14.28"),
            (&["-"; 10], "10 10 10 10 10 10 10 10 10 10"),
        ] {
            assert_eq!(shares(given).as_deref(), Ok(expected), "{given:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_change() {
        for (given, said) in [
            (&[][..], "0 versions are named"),
            (&["-"; 11], "11 versions are named; name 1 to 10"),
            (
                &["90"],
                "total 90 and must total exactly 100; a version alone",
            ),
            (
                &["90", "9.99"],
                "total 99.99 and must total exactly 100; change one",
            ),
            (
                &["60", "50", "-"],
                "total 110 and must total exactly 100; lower one",
            ),
        ] {
            let error = shares(given).unwrap_err();
            assert!(error.contains(said), "{given:?}: {error}");
        }
    }

    #[test]
    fn a_word_has_a_version_and_perhaps_a_share() {
        let asked: Asked = "v8=12.5%".parse().unwrap();
        assert_eq!(asked, "8=12.50".parse().unwrap());
        assert_eq!("spring-sale".parse::<Asked>().unwrap().percentage, None);
        for bad in [
            "",
            "=10",
            "v8=",
            "v8=-1",
            "v8=50abc",
            "v8=0.001",
            "v8=101",
            "LATEST=10",
        ] {
            assert!(bad.parse::<Asked>().is_err(), "{bad}");
        }
        for (joined, words) in [
            ("v7=90,v8=10", "v7=90 v8=10"),
            ("v7,v8=10", "v7 v8=10"),
            ("v7=90,", "v7=90"),
        ] {
            let said = joined.parse::<Asked>().unwrap_err().to_string();
            assert!(said.ends_with(&format!("not `,`: {words}")), "{said}");
        }
        // A decimal comma is no second version.
        let said = "v7=12,5".parse::<Asked>().unwrap_err().to_string();
        assert!(said.starts_with("`12,5` is not a percentage"), "{said}");
    }
}
