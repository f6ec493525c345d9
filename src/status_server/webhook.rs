//! Webhooks: a forge says that something was pushed. What it says is not read: it is a reason to look, and no more. Only who knows the
//! secret is listened to.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Limited};
use sha2::Sha256;

/// Largest body: forges send no larger ones. It is hashed as it comes, and not kept.
const BODY_MAX: usize = 25 * 1024 * 1024;
/// Longest time for all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Headers that hold the signature of the body, and what stands before its hex digits: of GitHub, Bitbucket, Forgejo and Gitea.
/// GitHub sends the second one too, with a weaker hash that does not count.
const SIGNATURES: [(&str, &str); 4] = [
    ("x-hub-signature-256", "sha256="),
    ("x-hub-signature", "sha256="),
    ("x-forgejo-signature", ""),
    ("x-gitea-signature", ""),
];
/// Header that holds the secret itself, of GitLab.
const TOKEN: &str = "x-gitlab-token";

/// What a forge and this server both know.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

impl WebhookSecret {
    /// A secret, without blanks and line ends around it; nothing where nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.as_bytes().to_vec()))
    }

    /// A secret that nobody has: comparing with it takes the time that it takes with any other, and the outcome says nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns if a webhook says that it comes from who knows the secret, whichever secret that is.
    #[must_use]
    pub fn is_signed(headers: &HeaderMap) -> bool {
        let signed = SIGNATURES.iter().map(|(name, _)| *name);
        signed.chain([TOKEN]).any(|name| headers.contains_key(name))
    }

    fn mac(&self) -> Result<Hmac<Sha256>, Refusal> {
        Hmac::new_from_slice(&self.0).map_err(|_| Refusal::Wrong)
    }
}

/// Why one is not listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not say that it knows the secret.
    #[error(
        "there is no signature: give the webhook a secret, which is sent as X-Hub-Signature-256, X-Hub-Signature, X-Forgejo-Signature, X-Gitea-Signature or X-Gitlab-Token"
    )]
    Missing,
    /// It does not know it.
    #[error("the signature is not one of the secret that this server was given")]
    Wrong,
    /// It is too large.
    #[error("the body has more than {BODY_MAX} bytes, or was cut off")]
    Body,
    /// It takes too long.
    #[error("the body did not come in {} s", PATIENCE.as_secs())]
    Late,
}

impl Refusal {
    /// The status that it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

impl WebhookSecret {
    /// Returns if a webhook comes from who knows the secret.
    ///
    /// # Errors
    /// When it does not say so, or its body is too large or does not come.
    pub async fn check(&self, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
        let checked = tokio::time::timeout(PATIENCE, self.compare(headers, body)).await;
        checked.map_err(|_| Refusal::Late)?
    }

    async fn compare(&self, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
        let signed = SIGNATURES
            .iter()
            .find_map(|(name, prefix)| Some((headers.get(*name)?, *prefix)));
        if let Some((value, prefix)) = signed {
            let digits = value
                .to_str()
                .ok()
                .and_then(|text| text.strip_prefix(prefix));
            let given = digits.and_then(|digits| hex::decode(digits).ok());
            let given = given.ok_or(Refusal::Wrong)?;
            let mac = self.mac_of(body).await?;
            return mac.verify_slice(&given).map_err(|_| Refusal::Wrong);
        }
        let token = headers.get(TOKEN).ok_or(Refusal::Missing)?;
        // Whoever sends it, or a proxy between, takes an answer before its end for a failure.
        self.mac_of(body).await?;
        // Hashed, both have one length, and are compared in one time.
        let hashed = |bytes: &[u8]| Ok(self.mac()?.chain_update(bytes).finalize());
        if hashed(token.as_bytes())? == hashed(&self.0)? {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }

    /// The code of the body, which is read to its end.
    async fn mac_of(&self, body: Body) -> Result<Hmac<Sha256>, Refusal> {
        let mut mac = self.mac()?;
        let mut body = pin!(Limited::new(body, BODY_MAX));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Body)?;
            if let Some(data) = frame.data_ref() {
                mac.update(data);
            }
        }
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    /// A webhook with this body and header, to a server with the secret of the example in GitHub's documentation.
    async fn taken(name: &'static str, value: &str, body: &'static str) -> Result<(), Refusal> {
        let secret = WebhookSecret::new("It's a Secret to Everybody\n").unwrap();
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        secret.check(&headers, Body::from(body)).await
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_though_a_token_stands_in_the_head() {
        let secret = WebhookSecret::new("secret").unwrap();
        let headers = HeaderMap::from_iter([(TOKEN.parse().unwrap(), "secret".parse().unwrap())]);
        let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&taken);
        let frames = futures::stream::iter(0..100).map(move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024])
        });
        let body = Body::from_stream(frames);
        assert_eq!(secret.check(&headers, body).await, Ok(()));
        assert_eq!(taken.load(std::sync::atomic::Ordering::SeqCst), 100);
    }

    #[tokio::test]
    async fn only_who_knows_the_secret_is_listened_to() {
        let code = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let body = "Hello, World!";
        let github = format!("sha256={code}");
        assert_eq!(taken("x-hub-signature-256", &github, body).await, Ok(()));
        assert_eq!(taken("x-hub-signature", &github, body).await, Ok(()));
        assert_eq!(taken("x-forgejo-signature", code, body).await, Ok(()));
        assert_eq!(taken("x-gitea-signature", code, body).await, Ok(()));
        let secret = "It's a Secret to Everybody";
        assert_eq!(taken("x-gitlab-token", secret, body).await, Ok(()));
        let wrong = Err(Refusal::Wrong);
        for bad in [
            code,
            "sha256=",
            "sha256=75",
            "sha256=x",
            "",
            &format!("sha1={code}"),
        ] {
            assert_eq!(
                taken("x-hub-signature-256", bad, body).await,
                wrong,
                "{bad}"
            );
        }
        assert_eq!(taken("x-hub-signature-256", &github, "hello").await, wrong);
        let weak = format!("sha1={code}");
        assert_eq!(taken("x-hub-signature", &weak, body).await, wrong);
        assert_eq!(taken("x-forgejo-signature", &github, body).await, wrong);
        assert_eq!(taken("x-gitlab-token", code, body).await, wrong);
        assert_eq!(taken("x-gitlab-token", "", body).await, wrong);
        assert_eq!(taken("x-else", code, body).await, Err(Refusal::Missing));
        for (name, signed) in [
            ("x-gitlab-token", true),
            ("x-gitea-signature", true),
            ("x-else", false),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), "x".parse().unwrap())]);
            assert_eq!(WebhookSecret::is_signed(&headers), signed, "{name}");
        }
        assert!(WebhookSecret::new(" \n").is_none());
        let shown = format!("{:?}", WebhookSecret::new("hidden"));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
