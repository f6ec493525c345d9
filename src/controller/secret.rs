//! Credentials of a repository, from the Secret that it names. Their values go to `git` and nowhere else.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::failure::{failure, timed};
use crate::api::Reason;
use crate::git::Credentials;

/// What a Secret holds for reading a repository. Its values go to `git` and nowhere else.
pub(super) async fn credentials(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Credentials, (Reason, String)> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let secret = timed(api.get_opt(name))
        .await
        .map_err(|error| {
            let failure = failure(&format!("read Secret `{name}`"), &error);
            (failure.reason, failure.message)
        })?
        .ok_or_else(|| {
            (
                Reason::CredentialsRefused,
                format!("there is no Secret `{name}` in namespace `{namespace}`; make it, or change spec.secretRef"),
            )
        })?;
    let data = secret.data.unwrap_or_default();
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
