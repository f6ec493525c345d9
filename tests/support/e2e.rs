//! What `tests/e2e/run.sh` tells the end-to-end tests about the cluster they run in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::tools::tool;

/// The cluster that this test program runs inside of.
pub struct Cluster {
    /// For the test: may do everything.
    pub kubeconfig: PathBuf,
    /// For the controller: the user `cutwater`.
    pub kubeconfig_controller: PathBuf,
    /// Where the Gateway `web` of namespace `default` listens: `ADDRESS:PORT`.
    pub gateway: String,
    /// Where the Gateway `contour` of namespace `default` listens, once it has a route.
    pub contour: String,
    /// The test application, pinned by digest.
    pub image: String,
    /// One JSON line per request to the API server: see [`super::audit::read`].
    pub audit_log: PathBuf,
    /// Where the logs of the cluster are; a test may put its own there.
    pub logs: PathBuf,
}

impl Cluster {
    /// The cluster that the environment names.
    pub fn from_environment() -> Self {
        Self {
            kubeconfig: variable("KUBECONFIG").into(),
            kubeconfig_controller: variable("CUTWATER_E2E_KUBECONFIG_CONTROLLER").into(),
            gateway: variable("CUTWATER_E2E_GATEWAY"),
            contour: variable("CUTWATER_E2E_CONTOUR"),
            image: variable("CUTWATER_E2E_IMAGE"),
            audit_log: variable("CUTWATER_E2E_AUDIT_LOG").into(),
            logs: variable("CUTWATER_E2E_LOGS").into(),
        }
    }

    /// A client that may do everything.
    pub async fn client(&self) -> kube::Client {
        self.client_of(&self.kubeconfig).await
    }

    /// A client with the rights of that kubeconfig.
    pub async fn client_of(&self, kubeconfig: &Path) -> kube::Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the cluster's kubeconfig");
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .expect("the cluster's kubeconfig is complete");
        kube::Client::try_from(config).expect("a client needs nothing but that config")
    }

    /// Runs kubectl as the administrator and returns what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        Command::new(tool("kubectl"))
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("kubectl can be started")
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests run inside a cluster that `make e2e` starts. \
             For one test: make e2e FILTER=name. To keep the cluster: tests/e2e/run.sh --keep"
        )
    })
}
