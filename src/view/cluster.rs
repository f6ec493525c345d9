//! What the cluster says about an app: asked once, with a short deadline, and only read.
//!
//! The cluster is the one that kubectl would use, see `controller::connect`. Where there is none, nothing is asked.

use std::io;
use std::time::Duration;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::api::{Alias, Deployment};
use crate::controller::ConnectError;
use crate::controller::connect;
use crate::users::{Cluster, ClusterObject};
use crate::words::AppName;

/// Longest time for all questions together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Objects per page.
const PAGE: u32 = 500;

/// The question to a cluster.
#[derive(Debug, Clone, Default)]
pub struct ClusterQuestion {
    /// Context of the kubeconfig; the current one where absent.
    pub context: Option<String>,
}

/// Why a cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no way to it.
    #[error(transparent)]
    Unreachable(#[from] ConnectError),
    /// This process cannot ask anybody.
    #[error(transparent)]
    Process(io::Error),
    /// It answered with an error.
    #[error("cluster {context}: {problem}")]
    Failed {
        /// The context of the kubeconfig.
        context: String,
        /// What is wrong, down to its cause.
        problem: String,
    },
    /// It did not answer.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// The question itself broke off.
    #[error("the question to the cluster broke off")]
    BrokenOff,
}

impl ClusterQuestion {
    /// The app's Deployments and Aliases in the cluster; nothing where no cluster is named anywhere.
    ///
    /// # Errors
    /// Why the cluster could not be asked. What to do is for the caller to say: who only reads may leave the cluster out.
    pub fn ask(&self, app: &AppName) -> Result<Option<Cluster>, ClusterError> {
        // Two TLS providers in one program panic at run time: this is the one.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::Process)?;
        let answer = runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, self.answer(app));
            answer.await.unwrap_or(Err(ClusterError::Late))
        });
        // A look-up of a name that hangs is not waited for.
        runtime.shutdown_background();
        answer
    }

    async fn answer(&self, app: &AppName) -> Result<Option<Cluster>, ClusterError> {
        let found = connect::config(self.context.as_deref()).await;
        let Some((context, config)) = found? else {
            return Ok(None);
        };
        let namespace = config.default_namespace.clone();
        let client = connect::client(config).map_err(|error| ClusterError::Failed {
            context: context.clone(),
            problem: error.to_string(),
        })?;
        let mut cluster = Cluster {
            context,
            objects: Vec::new(),
            partial: None,
            unreadable: Vec::new(),
        };
        objects::<Deployment>(&client, &namespace, app, &mut cluster).await?;
        objects::<Alias>(&client, &namespace, app, &mut cluster).await?;
        Ok(Some(cluster))
    }
}

/// Adds the app's objects of one kind: of all namespaces, or of the current one where more is not allowed.
async fn objects<K>(
    client: &Client,
    namespace: &str,
    app: &AppName,
    cluster: &mut Cluster,
) -> Result<(), ClusterError>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Into<ClusterObject>,
{
    let mut found = pages(&Api::<DeserializeGuard<K>>::all(client.clone())).await;
    if matches!(&found, Err(kube::Error::Api(status)) if status.code == 403) {
        found = pages(&Api::<DeserializeGuard<K>>::namespaced(
            client.clone(),
            namespace,
        ))
        .await;
        cluster.partial = Some(format!(
            "only namespace {namespace} of cluster {} was asked: you may not list all namespaces",
            cluster.context
        ));
    }
    let found = match found {
        Ok(found) => found,
        // No Cutwater there.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => {
            return Err(ClusterError::Failed {
                context: cluster.context.clone(),
                problem: connect::chain(&error),
            });
        }
    };
    for guarded in found {
        match guarded.0 {
            Ok(object) => {
                let object: ClusterObject = object.into();
                if object.app == *app {
                    cluster.objects.push(object);
                }
            }
            Err(invalid) => cluster.unreadable.push(format!(
                "{} {}/{} in cluster {} cannot be read: {}",
                K::kind(&()),
                invalid.metadata.namespace.unwrap_or_default(),
                invalid.metadata.name.unwrap_or_default(),
                cluster.context,
                invalid.error
            )),
        }
    }
    Ok(())
}

async fn pages<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut params = ListParams::default().limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
