//! Quantities as Kubernetes writes them: `100m`, `64Mi`, `1.5`, `2e3`.

/// True for a quantity that the API server accepts: not negative, digits with an optional point, and one suffix.
pub(super) fn is_quantity(text: &str) -> bool {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let points = number.bytes().filter(|b| *b == b'.').count();
    if digits == 0 || digits > 18 || points > 1 {
        return false;
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .map(|rest| rest.trim_start_matches(['+', '-']));
    let exponent = exponent.is_some_and(|rest| {
        (1..=2).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
    });
    let suffixes = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    exponent || suffixes.contains(&suffix)
}

/// How much it is; nothing where it is no quantity. Near enough to compare two.
pub(super) fn value(text: &str) -> Option<f64> {
    if !is_quantity(text) {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    if let Some(exponent) = suffix
        .strip_prefix(['e', 'E'])
        .filter(|rest| !rest.is_empty())
    {
        return Some(number * 10f64.powi(exponent.parse().ok()?));
    }
    let thousands = |power: i32| Some(number * 1000f64.powi(power));
    if let Some(letter) = suffix.strip_suffix('i') {
        let power = "KMGTPE".find(letter)?;
        return Some(number * 1024f64.powi(i32::try_from(power + 1).ok()?));
    }
    match suffix {
        "n" => thousands(-3),
        "u" => thousands(-2),
        "m" => thousands(-1),
        "" => Some(number),
        "k" => thousands(1),
        "M" => thousands(2),
        "G" => thousands(3),
        "T" => thousands(4),
        "P" => thousands(5),
        _ => thousands(6),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_quantity, value};

    #[test]
    fn quantities_are_compared_whatever_their_suffix() {
        for (text, expected) in [
            ("100m", 0.1),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("64Mi", 67_108_864.0),
            ("1e3", 1000.0),
            ("2E-3", 0.002),
            ("1E", 1e18),
            ("10k", 10_000.0),
            ("3n", 3e-9),
        ] {
            let value = value(text).unwrap();
            assert!(
                (value - expected).abs() <= expected * 1e-9,
                "{text}: {value}"
            );
        }
        assert_eq!(value("64mb"), None);
    }

    #[test]
    fn quantities_are_what_the_api_server_accepts() {
        for good in [
            "0", "1", "100m", "1.5", ".5", "5.", "64Mi", "1e3", "2E-3", "1E", "10k",
        ] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in [
            "", "-1", "m", "1.2.3", "1 Mi", "64mb", "1K", "1e", "1e999", "Mi", ".",
        ] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
