//! `cutwater deployments status`: what is asked, and the document that answers it. [`table`] shows that to people.

mod table;
mod watch;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::server::ServerJson;
use crate::cli::candidates;
use crate::cli::cluster::ClusterArgs;
use crate::cli::context::Context;
use crate::cli::live::{self, named};
use crate::cli::output::{Failure, Ui};
use crate::cli::standalone::AdminArgs;
use crate::releases::Kind;
use crate::store::{History, Workspace};
use crate::users::{Cluster, Scope, Survey, numbers};
use crate::words::{AppName, Share, VersionNumber, VersionWord};

pub(super) use table::HEAD;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Show it again whenever it is something else, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// What is wanted, and what is served.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct StatusJson {
    /// The app.
    pub(super) app: AppName,
    /// What the releases of the tracked branch ask for.
    releases: Vec<WantedJson>,
    /// What each environment served last, by its ledger.
    ledgers: Vec<LedgerJson>,
    /// What runs in the cluster, where one was asked.
    cluster: Vec<ObjectJson>,
    /// What a `cutwater serve` of this repository serves, where one answers.
    pub(super) server: Option<ServerJson>,
    /// What could not be read: there may be more.
    pub(super) unread: Vec<String>,
    #[serde(skip)]
    has_versions: bool,
    /// True where a file cannot be read: what is not in the others may stand in it.
    #[serde(skip)]
    has_unreadable: bool,
}

/// A Deployment or Alias in a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WantedJson {
    /// The branch at the remote.
    branch: String,
    /// The file, from the root of the repository.
    file: String,
    /// The line at which the object begins.
    line: u64,
    /// What kind of object it is.
    kind: Kind,
    /// The object's namespace, where the file names one.
    namespace: Option<String>,
    /// The object's name.
    name: String,
    /// The versions as they are named, and their shares.
    versions: Vec<WantedShare>,
}

/// A version as it is named, and its share.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WantedShare {
    /// The version as it is named.
    version: VersionWord,
    /// Its number; of a label in a file the one that it had when it was deployed, as the ledger says. Absent where nobody knows it, and
    /// where nothing is called so.
    number: Option<VersionNumber>,
    /// Its share in percent.
    percentage: Share,
}

/// The newest record of a ledger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerJson {
    /// The environment.
    environment: String,
    /// Number of the change.
    sequence: u64,
    /// Since when.
    #[schemars(with = "String")]
    at: Timestamp,
    /// What it serves.
    versions: Vec<ServedShare>,
}

/// A version and the share that it has.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ServedShare {
    /// Its number.
    number: VersionNumber,
    /// Its snapshot commit.
    commit: String,
    /// Its share in percent.
    percentage: Share,
    /// Pods that are ready, where that is known.
    ready_replicas: Option<u32>,
    /// Pods that are asked for, where that is known.
    wanted_replicas: Option<u32>,
}

/// A Deployment or Alias in the cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectJson {
    /// The context of the kubeconfig.
    context: String,
    /// What kind of object it is.
    kind: Kind,
    /// The object's namespace.
    namespace: String,
    /// The object's name.
    name: String,
    /// What it asks for.
    wanted: Vec<WantedShare>,
    /// What it serves.
    served: Vec<ServedShare>,
    /// The condition `Ready`, where it is set.
    ready: Option<ReadyJson>,
}

/// The condition `Ready`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReadyJson {
    /// `True`, `False` or `Unknown`.
    status: String,
    /// One word for why.
    reason: String,
    /// Why, in words.
    message: String,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone(), None)?;
        let standalone = self.admin.open()?;
        if self.watch {
            let read = || {
                let looked = live::read(context, &app, Scope::Tracked, 1, Some(&self.cluster))?;
                Ok(StatusJson::of(context, app.clone(), looked, None))
            };
            return watch::watch(ui, context, &standalone, &read);
        }
        let looked = live::look(ui, context, &app, Scope::Tracked, 1, Some(&self.cluster));
        let looked = match looked {
            Ok(looked) => looked,
            Err(failure) => return self.without_remote(ui, context, app, failure),
        };
        let asked = looked.cluster.is_some();
        for word in looked
            .survey
            .branches
            .iter()
            .flat_map(|branch| &*branch.aside)
        {
            ui.hint(word);
        }
        let server = match ServerJson::ask(&standalone, context, &app) {
            Ok(server) => Some(server),
            Err(problem) => {
                // At the usual place there may be none, or another one.
                if self.admin.is_named() {
                    ui.warning(problem);
                }
                None
            }
        };
        let status = StatusJson::of(context, app, looked, server);
        if status.is_empty() {
            context.known(&status.app)?;
        }
        if ui.json {
            return ui.json(&status);
        }
        let rows = status.rows();
        if rows.is_empty() {
            let settings = context.workspace.settings();
            let but = if status.unread.is_empty() {
                ""
            } else {
                ", as far as it could be read"
            };
            let cluster = if asked {
                ", nor is one in the cluster"
            } else {
                "; no cluster was asked"
            };
            ui.hint(format!(
                "`{}` is neither wanted nor served{but}: no Deployment or Alias of it in `{}` of branch {}, and no ledger{cluster}",
                status.app, settings.releases, settings.branch
            ));
            return Ok(());
        }
        ui.table(&HEAD, 0, rows);
        for problem in status.problems() {
            ui.warning(problem);
        }
        Ok(())
    }
}

impl Args {
    /// What a server and a cluster tell while the repository cannot be read. It fails all the same: what is wanted is not known.
    fn without_remote(
        &self,
        ui: &Ui,
        context: &Context,
        app: AppName,
        failure: Failure,
    ) -> Result<(), Failure> {
        let server = (self.admin.open().ok())
            .and_then(|standalone| ServerJson::ask(&standalone, context, &app).ok());
        let cluster = self.cluster.ask(&app).ok().flatten();
        let status = StatusJson {
            app,
            releases: Vec::new(),
            ledgers: Vec::new(),
            cluster: cluster
                .map(|cluster| objects(None, cluster))
                .unwrap_or_default(),
            server,
            unread: vec![failure.to_string()],
            has_versions: false,
            has_unreadable: true,
        };
        let rows = status.rows();
        if rows.is_empty() {
            return Err(failure);
        }
        if ui.json {
            ui.json(&status)?;
        } else {
            ui.table(&HEAD, 0, rows);
            for problem in status.problems() {
                ui.warning(problem);
            }
        }
        Err(failure.hint(
            "what is shown was told by what serves it; what is wanted, and what the ledger says, is not known while the repository cannot be read",
        ))
    }
}

impl StatusJson {
    /// What stands against what is wanted: the table has no room for it.
    fn problems(&self) -> Vec<String> {
        let server = self
            .server
            .iter()
            .flat_map(|server| server.problems.clone());
        let idle = (self.server.iter())
            .filter(|server| server.splits.is_empty())
            .map(|server| {
                let (address, app) = (&server.address, &self.app);
                format!("the server whose admin address is {address} serves nothing of `{app}`")
            });
        let cluster = self.cluster.iter().filter_map(|object| {
            let ready = object
                .ready
                .as_ref()
                .filter(|ready| ready.status != "True")?;
            let what = named(object.kind, Some(&object.namespace), &object.name);
            Some(format!("{what}: {}", ready.message))
        });
        server.chain(idle).chain(cluster).collect()
    }

    fn of(
        context: &Context,
        app: AppName,
        looked: live::Looked,
        server: Option<ServerJson>,
    ) -> Self {
        let live::Looked {
            survey,
            cluster,
            unread,
        } = looked;
        Self {
            releases: releases(&context.workspace, &app, &survey),
            ledgers: ledgers(&survey),
            cluster: cluster
                .map(|cluster| objects(Some(&survey.history), cluster))
                .unwrap_or_default(),
            server,
            unread,
            has_versions: !survey.history.entries.is_empty(),
            has_unreadable: (survey.branches.iter()).any(|branch| !branch.unreadable.is_empty()),
            app,
        }
    }

    /// Why an object that is served is not ready: no file asks for it, or that cannot be known.
    fn doubt(&self, kind: Kind, name: &str) -> Option<&'static str> {
        let mut releases = self.releases.iter();
        if releases.any(|wanted| wanted.kind == kind && wanted.name == name) {
            None
        } else if self.has_unreadable {
            Some("Unknown (what is wanted cannot be read)")
        } else {
            Some("False (no file of the branch asks for it)")
        }
    }

    /// True where nothing is known of the app.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_versions && self.rows().is_empty()
    }
}

fn share(history: Option<&History>, version: &VersionWord, percentage: Share) -> WantedShare {
    let found = history.and_then(|history| history.find(version).ok());
    WantedShare {
        version: version.clone(),
        number: found.map(|(number, _)| number),
        percentage,
    }
}

fn releases(workspace: &Workspace, app: &AppName, survey: &Survey) -> Vec<WantedJson> {
    let all = survey.branches.iter().flat_map(|branch| {
        let ours = branch
            .releases
            .iter()
            .filter(|release| release.app() == app);
        ours.map(|release| WantedJson {
            branch: branch.name.clone(),
            file: release.file.clone(),
            line: release.place.line,
            kind: release.kind(),
            namespace: release.namespace().map(str::to_owned),
            name: release.name().to_owned(),
            versions: (release.wanted.versions.iter())
                .zip(numbers(workspace, survey, branch, release))
                .map(|(entry, number)| WantedShare {
                    version: entry.version.clone(),
                    number,
                    percentage: entry.percentage,
                })
                .collect(),
        })
    });
    all.collect()
}

fn ledgers(survey: &Survey) -> Vec<LedgerJson> {
    let newest = (survey.ledgers.iter()).filter_map(|ledger| ledger.entries.first());
    newest
        .map(|entry| LedgerJson {
            environment: entry.served.environment.to_string(),
            sequence: entry.served.sequence,
            at: entry.served.at,
            versions: (entry.served.versions.iter())
                .map(|version| ServedShare {
                    number: version.version,
                    commit: version.commit.clone(),
                    percentage: version.percentage,
                    ready_replicas: None,
                    wanted_replicas: None,
                })
                .collect(),
        })
        .collect()
}

fn objects(history: Option<&History>, cluster: Cluster) -> Vec<ObjectJson> {
    let context = cluster.context;
    let one = |object: crate::users::ClusterObject| ObjectJson {
        context: context.clone(),
        kind: object.kind,
        namespace: object.namespace,
        name: object.name,
        wanted: (object.wanted.iter())
            .map(|entry| {
                let mut resolved = object.resolved.iter();
                match resolved.find(|resolved| resolved.version == entry.version) {
                    Some(resolved) => WantedShare {
                        version: entry.version.clone(),
                        number: Some(resolved.number),
                        percentage: entry.percentage,
                    },
                    None => share(history, &entry.version, entry.percentage),
                }
            })
            .collect(),
        served: (object.serving.into_iter())
            .map(|serving| ServedShare {
                number: serving.number,
                commit: serving.commit,
                percentage: serving.percentage,
                ready_replicas: Some(serving.ready_replicas),
                wanted_replicas: Some(serving.wanted_replicas),
            })
            .collect(),
        ready: object.ready.map(|(status, reason, message)| ReadyJson {
            status,
            reason,
            message,
        }),
    };
    cluster.objects.into_iter().map(one).collect()
}
