use super::*;

const HEAD: &str = "# Ours.\napiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: checkout} # ä\nspec:\n  app: checkout\n  repository: shop\n";
const ALIAS: &str = "# A name.\napiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: staging}\nspec:\n  app: checkout\n  repository: shop\n";

/// `live` is version 7, and so is the id.
fn meaning(word: &VersionWord) -> Option<VersionNumber> {
    match word {
        VersionWord::Number(number) => Some(*number),
        VersionWord::Label(label) => (label.as_str() == "live").then(|| "7".parse().unwrap()),
        VersionWord::Id(_) => Some("7".parse().unwrap()),
    }
}

fn part(text: &str) -> Part {
    let (version, share) = text.split_once('=').unwrap();
    Part {
        version: version.parse().unwrap(),
        percentage: share.parse().unwrap(),
    }
}

/// The file with the parts such as `8=10` in its last object.
fn edit(file: &str, parts: &[&str], message: Option<&str>) -> Result<String, EditError> {
    without(file, parts, &[], message)
}

/// The same, without the rules for these words.
fn without(
    file: &str,
    parts: &[&str],
    gone: &[&str],
    message: Option<&str>,
) -> Result<String, EditError> {
    let mut content = read("r.yaml", file.as_bytes()).unwrap();
    let release = content.releases.pop().unwrap();
    let parts: Vec<Part> = parts.iter().map(|text| part(text)).collect();
    let parts = arrange(&release.wanted.versions, &parts, &meaning);
    let gone: Vec<VersionWord> = gone.iter().map(|word| word.parse().unwrap()).collect();
    let bytes = deploy(&release, file.as_bytes(), &parts, &gone, message, &meaning)?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[track_caller]
fn check(before: &str, parts: &[&str], message: Option<&str>, after: &str) {
    let edited = edit(&format!("{HEAD}{before}"), parts, message);
    assert_eq!(edited.unwrap(), format!("{HEAD}{after}"));
    // The same with the line breaks of another system.
    let dos = |text: &str| format!("{HEAD}{text}").replace('\n', "\r\n");
    let edited = edit(&dos(before), parts, message);
    assert_eq!(edited.unwrap(), dos(after));
}

#[test]
fn shares_change_in_place_and_every_comment_stays() {
    check(
        "  versions: # who\n    # first\n    - version: 7   # old\n      percentage: 100 # all\n    # second\n    - percentage: 0\n      version: v8 # new\n\n  # behind\n  routes: []\n",
        &["8=12.5", "7=87.5"],
        None,
        "  versions: # who\n    # first\n    - version: 7   # old\n      percentage: 87.5 # all\n    # second\n    - percentage: 12.5\n      version: v8 # new\n\n  # behind\n  routes: []\n",
    );
    // What has its share already is not touched, however it is written.
    check(
        "  versions:\n  - {version: 7, percentage: 50.00}\n  - {version: 8, percentage: 50}\n",
        &["7=50", "9=50"],
        None,
        "  versions:\n  - {version: 7, percentage: 50.00}\n  - {version: 9, percentage: 50}\n",
    );
}

#[test]
fn entries_come_and_go_in_the_form_of_the_first() {
    check(
        "  versions:\n    - version: 7 # old\n      percentage: 100\n",
        &["8=10", "7=90"],
        None,
        "  versions:\n    - version: 7 # old\n      percentage: 90\n    - version: 8\n      percentage: 10\n",
    );
    check(
        "  versions:\n  # all\n  -   percentage: 90\n      version: \"v7\"\n  # goes\n  - percentage: 10 # too\n    version: \"v8\"\n  # stays\n  message: x\n",
        &["9=100"],
        None,
        "  versions:\n  # all\n  -   percentage: 100\n      version: \"v9\"\n  # stays\n  message: x\n",
    );
    check(
        "  versions:\n  - {version: v7, percentage: 20} # a\n  # b's own\n  - {version: v8, percentage: 30} # b\n  - {version: v9, percentage: 50} # c\n",
        &["8=40", "10=60"],
        None,
        "  versions:\n  # b's own\n  - {version: v8, percentage: 40} # b\n  - {version: v10, percentage: 60}\n",
    );
    check(
        "  versions:\n  -\n    version: '7'\n    percentage: 100",
        &["7=1", "8=99"],
        None,
        "  versions:\n  -\n    version: '7'\n    percentage: 1\n  - version: '8'\n    percentage: 99",
    );
}

#[test]
fn lists_in_one_line_stay_in_one_line() {
    check(
        "  versions: [{version: 7, percentage: 100}] # all\n",
        &["7=90", "8=10"],
        None,
        "  versions: [{version: 7, percentage: 90}, {version: 8, percentage: 10}] # all\n",
    );
    check(
        "  versions: [ {percentage: 60, version: \"v7\" }, {percentage: 40, version: \"v8\"}, ]\n",
        &["8=100"],
        Some("Off: all"),
        "  message: \"Off: all\"\n  versions: [{version: \"v8\", percentage: 100}]\n",
    );
    let flow = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: c}\nspec: {app: c, repository: r, versions: [{version: 1, percentage: 100}]}\n";
    assert_eq!(
        edit(flow, &["2=100"], Some("a, b")).unwrap(),
        flow.replace("version: 1", "version: 2")
            .replace("versions", "message: \"a, b\", versions")
    );
}

#[test]
fn a_rule_is_named_as_its_version_is_listed() {
    check(
        "  versions:\n  - {version: v6, percentage: 100}\n  - {version: live, percentage: 0} # beta\n  rules:\n  - version: live # who asks\n    query: {name: a, value: \"1\"}\n  - {version: 6, header: {name: X, value: z}}\n",
        &["8=100", "7=0", "6=0"],
        None,
        "  versions:\n  - {version: v6, percentage: 0}\n  - {version: v7, percentage: 0} # beta\n  - {version: v8, percentage: 100}\n  rules:\n  - version: v7 # who asks\n    query: {name: a, value: \"1\"}\n  - {version: 6, header: {name: X, value: z}}\n",
    );
    check(
        "  rules: [{cookie: {name: a, value: \"1\"}, version: \"g1a2b3c4\"}]\n  versions: [{version: g1a2b3c4, percentage: 100}]\n",
        &["7=90", "8=10"],
        None,
        "  rules: [{cookie: {name: a, value: \"1\"}, version: 7}]\n  versions: [{version: 7, percentage: 90}, {version: 8, percentage: 10}]\n",
    );
    // One whose version is not listed is refused in the words of the file.
    let rules = "  versions: [{version: live, percentage: 100}]\n  rules: [{version: live, query: {name: a, value: \"1\"}}]\n";
    let error = edit(&format!("{HEAD}{rules}"), &["8=100"], None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("rule 1 is for version live, which is not listed"),
        "{error}"
    );
}

#[test]
fn labels_and_ids_become_numbers_and_keep_their_lines() {
    check(
        "  versions:\n  - version: live # the shop\n    percentage: 100\n",
        &["7=90", "8=10"],
        None,
        "  versions:\n  - version: 7 # the shop\n    percentage: 90\n  - version: 8\n    percentage: 10\n",
    );
    check(
        "  versions:\n  - version: \"g1a2b3c4\"\n    percentage: 100\n",
        &["7=100"],
        None,
        "  versions:\n  - version: 7\n    percentage: 100\n",
    );
}

#[test]
fn a_message_takes_the_place_of_the_one_that_is_there() {
    let list = "  versions: [{version: 7, percentage: 100}]\n";
    for (before, message, after) in [
        ("", "Try it", "  message: Try it\n"),
        (
            "  message: Old # why\n",
            "It's new",
            "  message: It's new # why\n",
        ),
        ("  message: \"Old\"\n", "New", "  message: \"New\"\n"),
        (
            "  message: 'Old'\n",
            "say \"x\"",
            "  message: \"say \\\"x\\\"\"\n",
        ),
        ("  message: # why\n", "New", "  message: New # why\n"),
        ("  message: Old\n", "yes", "  message: \"yes\"\n"),
        ("  message: Old\n", "7: a # b", "  message: \"7: a # b\"\n"),
        (
            "  message: Old\n",
            "two\nlines",
            "  message: \"two\\nlines\"\n",
        ),
        (
            "  message: |\n    Old\n\n    lines\n\n  # behind\n",
            "New",
            "  message: New\n\n  # behind\n",
        ),
        (
            "  message: >-\n    Old\n    lines\n",
            "New",
            "  message: New\n",
        ),
        ("  message: Old\n    and more\n", "New", "  message: New\n"),
    ] {
        check(
            &format!("{before}{list}"),
            &["8=100"],
            Some(message),
            &format!("{after}{}", list.replace('7', "8")),
        );
    }
    // Behind the list as well.
    check(
        &format!("{list}  message: Old\n"),
        &["8=100"],
        Some("New"),
        &format!("{}  message: New\n", list.replace('7', "8")),
    );
}

#[test]
fn other_objects_of_the_file_stay_byte_for_byte() {
    let list = "  versions:\n  - {version: 7, percentage: 100}\n";
    let other = HEAD.replace("name: checkout", "name: other");
    let file = format!("{other}{list}---\n{HEAD}{list}---\n# nothing\n");
    let edited = edit(&file, &["7=60", "8=40"], None).unwrap();
    let new = "  versions:\n  - {version: 7, percentage: 60}\n  - {version: 8, percentage: 40}\n";
    assert_eq!(
        edited,
        format!("{other}{list}---\n{HEAD}{new}---\n# nothing\n")
    );
}

#[test]
fn what_cannot_be_edited_in_place_is_said_with_what_to_write() {
    for list in [
        "  versions:\n  - &a {version: 7, percentage: 50}\n  - {version: 8, percentage: 50}\n",
        "  versions: [{version: 7, percentage: 50}, # x\n    {version: 8, percentage: 50}]\n",
        "  versions:\n  - {version: 7,\n     percentage: 50\n    }\n  - {version: 8, percentage: 50}\n",
    ] {
        let error = edit(&format!("{HEAD}{list}"), &["9=100"], None).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("r.yaml:2: Deployment `checkout`")
                && said.ends_with("versions:\n  - {version: 9, percentage: 100}"),
            "{said}"
        );
    }
}

#[test]
fn an_alias_gets_another_version_and_canary() {
    let tail = "  description: x # y\n";
    for (before, version, canary, after) in [
        ("  version: 7 # a\n", "8", None, "  version: 8 # a\n"),
        ("  version: live\n", "7", None, "  version: 7\n"),
        ("  version: \"v7\"\n", "8", None, "  version: \"v8\"\n"),
        (
            "  version: v7 # a\n",
            "7",
            Some("8=25"),
            "  version: v7 # a\n  canary:\n    version: v8\n    percentage: 25\n",
        ),
        (
            "  version: 7\n  canary: # c\n    version: 8 # d\n    percentage: 25\n",
            "7",
            Some("9=25"),
            "  version: 7\n  canary: # c\n    version: 9 # d\n    percentage: 25\n",
        ),
        (
            "  version: 7\n  canary: {percentage: 25, version: 8} # c\n",
            "8",
            None,
            "  version: 8\n",
        ),
        (
            "  canary:\n    version: 8\n    percentage: 25\n  # main\n  version: 7\n",
            "8",
            None,
            "  # main\n  version: 8\n",
        ),
    ] {
        let file = |text: &str| format!("{ALIAS}{text}{tail}");
        assert_eq!(alias(&file(before), version, canary).unwrap(), file(after));
    }
    let flow = |middle: &str| {
        format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {{name: prod}}\nspec: {{app: c, {middle}repository: r}}\n"
        )
    };
    let (with, without) = (
        "version: 7, canary: {version: 8, percentage: 25}, ",
        "version: 7, ",
    );
    assert_eq!(
        alias(&flow(without), "7", Some("8=25")).unwrap(),
        flow(with)
    );
    assert_eq!(alias(&flow(with), "7", None).unwrap(), flow(without));
}

fn alias(file: &str, version: &str, canary: Option<&str>) -> Result<String, EditError> {
    let mut content = read("r.yaml", file.as_bytes()).unwrap();
    let release = content.releases.pop().unwrap();
    let version = version.parse().unwrap();
    let bytes = set_alias(
        &release,
        file.as_bytes(),
        version,
        canary.map(part),
        &meaning,
    )?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn an_object_is_taken_out_of_its_file() {
    let take = |file: &str, index: usize| {
        let release = read("r.yaml", file.as_bytes())
            .unwrap()
            .releases
            .remove(index);
        let left = remove(&release, file.as_bytes()).unwrap();
        left.map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let one = format!("{ALIAS}  version: 7\n");
    let two = one.replace("staging", "prod");
    let three = one.replace("staging", "old");
    assert_eq!(take(&one, 0), None);
    let file = format!("{one}---\n{two}--- # last\n{three}");
    assert_eq!(
        take(&file, 0).unwrap(),
        format!("---\n{two}--- # last\n{three}")
    );
    assert_eq!(take(&file, 1).unwrap(), format!("{one}--- # last\n{three}"));
    assert_eq!(take(&file, 2).unwrap(), format!("{one}---\n{two}"));
}

#[test]
fn rules_for_what_is_gone_are_taken_out_and_no_other_byte() {
    let versions = "  versions: [{version: v7, percentage: 100}, {version: beta, percentage: 0}, {version: alpha, percentage: 0}]\n";
    let after = "  versions: [{version: v7, percentage: 100}]\n";
    for (rules, rest) in [
        (
            "  rules: # who asks\n    # testers\n    - version: beta # new\n      query: {name: a, value: \"1\"} # so\n  # behind\n  message: x\n",
            "  rules: [] # who asks\n  # behind\n  message: x\n",
        ),
        (
            "  rules:\n  - {version: beta, header: {name: X, value: z}}\n  # old\n  - version: v7\n    header: {name: W, value: z}\n  # alpha's\n  - cookie: {name: c, value: d}\n    version: alpha\n  # ours\n  - {version: 7, header: {name: Z, value: z}}\n  - {version: beta, header: {name: V, value: \"z\"} }",
            "  rules:\n  # old\n  - version: v7\n    header: {name: W, value: z}\n  # ours\n  - {version: 7, header: {name: Z, value: z}}",
        ),
        (
            "  rules: [{version: beta, query: {name: a, value: \"1\"}}]\n",
            "  rules: []\n",
        ),
        (
            "  rules: [ {version: beta, query: {name: a, value: \"1\"}}, {version: v7, query: {name: b, value: \"1\"}}, {version: alpha, query: {name: c, value: \"1\"}}, {version: beta, query: {name: d, value: \"1\"}}, ]\n",
            "  rules: [ {version: v7, query: {name: b, value: \"1\"}}]\n",
        ),
    ] {
        for eol in ["\n", "\r\n"] {
            let text =
                |versions: &str, rules: &str| format!("{HEAD}{versions}{rules}").replace('\n', eol);
            let edited = without(&text(versions, rules), &["7=100"], &["beta", "alpha"], None);
            assert_eq!(edited.unwrap(), text(after, rest));
        }
    }
    // What cannot be taken out in place is said.
    let over = "  rules:\n  - {version: beta, header: {name: X,\n    value: z\n    }}\n";
    let error = without(
        &format!("{HEAD}{versions}{over}"),
        &["7=100"],
        &["beta"],
        None,
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("# in rules: nothing for beta"), "{error}");
}

#[test]
fn a_rule_is_kept_and_one_for_a_version_that_would_leave_is_named() {
    let rules = "  rules:\n  - {version: 7, header: {name: X-Old, value: \"1\"}} # for the shops\n";
    let before = format!("  versions:\n  - {{version: 7, percentage: 100}}\n{rules}");
    check(
        &before,
        &["8=100", "7=0"],
        None,
        &format!(
            "  versions:\n  - {{version: 7, percentage: 0}}\n  - {{version: 8, percentage: 100}}\n{rules}"
        ),
    );
    let error = edit(&format!("{HEAD}{before}"), &["8=100"], None).unwrap_err();
    insta::assert_snapshot!(error, @"r.yaml:11:5: spec.rules: rule 1 is for version v7, which is not listed; list it (0 % is enough), or change or take out the rule");
}

#[test]
fn a_file_that_is_json_stays_json() {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for list in [
        "[{\"version\": 1, \"percentage\": 100}]",
        "[\n    {\n      \"version\": \"v1\",\n      \"percentage\": 100\n    }\n  ]",
    ] {
        let file = format!(
            "{{\n  \"apiVersion\": \"cutwater.dev/v1alpha1\", \"kind\": \"Deployment\",\n  \"metadata\": {{\"name\": \"c\"}},\n  \"spec\": {{\"app\": \"c\", \"repository\": \"r\",\n  \"versions\": {list}}}\n}}\n"
        );
        for message in [None, Some("plain words")] {
            let edited = edit(&file, &["1=50", "2=50"], message).unwrap();
            let spec = &json(&edited)["spec"];
            assert_eq!(spec["versions"][1]["percentage"], 50, "{edited}");
            assert_eq!(spec["message"].as_str(), message, "{edited}");
            if message.is_some() {
                let again = edit(&edited, &["2=100"], Some("other")).unwrap();
                assert_eq!(json(&again)["spec"]["message"], "other", "{again}");
            }
        }
    }
    let file = "{\"apiVersion\": \"cutwater.dev/v1alpha1\", \"kind\": \"Alias\", \"metadata\": {\"name\": \"s\"}, \"spec\": {\"app\": \"c\", \"repository\": \"r\", \"version\": 1}}";
    let with = alias(file, "2", Some("3=25")).unwrap();
    assert_eq!(json(&with)["spec"]["canary"]["version"], 3, "{with}");
    let without = alias(&with, "2", None).unwrap();
    assert_eq!(json(&without)["spec"].get("canary"), None, "{without}");
    let block = "  versions:\n  - \"version\": 7\n    \"percentage\": 100\n";
    let after = "  versions:\n  - \"version\": 7\n    \"percentage\": 50\n  - \"version\": 8\n    \"percentage\": 50\n";
    check(block, &["7=50", "8=50"], None, after);
}
