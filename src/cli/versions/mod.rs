//! `cutwater versions`: one file per verb, and how a version is printed.

mod delete;
mod diff;
mod entry;
mod export;
mod files;
mod import;
mod label;
mod list;
mod publish;
mod uses;
mod view;

use clap::Subcommand;

use super::Global;
use super::context::Context;
use super::output::{Failure, Ui};
use crate::words::AppName;

pub(super) use delete::DeleteJson;
pub(super) use diff::DiffJson;
pub(super) use export::ExportJson;
pub(super) use files::FilesJson;
pub(super) use import::ImportJson;
pub(super) use list::ListJson;
pub(super) use publish::PublishJson;
pub(super) use view::ViewJson;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publish apps as new versions, or name the versions that have this content already
    #[command(after_help = "Examples:
  cutwater versions publish checkout
  cutwater versions publish checkout --image web=ghcr.io/acme/checkout@sha256:... --label v1.4.0
  cutwater versions publish checkout --add dist=public --message \"A new cart\"
  cutwater versions publish --working-tree --dry-run
  cutwater versions publish --changed HEAD~1 --json

A label is 1 to 63 letters, digits, `.`, `_` and `-`, begins with a letter, and is not `v` and digits, `g` and hex digits, or LATEST.")]
    Publish(publish::Args),
    /// Give a version a label, move it there, or take it away
    #[command(after_help = "Examples:
  cutwater versions label checkout v8 spring-sale
  cutwater versions label checkout v9 spring-sale --move
  cutwater versions label v9 spring-sale --remove     # in apps/checkout")]
    Label(label::Args),
    /// List the versions of an app, newest first
    #[command(after_help = "Examples:
  cutwater versions list checkout
  cutwater versions list checkout --limit 5 --json
  cutwater versions list checkout --label 'v1.*' --since '2 weeks ago'
  cutwater versions list checkout --live
  cutwater versions list checkout --before v120    # the next page

LIVE says who uses a version and how much of their traffic it has: `releases/` of the tracked branch at the remote, ledgers, a
`cutwater serve` of the repository, and the cluster of the kubeconfig, where there are any.")]
    List(list::Args),
    /// Show one version of an app
    #[command(after_help = "Examples:
  cutwater versions view checkout v8
  cutwater versions view checkout spring-sale --files
  cutwater versions view v8          # in apps/checkout")]
    View(view::Args),
    /// Show what differs between two versions: for a running app, and in the code
    #[command(after_help = "Examples:
  cutwater versions diff checkout v7 v8
  cutwater versions diff checkout v8           # what the branch would change
  cutwater versions diff checkout v7 v8 --stat")]
    Diff(diff::Args),
    /// List the files of a version, or print one of them
    #[command(after_help = "Examples:
  cutwater versions files checkout v8
  cutwater versions files checkout v8 public
  cutwater versions files checkout v8 app.yaml > app.yaml")]
    Files(files::Args),
    /// Write the files of a version to a new or empty folder
    #[command(after_help = "Examples:
  cutwater versions export checkout v8 ./checkout-v8")]
    Export(export::Args),
    /// Take over versions of another repository, with their numbers
    #[command(after_help = "Examples:
  cutwater versions import ../old-shop
  cutwater versions import https://git.example.com/acme/old-shop.git checkout
  cutwater versions import upstream --dry-run")]
    Import(import::Args),
    /// Delete versions that nobody uses; their numbers stay spent
    #[command(after_help = "Examples:
  cutwater versions delete checkout v3 --message 'It loses orders' --dry-run
  cutwater versions delete checkout 3 4 5 --yes
  cutwater versions delete v3              # in apps/checkout

A version that a Deployment or Alias uses is not deleted: in releases of any branch, in a ledger, or in the cluster.")]
    Delete(delete::Args),
}

impl Command {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        match self {
            Self::Publish(args) => args.run(ui, &context),
            Self::Label(args) => args.run(ui, &context),
            Self::List(args) => args.run(ui, &context),
            Self::View(args) => args.run(ui, &context),
            Self::Diff(args) => args.run(ui, &context),
            Self::Files(args) => args.run(ui, &context),
            Self::Export(args) => args.run(ui, &context),
            Self::Import(args) => args.run(ui, &context),
            Self::Delete(args) => args.run(ui, &context),
        }
    }
}

/// What brings a tag of an app that has moved to a clone that has it.
fn fetch_again(context: &Context, app: &AppName, tag: &str) -> String {
    let remote = context.workspace.remote();
    format!("git fetch {remote} '+refs/tags/{app}/{tag}:refs/tags/{app}/{tag}'")
}
