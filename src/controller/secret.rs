//! What a Repository's Secrets hold: credentials, whose values go to `git` and nowhere else, and what its webhooks are signed with.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::failure::{failure, timed};
use crate::api::Reason;
use crate::git::Credentials;
use crate::status_server::WebhookSecret;

/// The key of what webhooks are signed with.
const WEBHOOK: &str = "secret";

/// The data of a Secret that a field of a Repository names.
async fn data(
    client: &Client,
    namespace: &str,
    name: &str,
    field: &str,
) -> Result<BTreeMap<String, ByteString>, (Reason, String)> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let secret = timed(api.get_opt(name)).await.map_err(|error| {
        let failure = failure(&format!("read Secret `{name}`"), &error);
        (failure.reason, failure.message)
    })?;
    let secret = secret.ok_or_else(|| {
        let message = format!(
            "there is no Secret `{name}` in namespace `{namespace}`; make it, or change {field}"
        );
        (Reason::CredentialsRefused, message)
    })?;
    Ok(secret.data.unwrap_or_default())
}

/// Why it is not known what the webhooks of a Repository are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoSecret {
    /// There is none.
    Absent(String),
    /// The API server does not say.
    Unanswered(String),
}

/// What the webhooks of a Repository are signed with, or why that is not known.
pub(super) async fn webhook(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<WebhookSecret, NoSecret> {
    let data = data(client, namespace, name, "spec.webhookSecretRef")
        .await
        .map_err(|(reason, message)| match reason {
            Reason::ApiServerError => NoSecret::Unanswered(message),
            _ => NoSecret::Absent(message),
        })?;
    let text = data
        .get(WEBHOOK)
        .and_then(|value| str::from_utf8(&value.0).ok());
    text.and_then(WebhookSecret::new).ok_or_else(|| {
        NoSecret::Absent(format!(
            "Secret `{name}` in namespace `{namespace}` has no text at the key `{WEBHOOK}`; put there what the forge signs with"
        ))
    })
}

/// What a Secret holds for reading a repository. Its values go to `git` and nowhere else.
pub(super) async fn credentials(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Credentials, (Reason, String)> {
    let data = data(client, namespace, name, "spec.secretRef").await?;
    let text = |key: &str| {
        let value = data.get(key)?;
        String::from_utf8(value.0.clone()).ok()
    };
    let credentials = Credentials {
        username: text("username"),
        password: text("password"),
        bearer_token: text("bearerToken"),
        ssh_private_key: text("ssh-privatekey"),
        known_hosts: text("known_hosts"),
        ca: text("ca.crt"),
    };
    if credentials == Credentials::default() {
        return Err((
            Reason::CredentialsRefused,
            format!(
                "Secret `{name}` in namespace `{namespace}` has none of username, password, bearerToken, ssh-privatekey, known_hosts and ca.crt"
            ),
        ));
    }
    Ok(credentials)
}
