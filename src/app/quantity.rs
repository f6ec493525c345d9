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

#[cfg(test)]
mod tests {
    use super::is_quantity;

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
