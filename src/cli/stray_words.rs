//! Words that were meant for the flag before them and are handed over as words of the command, which would deploy, publish or delete what
//! they happen to name: a message of several words without quotes, and a time behind `--wait` without a sign between them.
//!
//! Pure: reads the words that were typed, and runs nothing.

use super::output::Failure;
use super::shell::quoted;

/// An error where a word may belong to the flag before it.
pub(super) fn check(typed: &[String]) -> Result<(), Failure> {
    unquoted(typed)?;
    unsigned(typed)
}

/// An error where a bare number follows `--wait`: seconds, or a version.
fn unsigned(typed: &[String]) -> Result<(), Failure> {
    let mut pairs = typed.windows(2);
    let is_bare = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) =
        pairs.find_map(|pair| (pair[0] == "--wait" && is_bare(&pair[1])).then(|| &pair[1]))
    else {
        return Ok(());
    };
    let error = format!(
        "`--wait {number}`: {number} may be meant as a time or as version v{number}; nothing was changed"
    );
    Err(Failure::usage(error)
        .hint(format!(
            "a time is written with `=` and its unit: --wait={number}s"
        ))
        .hint(format!(
            "a version behind --wait is written with `v`: --wait v{number}"
        )))
}

/// An error where words follow a message of one word, up to the next flag.
fn unquoted(typed: &[String]) -> Result<(), Failure> {
    let is_flag = |word: &String| word == "-m" || word == "--message";
    let Some(flag) = typed.iter().position(is_flag) else {
        return Ok(());
    };
    let behind: Vec<&str> = (typed[flag + 1..].iter())
        .map(String::as_str)
        .take_while(|word| !word.starts_with('-'))
        .collect();
    let [message, _, ..] = behind[..] else {
        return Ok(());
    };
    if message.contains(char::is_whitespace) {
        return Ok(());
    }
    let words = behind.join(" ");
    let error = format!(
        "`{flag} {words}`: it is not clear where the message ends",
        flag = typed[flag]
    );
    let mut failure = Failure::new(error).hint(format!(
        "a message of several words stands in quotes: {} {}",
        typed[flag],
        quoted(&words)
    ));
    failure = failure.hint(format!(
        "with {} as the whole message, write it last: {} {}",
        quoted(message),
        typed[flag],
        quoted(message)
    ));
    failure.code = super::exit::USAGE;
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_wait_is_neither_a_time_nor_a_version() {
        let check = |line: &str| {
            let typed: Vec<String> = line.split(' ').map(str::to_owned).collect();
            check(&typed).map_err(|failure| failure.to_string())
        };
        for good in [
            "deploy shop 5 --wait",
            "deploy shop --wait v5",
            "deploy shop v5 --wait=5s",
            "rollback shop --wait --json",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["rollback shop --wait 5", "deploy shop 3 --wait 60 -q"] {
            let said = check(bad).unwrap_err();
            assert!(said.contains("may be meant as a time"), "{said}");
        }
    }

    #[test]
    fn words_behind_a_message_of_one_word_are_not_taken_for_words_of_the_command() {
        let check = |line: &str| {
            let typed: Vec<String> = line.split('|').map(str::to_owned).collect();
            unquoted(&typed).map_err(|failure| failure.to_string())
        };
        for good in [
            "deploy|shop|v2",
            "deploy|shop|v2|-m|better",
            "deploy|shop|-m|much better|v2",
            "rollback|shop|-m|broken|--wait",
            "versions|delete|shop|v4|--message|old|--yes",
            "versions|delete|shop|v4|-m",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "versions|delete|shop|v4|--message|replaced|by|v5|--yes",
            "rollback|shop|-m|broken|v2",
            "versions|publish|shop|-m|fix|pay",
        ] {
            let said = check(bad).unwrap_err();
            assert!(
                said.contains("it is not clear where the message ends"),
                "{said}"
            );
        }
    }
}
