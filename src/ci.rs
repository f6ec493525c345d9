//! Which pipeline publishes, from the variables that its system documents: its name, the run's address, who started it.
//!
//! Pure: the environment is an argument. What it says is recorded, never trusted: it decides nothing.

use crate::words::is_plain;

/// A run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The system, such as `github-actions`.
    pub system: &'static str,
    /// Address of the run, without credentials.
    pub run: Option<String>,
    /// Who started it, as the system calls them.
    pub actor: Option<String>,
    /// Name and address of who started it, where the system itself gives both.
    pub person: Option<(String, String)>,
}

/// What publishes: a person at a command line, or a pipeline.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// `cli`, or the pipeline's system.
    pub source: String,
    /// Address of the pipeline's run.
    pub run: Option<String>,
    /// Who started the run.
    pub actor: Option<String>,
}

/// Longest address of a run, in bytes.
const RUN_MAX: usize = 1024;
/// Longest name of a person, in characters.
const ACTOR_MAX: usize = 128;

/// The pipeline that the environment is one of. `variable` looks a variable up.
#[must_use]
pub fn pipeline(variable: impl Fn(&str) -> Option<String>) -> Option<Pipeline> {
    let get = |name: &str| variable(name).and_then(|value| clean(&value));
    let first = |names: &[&str]| names.iter().find_map(|name| get(name));
    let on = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let found = |system, run: Option<String>, actor: Option<String>, email: Option<String>| {
        let actor = actor.map(|actor| actor.chars().take(ACTOR_MAX).collect::<String>());
        Some(Pipeline {
            system,
            run: run.and_then(|run| address(&run)),
            person: actor.clone().zip(email.filter(|email| email.contains('@'))),
            actor,
        })
    };
    // Forgejo and Gitea set GitHub's variables too, and Forgejo those of Gitea: the most particular comes first.
    let actor = first(&["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"]);
    let actions = |id: &str| {
        let (server, repository) = (get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?);
        let server = server.trim_end_matches('/');
        Some(format!("{server}/{repository}/actions/runs/{}", get(id)?))
    };
    if on("FORGEJO_ACTIONS") {
        return found("forgejo-actions", actions("GITHUB_RUN_NUMBER"), actor, None);
    }
    if on("GITEA_ACTIONS") {
        return found("gitea-actions", actions("GITHUB_RUN_NUMBER"), actor, None);
    }
    if on("GITHUB_ACTIONS") {
        let public = get("GITHUB_SERVER_URL").is_some_and(|url| url == "https://github.com");
        let email = actor.as_ref().filter(|_| public).map(|actor| {
            // Newer accounts are known by their number too. The number is that of GITHUB_ACTOR.
            let id = get("GITHUB_ACTOR_ID").filter(|_| get("GITHUB_ACTOR").as_ref() == Some(actor));
            let id = id.map_or_else(String::new, |id| format!("{id}+"));
            format!("{id}{actor}@users.noreply.github.com")
        });
        return found("github-actions", actions("GITHUB_RUN_ID"), actor, email);
    }
    if on("GITLAB_CI") {
        let run = first(&["CI_JOB_URL", "CI_PIPELINE_URL"]);
        let mut pipeline = found("gitlab-ci", run, get("GITLAB_USER_LOGIN"), None)?;
        pipeline.person = get("GITLAB_USER_NAME").zip(get("GITLAB_USER_EMAIL"));
        return Some(pipeline);
    }
    if on("BUILDKITE") {
        let (who, email) = (
            get("BUILDKITE_BUILD_CREATOR"),
            get("BUILDKITE_BUILD_CREATOR_EMAIL"),
        );
        return found("buildkite", get("BUILDKITE_BUILD_URL"), who, email);
    }
    if on("CIRCLECI") {
        let (run, who) = (get("CIRCLE_BUILD_URL"), get("CIRCLE_USERNAME"));
        return found("circleci", run, who, None);
    }
    if on("TF_BUILD") {
        let run = || {
            let collection = get("SYSTEM_COLLECTIONURI")?;
            let (project, build) = (get("SYSTEM_TEAMPROJECT")?, get("BUILD_BUILDID")?);
            let (collection, project) = (collection.trim_end_matches('/'), encoded(&project));
            Some(format!(
                "{collection}/{project}/_build/results?buildId={build}"
            ))
        };
        let (who, email) = (get("BUILD_REQUESTEDFOR"), get("BUILD_REQUESTEDFOREMAIL"));
        return found("azure-pipelines", run(), who, email);
    }
    if get("CI").is_some_and(|value| value == "woodpecker") {
        let run = first(&["CI_PIPELINE_URL", "CI_BUILD_LINK"]);
        let who = first(&["CI_PIPELINE_AUTHOR", "CI_COMMIT_AUTHOR"]);
        return found("woodpecker", run, who, None);
    }
    if on("DRONE") {
        // A trigger such as `@hook` or `@cron` is nobody.
        let who = get("DRONE_BUILD_TRIGGER").filter(|who| !who.starts_with('@'));
        let who = who.or_else(|| get("DRONE_COMMIT_AUTHOR"));
        return found("drone", get("DRONE_BUILD_LINK"), who, None);
    }
    if get("TEAMCITY_VERSION").is_some() {
        return found("teamcity", get("BUILD_URL"), None, None);
    }
    if get("JENKINS_URL").is_some() {
        // The person is known where the plugin `build user vars` is used.
        let (who, email) = (get("BUILD_USER_ID"), get("BUILD_USER_EMAIL"));
        return found("jenkins", get("BUILD_URL"), who, email);
    }
    None
}

/// One line without control characters; nothing where it says nothing.
fn clean(value: &str) -> Option<String> {
    let text: String = value.chars().filter(|c| is_plain(*c)).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An address of the web without credentials; nothing where it is none.
fn address(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let web = ["http", "https"].contains(&scheme);
    if !web || text.len() > RUN_MAX || text.contains(char::is_whitespace) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    (!host.is_empty()).then(|| format!("{scheme}://{host}{path}"))
}

/// A part of a path, with what may not stand there percent-encoded.
fn encoded(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = String::new();
    for byte in part.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&hex::encode_upper([byte]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Pipeline> {
        pipeline(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const GITHUB: &str = "GITHUB_ACTIONS=true
        GITHUB_SERVER_URL=https://github.com
        GITHUB_REPOSITORY=acme/shop
        GITHUB_RUN_ID=901
        GITHUB_RUN_NUMBER=7
        GITHUB_ACTOR=ada";

    /// The variables; system, run, actor, person.
    const SYSTEMS: [(&str, &str); 9] = [
        (
            "GITLAB_CI=true
            CI_JOB_URL=https://gitlab.example/acme/shop/-/jobs/5
            GITLAB_USER_LOGIN=ada
            GITLAB_USER_NAME=Ada Lovelace
            GITLAB_USER_EMAIL=ada@example.com",
            "gitlab-ci|https://gitlab.example/acme/shop/-/jobs/5|ada|Ada Lovelace <ada@example.com>",
        ),
        (
            "BUILDKITE=true
            BUILDKITE_BUILD_URL=https://buildkite.com/a/b/builds/4
            BUILDKITE_BUILD_CREATOR=Ada
            BUILDKITE_BUILD_CREATOR_EMAIL=ada@example.com",
            "buildkite|https://buildkite.com/a/b/builds/4|Ada|Ada <ada@example.com>",
        ),
        (
            "CIRCLECI=true
            CIRCLE_BUILD_URL=https://circleci.com/gh/a/b/3
            CIRCLE_USERNAME=ada",
            "circleci|https://circleci.com/gh/a/b/3|ada|",
        ),
        (
            "TF_BUILD=True
            SYSTEM_COLLECTIONURI=https://dev.azure.com/acme/
            SYSTEM_TEAMPROJECT=The Shop
            BUILD_BUILDID=12
            BUILD_REQUESTEDFOR=Ada
            BUILD_REQUESTEDFOREMAIL=ada@example.com",
            "azure-pipelines|https://dev.azure.com/acme/The%20Shop/_build/results?buildId=12|Ada|Ada <ada@example.com>",
        ),
        (
            "CI=woodpecker
            CI_PIPELINE_URL=https://ci.example/repos/7/pipeline/8
            CI_PIPELINE_AUTHOR=ada",
            "woodpecker|https://ci.example/repos/7/pipeline/8|ada|",
        ),
        (
            "CI=true
            DRONE=true
            DRONE_BUILD_LINK=https://drone.example/a/b/42
            DRONE_BUILD_TRIGGER=@hook
            DRONE_COMMIT_AUTHOR=ada",
            "drone|https://drone.example/a/b/42|ada|",
        ),
        (
            "TEAMCITY_VERSION=2025.3
            BUILD_URL=https://tc.example/viewLog.html?buildId=9",
            "teamcity|https://tc.example/viewLog.html?buildId=9||",
        ),
        (
            "JENKINS_URL=https://ci.example/
            BUILD_URL=https://ci.example/job/shop/3/",
            "jenkins|https://ci.example/job/shop/3/||",
        ),
        (
            "JENKINS_URL=https://ci.example/
            BUILD_USER_ID=ada",
            "jenkins||ada|",
        ),
    ];

    fn said(variables: &str) -> String {
        let lines = variables
            .lines()
            .filter_map(|line| line.trim().split_once('='));
        let found = of(&lines.collect::<Vec<_>>()).unwrap();
        let person = found
            .person
            .map(|(name, email)| format!("{name} <{email}>"));
        let parts = [found.run, found.actor, person].map(Option::unwrap_or_default);
        format!("{}|{}", found.system, parts.join("|"))
    }

    #[test]
    fn each_system_is_known_by_its_own_variables() {
        for (variables, expected) in SYSTEMS {
            assert_eq!(said(variables), expected);
        }
    }

    #[test]
    fn forges_that_set_the_variables_of_github_are_told_apart() {
        let run = "https://github.com/acme/shop/actions/runs";
        for (more, expected) in [
            (
                "",
                format!("github-actions|{run}/901|ada|ada <ada@users.noreply.github.com>"),
            ),
            (
                "GITHUB_TRIGGERING_ACTOR=eve",
                format!("github-actions|{run}/901|eve|eve <eve@users.noreply.github.com>"),
            ),
            ("GITEA_ACTIONS=true", format!("gitea-actions|{run}/7|ada|")),
            (
                "GITEA_ACTIONS=true\nFORGEJO_ACTIONS=true",
                format!("forgejo-actions|{run}/7|ada|"),
            ),
        ] {
            assert_eq!(said(&format!("{GITHUB}\n{more}")), expected);
        }
    }

    #[test]
    fn a_person_at_a_terminal_is_no_pipeline() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("CI", "true"), ("GITHUB_ACTIONS", "false")]), None);
        assert_eq!(of(&[("JENKINS_URL", " ")]), None);
    }

    #[test]
    fn what_an_environment_says_is_one_clean_line_without_credentials() {
        let jenkins = |url: &str, who: &str| {
            of(&[
                ("JENKINS_URL", "x"),
                ("BUILD_URL", url),
                ("BUILD_USER_ID", who),
            ])
            .unwrap()
        };
        let found = jenkins(
            "https://me:hunter2@ci.example/job/3\n",
            " a\x1b[31mda\nX: y ",
        );
        assert_eq!(found.run.as_deref(), Some("https://ci.example/job/3"));
        assert_eq!(found.actor.as_deref(), Some("a[31mdaX: y"));
        assert_eq!(
            jenkins("https://a@b@c/x?d=e@f", "").run.as_deref(),
            Some("https://c/x?d=e@f")
        );
        for bad in [
            "ftp://ci.example/x",
            "ci.example/x",
            "https://",
            "https://a b/",
            &format!("https://c/{}", "x".repeat(2000)),
        ] {
            assert_eq!(jenkins(bad, "").run, None, "{bad}");
        }
        let long = jenkins("", &"ä".repeat(1000)).actor.unwrap();
        assert_eq!(long.chars().count(), ACTOR_MAX);
    }

    #[test]
    fn an_account_of_github_is_known_by_its_number_where_that_is_told() {
        let given = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_ACTOR", "ada"),
            ("GITHUB_ACTOR_ID", "583231"),
        ];
        let email = |given: &[(&str, &str)]| of(given).unwrap().person.unwrap().1;
        assert_eq!(email(&given), "583231+ada@users.noreply.github.com");
        // The number is not of whoever ran it again.
        let again = [&given[..], &[("GITHUB_TRIGGERING_ACTOR", "grace")]].concat();
        assert_eq!(email(&again), "grace@users.noreply.github.com");
    }
}
