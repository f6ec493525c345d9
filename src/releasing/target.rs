//! Which object of the branch is meant, and what to write where there is none. Pure.

use super::error::{NewAlias, ReleaseError};
use super::{ReleaseRequest, Wish, scaffold};
use crate::releases::{self, Object, Release};
use crate::settings::Settings;
use crate::store::Branch;
use crate::store::error::ResolveError;
use crate::users::Survey;
use crate::words::{AliasName, AppName, VersionWord, near, without_app};

/// The name of an alias: the one of its spec, else the object's.
#[must_use]
pub fn alias_name(release: &Release) -> Option<&str> {
    let Object::Alias(alias) = &release.object else {
        return None;
    };
    let name = alias.spec.name.as_ref().map(AliasName::as_str);
    Some(name.unwrap_or_else(|| release.name()))
}

/// What people call it: `Deployment checkout`, `alias staging`, with its file.
pub(super) fn shown(release: &Release) -> String {
    let (file, line) = (&release.file, release.place.line);
    match alias_name(release) {
        Some(alias) => format!("alias `{alias}` ({file}:{line})"),
        None => format!("Deployment `{}` ({file}:{line})", release.name()),
    }
}

/// The alias that a wish is about.
fn alias(wish: &Wish) -> Option<&AliasName> {
    match wish {
        Wish::Deploy(_) | Wish::RollBack(_) => None,
        Wish::SetAlias { name, .. } | Wish::DeleteAlias(name) => Some(name),
    }
}

/// What the request is about, in words.
pub(super) fn what(request: &ReleaseRequest) -> String {
    let app = &request.app;
    match alias(&request.wish) {
        None => format!("a Deployment of `{app}`"),
        Some(name) => format!("alias `{name}` of `{app}`"),
    }
}

/// True for an object of the kind, the app and the alias that the request is about.
pub(super) fn is_meant(request: &ReleaseRequest, release: &Release) -> bool {
    let alias = alias(&request.wish).map(AliasName::as_str);
    *release.app() == request.app && alias_name(release) == alias
}

/// The object that the request is about; `apps` are those of the branch.
pub(super) fn find<'a>(
    request: &ReleaseRequest,
    settings: &Settings,
    survey: &Survey,
    branch: &'a Branch,
    apps: impl Fn() -> Vec<AppName>,
) -> Result<&'a Release, ReleaseError> {
    let app = &request.app;
    let what = what(request);
    let all = branch.releases.iter();
    let all: Vec<&Release> = all.filter(|release| is_meant(request, release)).collect();
    if all.is_empty() {
        let gaps = branch.unreadable.iter().filter(|file| file.may_concern);
        let gaps: Vec<String> = gaps.map(|file| file.problem.clone()).collect();
        if !gaps.is_empty() {
            return Err(ReleaseError::Unreadable { what, gaps });
        }
        return Err(not_there(request, settings, survey, branch, &apps()));
    }
    let named = |release: &&&Release| {
        let Some(name) = &request.object else {
            return true;
        };
        let whole = release
            .namespace()
            .map(|space| format!("{space}/{}", release.name()));
        name == release.name() || Some(name) == whole.as_ref() || *name == release.file
    };
    let found: Vec<&Release> = all.iter().filter(named).copied().collect();
    if matches!(request.wish, Wish::Deploy(_))
        && let Some((first, second)) = found
            .iter()
            .find_map(|first| Some((*first, rivals(branch, first).next()?)))
    {
        return Err(rival_deployments(app, first, second));
    }
    // To take one of them out mends it.
    if let Some(first) = found
        .first()
        .filter(|_| !matches!(request.wish, Wish::DeleteAlias(_)))
    {
        let mut others = twins(branch, first);
        if let Some(second) = others.find(|other| !is_copy(other, first)) {
            let (first, second) = if first.file < second.file {
                (*first, second)
            } else {
                (second, *first)
            };
            return Err(ReleaseError::Twins {
                what: format!("{:?} `{}`", first.kind(), first.name()),
                first: format!("{}:{}", first.file, first.place.line),
                second: format!("{}:{}", second.file, second.place.line),
            });
        }
    }
    let problem = match (found.as_slice(), &request.object) {
        ([release], _) => return Ok(*release),
        ([], Some(name)) => format!("{what} is not called `{name}`"),
        (_, Some(name)) => format!("{} objects called `{name}` are {what}", found.len()),
        (_, None) => format!("{} objects are {what}", found.len()),
    };
    let there = all.iter().map(|release| {
        let (file, name) = (&release.file, release.name());
        match release.namespace() {
            Some(space) => format!("{space}/{name} ({file})"),
            None => format!("{name} ({file})"),
        }
    });
    Err(ReleaseError::WhichOne {
        problem,
        flag: "--name",
        there: there.collect(),
    })
}

/// The objects of other files that are the same one as this, whatever app they say.
fn twins<'a>(branch: &'a Branch, release: &'a Release) -> impl Iterator<Item = &'a Release> {
    (branch.releases.iter())
        .filter(|other| other.file != release.file && releases::collide(release, other))
}

/// The objects besides this one that are the app's Deployment, or its alias of that name, in the same place.
fn rivals<'a>(branch: &'a Branch, release: &'a Release) -> impl Iterator<Item = &'a Release> {
    (branch.releases.iter()).filter(|other| {
        other.name() != release.name()
            && other.app() == release.app()
            && other.kind() == release.kind()
            && alias_name(other) == alias_name(release)
            && releases::share_a_place(release, other)
    })
}

fn rival_deployments(app: &AppName, first: &Release, second: &Release) -> ReleaseError {
    let mut both = [first, second];
    both.sort_by_key(|release| (&release.file, release.place.line));
    let [first, second] = both.map(shown);
    ReleaseError::Rivals {
        app: app.clone(),
        first,
        second,
    }
}

/// What is said of other objects that are the same to a cluster, which takes the older one alone.
pub(super) fn rival_warnings(branch: &Branch, release: &Release) -> Vec<String> {
    let what = match alias_name(release) {
        None => format!("a Deployment of app `{}`", release.app()),
        Some(name) => format!("alias `{name}` of app `{}`", release.app()),
    };
    let say = |other: &Release| {
        format!(
            "{} is {what} too: a cluster takes the older of the two alone, and `cutwater serve` holds two Deployments of an app as they were; take one out, or give it a folder or a `metadata.namespace` of its own",
            shown(other)
        )
    };
    let inside = |other: &Release| {
        format!(
            "{} is {what} too, and one folder is inside the other: who follows the outer folder, as `cutwater serve` does by default, takes one of the two alone, and may take that; take one out, or put both into folders side by side",
            shown(other)
        )
    };
    let nested = (branch.releases.iter()).filter(|other| {
        other.app() == release.app()
            && other.kind() == release.kind()
            && alias_name(other) == alias_name(release)
            && releases::is_inside(release, other)
    });
    let nested = nested.map(inside);
    rivals(branch, release).map(say).chain(nested).collect()
}

/// True where only the second of two that are one object is called as its app is: the first was copied from it, and is refused
/// where the second is served.
fn is_copy(release: &Release, other: &Release) -> bool {
    !is_named_for(release, release.app()) && is_named_for(other, other.app())
}

/// What is said of the copies of an object that kept its name.
pub(super) fn copies(branch: &Branch, release: &Release) -> Vec<String> {
    let say = |other: &Release| {
        format!(
            "{}:{} says {:?} `{}` too, for app `{}`: a server that did not know it before serves no change of either; give the copy another `metadata.name`",
            other.file,
            other.place.line,
            other.kind(),
            other.name(),
            other.app()
        )
    };
    twins(branch, release).map(say).collect()
}

/// True for a Deployment that is called as an app is.
fn is_named_for(release: &Release, app: &AppName) -> bool {
    matches!(release.object, Object::Deployment(_)) && release.name() == app.as_str()
}

/// True where a file for a new alias of this name may be proposed: not for one that is called as a version is, nor for one that is
/// there and was named with its app.
fn may_be_new(request: &ReleaseRequest, name: &AliasName, there: &[&str]) -> bool {
    let word = name.as_str();
    let reads_as_version = matches!(
        word.parse(),
        Ok(VersionWord::Number(_) | VersionWord::Id(_))
    );
    matches!(request.wish, Wish::SetAlias { .. })
        && !reads_as_version
        && without_app(&request.app, there.iter().copied(), word).is_none()
}

/// What is wrong with the first of the versions that are asked for, where the app has versions.
fn unknown(request: &ReleaseRequest, survey: &Survey) -> Option<ResolveError> {
    if survey.history.entries.is_empty() {
        return None;
    }
    let words: Vec<&VersionWord> = match &request.wish {
        Wish::Deploy(asked) => asked.iter().map(|asked| &asked.version).collect(),
        Wish::RollBack(word) => word.iter().collect(),
        Wish::SetAlias {
            version, canary, ..
        } => {
            let canary = canary.iter().map(|(word, _)| word);
            std::iter::once(version).chain(canary).collect()
        }
        Wish::DeleteAlias(_) => Vec::new(),
    };
    words
        .into_iter()
        .find_map(|word| survey.history.version(word).err())
}

/// What to do if nothing is there: the near names, or what to write.
fn not_there(
    request: &ReleaseRequest,
    settings: &Settings,
    survey: &Survey,
    branch: &Branch,
    apps: &[AppName],
) -> ReleaseError {
    let app = &request.app;
    let of_app = |release: &&Release| release.app() == app;
    let is_known = apps.contains(app)
        || !survey.history.entries.is_empty()
        || branch.releases.iter().any(|release| of_app(&release));
    if !is_known && !apps.is_empty() {
        return ReleaseError::NoApp {
            app: app.clone(),
            branch: branch.name.clone(),
            there: apps.to_vec(),
        };
    }
    if let Wish::SetAlias { name, version, .. } = &request.wish
        && matches!(
            name.as_str().parse(),
            Ok(VersionWord::Number(_) | VersionWord::Id(_))
        )
        && matches!(version, VersionWord::Label(_))
        && survey.history.find(version).is_err()
    {
        return ReleaseError::Turned {
            app: app.clone(),
            version: name.clone(),
            alias: version.clone(),
        };
    }
    let aliases = branch.releases.iter().filter(of_app);
    let aliases: Vec<&str> = aliases.filter_map(alias_name).collect();
    if let Some(name) = alias(&request.wish).filter(|name| !may_be_new(request, name, &aliases)) {
        return ReleaseError::NoAlias {
            app: app.clone(),
            name: name.clone(),
            branch: branch.name.clone(),
            there: aliases.into_iter().map(str::to_owned).collect(),
        };
    }
    // What is proposed is to be written as it stands.
    if let Some(error) = unknown(request, survey) {
        return error.into();
    }
    let (file, text) = scaffold::object(request, branch);
    let file = format!("{}/{file}", settings.releases);
    if let Some(name) = alias(&request.wish)
        && !near(aliases.iter().copied(), name.as_str()).is_empty()
    {
        return ReleaseError::NewAlias(Box::new(NewAlias {
            app: app.clone(),
            name: name.clone(),
            branch: branch.name.clone(),
            there: aliases.into_iter().map(str::to_owned).collect(),
            file,
            text,
        }));
    }
    // A slip of the pen in `spec.app`: what is to be written would replace it.
    let other = |release: &&Release| {
        let takes_its_name = alias(&request.wish).is_none() && is_named_for(release, app);
        release.app() != app && (release.file == file || takes_its_name)
    };
    if let Some(release) = branch.releases.iter().find(other) {
        return ReleaseError::OtherApp {
            what: what(request),
            branch: branch.name.clone(),
            place: format!("{}:{}", release.file, release.place.line),
            other: release.app().clone(),
        };
    }
    // The newest version may never have served: none is proposed.
    if matches!(request.wish, Wish::RollBack(None)) {
        return ReleaseError::Gone {
            what: what(request),
            folder: settings.releases.clone(),
            branch: branch.name.clone(),
            app: app.clone(),
        };
    }
    ReleaseError::NotThere {
        what: what(request),
        folder: settings.releases.clone(),
        branch: branch.name.clone(),
        file,
        text,
    }
}
