//! The client of the API server: which cluster it is, through which proxy it is reached, and what is said where that fails.
//!
//! The cluster is the one that kubectl would use: KUBECONFIG, `~/.kube/config`, or the one that the program runs in. So are
//! the proxies: `proxy-url` of the kubeconfig, else `HTTPS_PROXY` unless `NO_PROXY` names the API server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::uri::InvalidUri;
use axum::http::{HeaderValue, Request, Uri, header};
use hyper_util::client::proxy::matcher::Matcher;
use kube::client::{Body, ClientBuilder};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError, NoProxyError};
use kube::{Client, Config};
use parking_lot::Mutex;
use tower::util::MapRequestLayer;

use crate::git::redact;

/// Where a pod finds the token of its service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// How long a token that was read from a file counts: as long as kubectl takes it for.
const TOKEN_KEPT: Duration = Duration::from_mins(1);

/// Why there is no client for a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read, or says what cannot be.
    #[error("the kubeconfig cannot be used: {}", chain(.0))]
    Kubeconfig(KubeconfigError),
    /// No cluster is called so.
    #[error("there is no kubeconfig with a context `{0}`")]
    NoContext(String),
    /// No cluster is named anywhere.
    #[error("there is no kubeconfig, and the program runs in no pod")]
    Nowhere,
    /// What a pod gets to talk to its cluster is not there.
    #[error("the service account of the pod cannot be used: {}", chain(.0))]
    ServiceAccount(InClusterError),
    /// The proxy is named wrongly.
    #[error(
        "the proxy for the API server is not an address ({0}); correct proxy-url of the kubeconfig, or HTTPS_PROXY"
    )]
    ProxyUrl(InvalidUri),
    /// The same of the one that the environment names.
    #[error("HTTPS_PROXY is not the address of a proxy ({0}); write http://HOST:PORT")]
    Proxy(InvalidUri),
    /// What needs no proxy is named wrongly.
    #[error("NO_PROXY cannot be read: {}", chain(.0))]
    NoProxy(NoProxyError),
    /// The library knows no such proxy.
    #[error(
        "the proxy `{proxy}` for the API server is of a kind that is not supported; use http://, https:// or socks5:// in proxy-url of the kubeconfig or in HTTPS_PROXY, or name the API server's host in NO_PROXY"
    )]
    ProxyKind {
        /// Its address, without its password.
        proxy: String,
    },
    /// The library makes no client of it.
    #[error("{}", chain(.0))]
    Client(kube::Error),
}

/// The name of the cluster and how it is reached. `None` where no cluster is named anywhere.
pub(crate) async fn config(wanted: Option<&str>) -> Result<Option<(String, Config)>, ConnectError> {
    let mut kubeconfig = Kubeconfig::from_env().map_err(ConnectError::Kubeconfig)?;
    let file = std::env::home_dir().map(|home| home.join(".kube/config"));
    if let (None, Some(file)) = (&kubeconfig, file.filter(|file| file.exists())) {
        kubeconfig = Some(Kubeconfig::read_from(file).map_err(ConnectError::Kubeconfig)?);
    }
    let Some(kubeconfig) = kubeconfig else {
        let inside =
            std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && Path::new(POD_TOKEN).exists();
        return match wanted {
            Some(context) => Err(ConnectError::NoContext(context.to_owned())),
            None if !inside => Ok(None),
            None => {
                let config = Config::incluster().map_err(ConnectError::ServiceAccount)?;
                Ok(Some(("in-cluster".to_owned(), config)))
            }
        };
    };
    let current = kubeconfig.current_context.clone().unwrap_or_default();
    let context = wanted.map_or(current, str::to_owned);
    if context.is_empty() {
        return Ok(None);
    }
    let named = has_proxy_url(&kubeconfig, &context);
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|error| match error {
        KubeconfigError::ParseProxyUrl(cause) => ConnectError::ProxyUrl(cause),
        KubeconfigError::ParseNoProxy(cause) => ConnectError::NoProxy(cause),
        error => ConnectError::Kubeconfig(error),
    })?;
    if !named {
        // The library asks whether NO_PROXY names the proxy itself, where the API server is meant.
        config.proxy_url = proxy_of_environment(&config.cluster_url)?;
    }
    Ok(Some((context, config)))
}

/// A client for a cluster.
pub(crate) fn client(mut config: Config) -> Result<Client, ConnectError> {
    let token = (config.auth_info.token_file.as_ref())
        .map(PathBuf::from)
        .filter(|file| config.auth_info.token.is_none() && ends_with_space(file));
    if token.is_some() {
        config.auth_info.token_file = None;
    }
    let builder = ClientBuilder::try_from(config).map_err(refused)?;
    let Some(file) = token else {
        return Ok(builder.build());
    };
    let token = Arc::new(TokenFile::new(file));
    let layer = MapRequestLayer::new(move |mut request: Request<Body>| {
        if let Some(value) = token.header() {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        request
    });
    Ok(builder.with_layer(&layer).build())
}

/// An error with its causes: the outer text alone says little.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

fn refused(error: kube::Error) -> ConnectError {
    match error {
        kube::Error::ProxyProtocolUnsupported { proxy_url }
        | kube::Error::ProxyProtocolDisabled { proxy_url, .. } => ConnectError::ProxyKind {
            proxy: redact(&proxy_url.to_string()),
        },
        error => ConnectError::Client(error),
    }
}

fn has_proxy_url(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let named = (kubeconfig.contexts.iter()).find(|named| named.name == context);
    let cluster = named.and_then(|named| Some(&named.context.as_ref()?.cluster));
    (kubeconfig.clusters.iter())
        .filter(|named| Some(&named.name) == cluster)
        .filter_map(|named| named.cluster.as_ref()?.proxy_url.as_ref())
        .any(|url| !url.is_empty())
}

fn proxy_of_environment(cluster: &Uri) -> Result<Option<Uri>, ConnectError> {
    let first = |names: [&str; 2]| {
        let values = names.iter().filter_map(|name| std::env::var(name).ok());
        values.into_iter().find(|value| !value.is_empty())
    };
    let proxy = if cluster.scheme_str() == Some("http") {
        first(["HTTP_PROXY", "http_proxy"])
    } else {
        first(["HTTPS_PROXY", "https_proxy"])
    };
    let except = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    proxy.map_or(Ok(None), |proxy| proxy_for(cluster, &proxy, &except))
}

/// The proxy on the way to a cluster, by the rules that kubectl and git go by. What is on this machine needs none.
fn proxy_for(cluster: &Uri, proxy: &str, except: &str) -> Result<Option<Uri>, ConnectError> {
    let host = cluster.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return Ok(None);
    }
    let matcher = Matcher::builder().all(proxy).no(except).build();
    if matcher.intercept(cluster).is_none() {
        return Ok(None);
    }
    let full = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    full.parse().map(Some).map_err(ConnectError::Proxy)
}

/// True for a token file that ends with a line break, as editors and `echo` make it. kubectl takes it; the library would send
/// the line break along, and fail.
fn ends_with_space(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.trim_end() != text)
}

/// A token in a file that somebody renews.
struct TokenFile {
    file: PathBuf,
    read: Mutex<Option<(Instant, HeaderValue)>>,
}

impl TokenFile {
    fn new(file: PathBuf) -> Self {
        Self {
            file,
            read: Mutex::default(),
        }
    }

    /// The header for a request; the last one that could be read where the file cannot be read now.
    fn header(&self) -> Option<HeaderValue> {
        let mut read = self.read.lock();
        if let Some((when, value)) = read.as_ref()
            && when.elapsed() < TOKEN_KEPT
        {
            return Some(value.clone());
        }
        let fresh = std::fs::read_to_string(&self.file).ok().and_then(|text| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim())).ok()?;
            value.set_sensitive(true);
            Some((Instant::now(), value))
        });
        if fresh.is_some() {
            *read = fresh;
        }
        read.as_ref().map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_used_unless_the_api_server_is_named_or_near() {
        let proxy = "http://user:word@proxy.corp:3128";
        let cases = [
            ("https://api.corp:6443", "", true),
            ("https://api.corp:6443", "other.corp, .example.com", true),
            // What is named is the API server, and not the proxy.
            ("https://api.corp:6443", "proxy.corp", true),
            ("https://api.corp:6443", "api.corp", false),
            ("https://api.corp:6443", ".corp", false),
            ("https://api.corp:6443", "*", false),
            ("https://10.0.0.1", "10.0.0.0/8", false),
            ("https://10.0.0.1", "192.168.0.0/16", true),
            ("https://127.0.0.1:6443", "", false),
            ("https://localhost:6443", "", false),
            ("https://[::1]:6443", "", false),
        ];
        for (cluster, except, through) in cases {
            let found = proxy_for(&cluster.parse().unwrap(), proxy, except).unwrap();
            assert_eq!(found.is_some(), through, "{cluster} but not {except}");
        }
        let cluster = "https://api.corp".parse().unwrap();
        let bare = proxy_for(&cluster, "proxy.corp:3128", "").unwrap();
        assert_eq!(bare.unwrap().to_string(), "http://proxy.corp:3128/");
    }

    #[test]
    fn a_refused_proxy_is_named_without_its_password() {
        let proxy_url = Box::new("ftp://user:word@proxy.corp".parse().unwrap());
        let error = refused(kube::Error::ProxyProtocolUnsupported { proxy_url });
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("proxy.corp") && said.contains("NO_PROXY"),
            "{said}"
        );
        assert!(!said.contains("word"), "{said}");
    }

    #[test]
    fn a_token_file_may_end_with_a_line_break() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret\r\n").unwrap();
        assert!(ends_with_space(file.path()));
        let token = TokenFile::new(file.path().to_owned());
        assert_eq!(token.header().unwrap().to_str().unwrap(), "Bearer secret");
        std::fs::remove_file(file.path()).unwrap();
        token.read.lock().as_mut().unwrap().0 = Instant::now().checked_sub(2 * TOKEN_KEPT).unwrap();
        assert!(token.header().is_some(), "the last one counts on");
    }
}
