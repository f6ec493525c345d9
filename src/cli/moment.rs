//! A moment as people write it: a date, a time, or how long ago; and the present one.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// The present, with the offset from UTC that holds here, as git writes it into commits.
///
/// The C library tells the offset in no time; [`Zoned::now`] looks through the whole folder of time zones for a name.
pub(super) fn now() -> Zoned {
    let offset = git2::Signature::now("nobody", "nobody@localhost")
        .ok()
        .and_then(|signature| Offset::from_seconds(signature.when().offset_minutes() * 60).ok())
        .unwrap_or(Offset::UTC);
    Timestamp::now().to_zoned(TimeZone::fixed(offset))
}

/// A moment in a table: in the zone of this machine, in which people also write it.
pub(super) fn shown(moment: Timestamp) -> String {
    static HERE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);
    let here = moment.to_zoned(HERE.clone());
    here.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A moment as machines write it, to the second.
pub(super) fn seconds(moment: Timestamp) -> String {
    let whole = Timestamp::from_second(moment.as_second());
    whole.unwrap_or(moment).to_string()
}

/// Which end of a day a date alone means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Its first second.
    Start,
    /// Its last second.
    End,
}

/// A text that is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is no time; write a date (2026-11-21), a time (2026-11-21T10:00 or 2026-11-21T10:00:00Z), or how long ago (2 days ago, 36h)"
)]
pub(super) struct NoMoment {
    given: String,
}

/// Reads `2026-11-21`, `2026-11-21T10:00`, `2026-11-21T10:00:00Z`, `2 days ago` or `2d`. A time without a zone is one of the
/// zone of `now`.
pub(super) fn read(text: &str, edge: Edge, now: &Zoned) -> Result<Timestamp, NoMoment> {
    let fail = || NoMoment {
        given: text.to_owned(),
    };
    let zone = now.time_zone();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date parses as a time at midnight too, so it comes first.
    let looks_timed = text.contains([':', 'T', ' ']);
    if !looks_timed && let Ok(date) = text.parse::<Date>() {
        let start = |date: Date| date.to_zoned(zone.clone()).map_err(|_| fail());
        return match edge {
            Edge::Start => Ok(start(date)?.timestamp()),
            Edge::End => {
                let next = start(date.tomorrow().map_err(|_| fail())?)?;
                let last = next.timestamp().checked_sub(1.second());
                last.map_err(|_| fail())
            }
        };
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let zoned = time.to_zoned(zone.clone()).map_err(|_| fail())?;
        return Ok(zoned.timestamp());
    }
    let span: Span = text.parse().map_err(|_| fail())?;
    let then = now.checked_sub(span.abs()).map_err(|_| fail())?;
    Ok(then.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_second() {
        for (text, shown) in [
            ("2026-11-20T10:00:00.999999999Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20T10:00:30Z", "2026-11-20T10:00:30Z"),
        ] {
            assert_eq!(seconds(text.parse().unwrap()), shown);
        }
    }

    #[test]
    fn dates_times_and_spans_are_moments() {
        let now: Zoned = "2026-11-21T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, edge, expected) in [
            ("2026-11-20", Edge::Start, "2026-11-19T23:00:00Z"),
            ("2026-11-20", Edge::End, "2026-11-20T22:59:59Z"),
            ("2026-11-20T10:00", Edge::End, "2026-11-20T09:00:00Z"),
            ("2026-11-20 10:00:30", Edge::Start, "2026-11-20T09:00:30Z"),
            ("2026-11-20T10:00:00Z", Edge::Start, "2026-11-20T10:00:00Z"),
            ("2 days ago", Edge::Start, "2026-11-19T11:00:00Z"),
            ("2d", Edge::End, "2026-11-19T11:00:00Z"),
            ("1 month ago", Edge::Start, "2026-10-21T10:00:00Z"),
            ("90m", Edge::Start, "2026-11-21T09:30:00Z"),
        ] {
            let moment = read(text, edge, &now).unwrap();
            assert_eq!(moment.to_string(), expected, "{text}");
        }
        for bad in [
            "",
            "yesterday-ish",
            "2026-13-01",
            "20:00",
            "-",
            "99999999999 years",
        ] {
            assert!(read(bad, Edge::Start, &now).is_err(), "{bad}");
        }
    }
}
