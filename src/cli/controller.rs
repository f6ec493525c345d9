//! `cutwater controller`: starts the controller and ends it on a signal.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Failure;
use crate::controller::{self, Delays, Settings};
use crate::telemetry;
use crate::words::Period;

/// Run the Kubernetes controller
///
/// It watches Deployments and Aliases of cutwater.dev in all namespaces and makes the traffic of the cluster what they
/// say. It takes the cluster from KUBECONFIG, or from the service account of its pod. It reads release repositories and
/// never pushes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater controller
  cutwater controller --allow-local-repositories --state-dir ./state --drain-delay 5s")]
pub(super) struct Args {
    /// Folder for mirrors of release repositories; may be lost at any time
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/cutwater",
        env = "CUTWATER_STATE_DIR"
    )]
    state_dir: PathBuf,
    /// Allow Repositories whose URL is a path or file://
    #[arg(long)]
    allow_local_repositories: bool,
    /// How long gateways are given to act on a route that they have accepted, such as 2s
    #[arg(long, value_name = "TIME", default_value = "1s")]
    settle_delay: Period,
    /// How long open requests are given before pods go, unless a Deployment says otherwise
    #[arg(long, value_name = "TIME", default_value = "30s")]
    drain_delay: Period,
    /// Where /live, /ready and /metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Where webhooks of forges are taken, and nothing else, such as 0.0.0.0:8082; nowhere if absent
    #[arg(long, value_name = "ADDRESS")]
    webhook_listen: Option<SocketAddr>,
    /// Apps that are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    workers: u16,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        telemetry::start();
        // Two TLS providers in one program panic at run time: this is the one.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let settings = Settings {
            state: self.state_dir,
            allow_local_repositories: self.allow_local_repositories,
            delays: Delays {
                settle: SignedDuration::from_secs(i64::from(self.settle_delay.as_secs())),
                drain: SignedDuration::from_secs(i64::from(self.drain_delay.as_secs())),
            },
            listen: Some(self.listen),
            webhook_listen: self.webhook_listen,
            workers: usize::from(self.workers),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (mut interrupt, mut terminate) = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            );
            let stop = async move {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            };
            controller::run(settings, stop).await?;
            Ok(())
        })
    }
}
