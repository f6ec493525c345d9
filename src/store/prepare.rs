//! What is to be published: the files of the source with everything laid over them, checked before anything is pushed.

use git2::Oid;

use super::error::{PublishError, SnapshotError};
use super::files;
use super::objects;
use super::remedy::Remedy;
use super::request::Request;
use super::snapshot::{self, Snapshot, TakeError};
use super::version::Version;
use super::workspace::Workspace;
use crate::git;
use crate::words::{AppName, CommitId, TreeId, VersionNumber, instead};

/// A snapshot that may be published.
pub(super) struct Prepared {
    pub(super) tree: Oid,
    /// What was laid over the source commit, as it is recorded.
    pub(super) overlays: Vec<String>,
}

/// Makes the snapshot that the request asks for. `newest` is the commit of the app's newest version, as far as it is known.
pub(super) fn prepare(
    workspace: &Workspace,
    request: &Request,
    newest: Option<Oid>,
) -> Result<Prepared, PublishError> {
    let (base, mut overlays) = base(workspace, request)?;
    workspace.complete(&[base])?;
    let mut laid = base;
    for addition in &request.additions {
        laid = addition
            .lay(&workspace.repo, laid, &workspace.settings().limits)
            .map_err(|source| wrong(workspace, request, source))?;
        overlays.push(addition.overlay());
    }
    for (function, image) in &request.images {
        overlays.push(format!("image {function}={image}"));
    }
    let newest = newest.and_then(|newest| objects::commit(&workspace.repo, newest).ok());
    let before = newest.map(|newest| newest.tree_id());
    let snapshot = take(workspace, request, laid, before)?;
    check_record(workspace, request, &snapshot)?;
    Ok(Prepared {
        tree: snapshot.tree,
        overlays,
    })
}

/// Where the files come from, for messages.
fn place(workspace: &Workspace, request: &Request) -> String {
    let dir = format!("{}/{}", workspace.settings().apps, request.app);
    if request.working_tree {
        format!("{dir} in the work tree")
    } else {
        format!("{dir} at {}", request.source.shown)
    }
}

fn wrong(workspace: &Workspace, request: &Request, source: SnapshotError) -> PublishError {
    PublishError::Snapshot {
        place: place(workspace, request),
        source,
    }
}

/// The app's directory, and what is recorded about where it differs from the source commit.
fn base(workspace: &Workspace, request: &Request) -> Result<(Oid, Vec<String>), PublishError> {
    let app = &request.app;
    let committed = workspace.directory(&request.source, app)?;
    let base = if request.working_tree {
        workspace.work_tree(app)?
    } else {
        committed
    };
    if let Some(base) = base {
        let differs = committed != Some(base);
        let overlay = differs.then(|| "working-tree".to_owned());
        return Ok((base, overlay.into_iter().collect()));
    }
    let apps_dir = &workspace.settings().apps;
    let apps = workspace.apps(&request.source)?;
    let names: Vec<&str> = apps.iter().map(AppName::as_str).collect();
    let known = if names.is_empty() {
        format!("there is no app; make one with {apps_dir}/<name>/app.yaml and commit it")
    } else {
        instead(names.iter().copied(), app.as_str())
    };
    let there = if request.working_tree {
        "the work tree"
    } else {
        &request.source.shown
    };
    let (known, remedy) = if request.working_tree && committed.is_some() {
        (left_out(workspace, app), Some(Remedy::Committed))
    } else if workspace.is_in_work_tree(app) && !request.working_tree {
        let problem = format!("{apps_dir}/{app} is on the disk and not committed; commit it");
        (problem, Some(Remedy::WorkTree))
    } else {
        (known, None)
    };
    Err(PublishError::Request {
        problem: format!(
            "app `{app}` is not in {there}: there is no {apps_dir}/{app}/app.yaml; {known}"
        ),
        remedy,
    })
}

/// What brings the files of an app that is committed and not on the disk.
fn left_out(workspace: &Workspace, app: &AppName) -> String {
    let dir = format!("{}/{app}", workspace.settings().apps);
    if git::is_sparse(workspace.home()) {
        format!(
            "this clone is sparse and leaves {dir} out; `git sparse-checkout add {dir}` brings it"
        )
    } else {
        format!("it is committed and not on the disk; `git checkout HEAD -- {dir}` brings it")
    }
}

/// The snapshot of those files, with images.
fn take(
    workspace: &Workspace,
    request: &Request,
    files: Oid,
    before: Option<Oid>,
) -> Result<Snapshot, PublishError> {
    snapshot::take(
        &workspace.repo,
        &request.app,
        &format!("{}/{}", workspace.settings().apps, request.app),
        files,
        &request.images,
        &workspace.settings().limits,
        before,
    )
    .map_err(|error| match error {
        TakeError::App(problems) => PublishError::App(problems),
        TakeError::Request(problem) => PublishError::request(problem),
        TakeError::Snapshot(source) => wrong(workspace, request, source),
    })
}

/// What could never run is not published: files and record within their limits.
fn check_record(
    workspace: &Workspace,
    request: &Request,
    snapshot: &Snapshot,
) -> Result<(), PublishError> {
    let number = VersionNumber::new(crate::words::VERSION_NUMBER_MAX);
    let number = number.ok_or_else(|| PublishError::request("no version number"))?;
    let mut version = placeholder(request, number, snapshot.tree.into());
    version.labels = request.label.iter().cloned().collect();
    files::record(&workspace.repo, &version, snapshot.app.clone())
        .map(drop)
        .map_err(|source| wrong(workspace, request, source))
}

fn placeholder(request: &Request, number: VersionNumber, tree: TreeId) -> Version {
    Version {
        app: request.app.clone(),
        number,
        tree,
        commit: CommitId::zero(),
        author: request.author.clone(),
        published_at: request.time.timestamp(),
        source: String::new(),
        run: None,
        actor: None,
        source_commit: None,
        overlays: Vec::new(),
        message: String::new(),
        labels: Vec::new(),
    }
}
