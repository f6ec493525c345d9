//! `--pull-request`: what is proposed in a branch gets a pull request, with what the merge does as its text.
//!
//! What can be known before anything is pushed is looked at before. Once the branch stands, an error says so, and how to go on.

use std::ffi::OsString;

use super::context::Context;
use super::output::{Failure, Ui};
use super::plan;
use super::shell::quoted;
use crate::forge::{self, ForgeError, Login, Opened, Place, Proposal, Sender};
use crate::git::{self, WebSettings};
use crate::releasing::{ReleaseRequest, Released, Wish};
use crate::words::{AppName, VersionWord};

/// Most versions in the name of a branch.
const VERSIONS_MAX: usize = 3;

/// The forge that a pull request is opened at.
pub(super) struct Forge {
    sender: Sender,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Forge {
    /// The forge of the clone's remote.
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        let workspace = &context.workspace;
        let before = |error: ForgeError| {
            Failure::from(error).about("no pull request can be opened, and nothing was pushed")
        };
        let address = workspace.address();
        let api = variable("CUTWATER_FORGE_API");
        let place = Place::of(
            &address,
            workspace.settings().forge.as_ref(),
            api.as_deref(),
        );
        let place = place.map_err(|error| before(error.into()))?;
        // A pipeline may have its token in the address of the remote.
        let own = [&address, &place.web()].map(|address| origin(address));
        let url = if own[0].is_some() && own[0] == own[1] {
            address
        } else {
            place.web()
        };
        let ask = || git::password(context.dir(), &url);
        let login = Login::of(&place, variable, ask).map_err(before)?;
        let web = WebSettings::of(context.dir(), &place.web());
        let sender = Sender::new(place, login, &web, context.timeout).map_err(before)?;
        Ok(Self { sender })
    }

    /// What a dry run says of it.
    pub(super) fn would(&self, released: &Released) -> String {
        format!(
            "would push branch {}, and open a pull request in {} at {}",
            released.branch,
            self.sender.place().repository(),
            self.sender.place().host()
        )
    }

    /// Opens the pull request of what was pushed. It stands in `released` then.
    pub(super) fn open(
        &self,
        ui: &Ui,
        context: &Context,
        request: &ReleaseRequest,
        released: &mut Released,
    ) -> Result<Opened, Failure> {
        let base = context.workspace.settings().branch.clone();
        let proposal = Proposal {
            branch: released.branch.clone(),
            title: released.title.clone(),
            body: text(ui, context, request, released),
            base,
        };
        let rest = format!(
            "There is more, and no room for it here: `cutwater plan {}/{} --head {}/{}` shows it.",
            context.workspace.remote(),
            proposal.base,
            context.workspace.remote(),
            proposal.branch
        );
        let place = self.sender.place();
        let proposal = proposal.fitting(place.kind, &rest);
        ui.progress(&format!("opening a pull request at {}", place.host()));
        let opened = forge::open(&self.sender, &proposal);
        let opened = opened.map_err(|error| stands(context, released, error))?;
        released.pull_request = Some(opened.pull_request.url.clone());
        released.opened_pull_request = Some(opened.pull_request.clone());
        Ok(opened)
    }
}

/// Why it is done, and what the merge does.
fn text(ui: &Ui, context: &Context, request: &ReleaseRequest, released: &Released) -> String {
    let mut parts: Vec<String> = request.message.iter().cloned().collect();
    let plan = (released.commit.as_ref())
        .map(|commit| plan::text_of_merge(ui, context, (&released.onto, commit)));
    match plan {
        Some(Ok(plan)) => parts.push(plan),
        // The change is what counts: what it does can be looked at later.
        Some(Err(error)) => ui.warning(format!(
            "what the merge does is not in the text of the pull request: {error}"
        )),
        None => {}
    }
    parts.join("\n\n")
}

/// The pull request was not opened: what stands, and what to do.
fn stands(context: &Context, released: &Released, error: ForgeError) -> Failure {
    let (branch, remote) = (&released.branch, context.workspace.remote());
    let is_not = if error.may_be_open() {
        "is not known to be"
    } else {
        "is not"
    };
    let mut failure = Failure::from(error).about(format!(
        "branch {branch} is at remote `{remote}` with the change, and its pull request {is_not} open"
    ));
    if let Some(command) = again(std::env::args_os(), branch) {
        failure = failure.hint(format!("`{command}` goes on from there"));
    }
    let base = &context.workspace.settings().branch;
    failure.hint(match &released.pull_request {
        Some(page) => format!("by hand it is opened here: {page}"),
        None => format!("by hand, open a pull request of branch {branch} into {base}"),
    })
}

/// The command line that goes on with a branch; nothing where the words do not tell where a flag may stand.
fn again(words: impl Iterator<Item = OsString>, branch: &str) -> Option<String> {
    let words: Option<Vec<String>> = words.skip(1).map(|word| word.into_string().ok()).collect();
    let mut words = words?;
    if words.iter().any(|word| word == "--") {
        return None;
    }
    let names_it = |word: &String| word == "--branch" || word.starts_with("--branch=");
    if !words.iter().any(names_it) {
        words.extend(["--branch".to_owned(), branch.to_owned()]);
    }
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    Some(format!("cutwater {}", words.join(" ")))
}

/// `https://host:port` of an address of the web.
fn origin(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    (url.scheme().starts_with("http")).then(|| url.origin().ascii_serialization())
}

/// A name for the branch of a change: what changes, and an id that no other branch has.
pub(super) fn own_branch(app: &AppName, wish: &Wish) -> String {
    named(app, wish, fastrand::u64(..))
}

fn named(app: &AppName, wish: &Wish, id: u64) -> String {
    let words = |words: &[&VersionWord]| {
        let words = words.iter().take(VERSIONS_MAX);
        let words: Vec<String> = words.map(ToString::to_string).collect();
        words.join("-")
    };
    let what = match wish {
        Wish::Deploy(asked) => {
            let versions: Vec<&VersionWord> = asked.iter().map(|one| &one.version).collect();
            words(&versions)
        }
        Wish::RollBack(None) => "rollback".to_owned(),
        Wish::RollBack(Some(version)) => format!("rollback-{version}"),
        Wish::SetAlias { name, version, .. } => format!("{name}-{version}"),
        Wish::DeleteAlias(name) => format!("{name}-delete"),
    };
    // 48 bits: of a million branches no two are likely to meet, and the push takes no name that is there.
    format!("cutwater/{app}-{what}-{:012x}", id >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_called_as_what_changes() {
        let app: AppName = "checkout".parse().unwrap();
        let asked = |words: &str| {
            let words = words.split(' ');
            Wish::Deploy(words.map(|word| word.parse().unwrap()).collect())
        };
        let alias = "staging".parse().unwrap();
        for (wish, name) in [
            (asked("v8"), "cutwater/checkout-v8-00000000002a"),
            (asked("v7=90 v8=10"), "cutwater/checkout-v7-v8-00000000002a"),
            (
                asked("spring.sale"),
                "cutwater/checkout-spring.sale-00000000002a",
            ),
            (
                asked("v1 v2 v3 v4"),
                "cutwater/checkout-v1-v2-v3-00000000002a",
            ),
            (
                Wish::RollBack(None),
                "cutwater/checkout-rollback-00000000002a",
            ),
            (
                Wish::DeleteAlias(alias),
                "cutwater/checkout-staging-delete-00000000002a",
            ),
        ] {
            assert_eq!(named(&app, &wish, 0x2a << 16), name);
        }
    }

    #[test]
    fn the_command_that_goes_on_names_the_branch_once() {
        let again = |words: &str, branch: &str| {
            let words = words.split('/').map(OsString::from);
            again(words, branch)
        };
        let all = "/usr/bin/x/deploy/shop/v8/-m/It is new/--pull-request";
        let words = all.trim_start_matches("/usr/bin/");
        assert_eq!(
            again(words, "a-1").as_deref(),
            Some("cutwater deploy shop v8 -m 'It is new' --pull-request --branch a-1")
        );
        for words in ["x/deploy/v8/--branch/b", "x/deploy/v8/--branch=b"] {
            let said = again(words, "b").unwrap();
            assert_eq!(said.matches("--branch").count(), 1, "{said}");
        }
        assert_eq!(again("x/deploy/--/v8", "b"), None);
    }
}
