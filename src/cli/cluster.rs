//! What the cluster says about an app: asked once, with a short deadline, and only read.
//!
//! The cluster is the one that kubectl would use, see [`connect`]. Where there is none, nothing is asked.

use std::time::Duration;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::api::{Alias, Deployment};
use crate::controller::connect;
use crate::users::{Cluster, ClusterObject};
use crate::words::AppName;

/// Longest time for all questions together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Objects per page.
const PAGE: u32 = 500;

/// Which cluster is asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ClusterArgs {
    /// Do not ask the cluster
    #[arg(long, conflicts_with = "context")]
    pub(super) no_cluster: bool,
    /// Context of the kubeconfig to ask; the current one where absent
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    /// The app's Deployments and Aliases in the cluster; nothing where there is no cluster or it is not to be asked.
    ///
    /// # Errors
    /// Why the cluster could not be asked. What to do is for the caller to say: who only reads may leave the cluster out.
    pub(super) fn ask(&self, app: &AppName) -> Result<Option<Cluster>, String> {
        if self.no_cluster {
            return Ok(None);
        }
        // Two TLS providers in one program panic at run time: this is the one.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let answer = runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, self.answer(app));
            answer.await.unwrap_or_else(|_| {
                Err(format!("it did not answer within {} s", PATIENCE.as_secs()))
            })
        });
        // A look-up of a name that hangs is not waited for.
        runtime.shutdown_background();
        answer
    }

    async fn answer(&self, app: &AppName) -> Result<Option<Cluster>, String> {
        let Some((context, config)) = connect::config(self.context.as_deref()).await? else {
            return Ok(None);
        };
        let namespace = config.default_namespace.clone();
        let client = connect::client(config);
        let client = client.map_err(|error| format!("cluster {context}: {error}"))?;
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
) -> Result<(), String>
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
        Err(error) => return Err(said(&cluster.context, &error)),
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

/// What went wrong, down to its cause.
fn said(context: &str, error: &kube::Error) -> String {
    format!("cluster {context}: {}", connect::chain(error))
}
