//! Sends requests to the API of a forge, and reads its answers: the one file that reaches the network.
//!
//! No token goes to another host than that of the API: no answer that sends elsewhere is followed. Each answer has a time in which it
//! has to come, and a size.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, IntoHeaderName};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, NoProxy, Proxy};
use tokio::runtime::{Builder, Runtime};

use super::error::ForgeError;
use super::github;
use super::place::Place;
use super::reply::{Reply, Request};
use super::token::{Login, Secret};
use crate::git::{self, WebSettings, basic, redact};
use crate::settings::ForgeKind;

/// Largest answer.
const ANSWER_MAX: usize = 8 << 20;
/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Most answers in a row that send to another address of the host.
const REDIRECTS_MAX: usize = 3;
/// How often it is looked whether the person stopped it.
const PAUSE: Duration = Duration::from_millis(50);

/// What sends requests to one forge.
pub struct Sender {
    pub(super) place: Place,
    pub(super) login: Login,
    runtime: Runtime,
    client: Client,
    timeout: Duration,
}

impl Sender {
    /// A sender with what the forge is shown, by the proxy and with the authority that git is set up to. Nothing is sent yet. `timeout` is
    /// the longest time for each answer.
    ///
    /// # Errors
    /// Says which of these cannot be used.
    pub fn new(
        place: Place,
        login: Login,
        web: &WebSettings,
        timeout: Duration,
    ) -> Result<Self, ForgeError> {
        let fail = |error: &dyn Error| ForgeError::Client(chain(error));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization(place.kind, &login)?);
        if place.kind == ForgeKind::GitHub {
            for (name, value) in github::HEADERS {
                set(&mut headers, name, value);
            }
        } else {
            set(&mut headers, "Accept", "application/json");
        }
        let mut client = Client::builder()
            .user_agent(concat!("cutwater/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::custom(follow))
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout);
        if let Some(proxy) = &web.proxy {
            let proxy = Proxy::all(proxy).map_err(|error| fail(&error))?;
            client = client.proxy(proxy.no_proxy(NoProxy::from_env()));
        }
        if let Some(file) = &web.authority {
            client = client.tls_certs_merge(certificates(file)?);
        }
        Ok(Self {
            place,
            login,
            runtime: (Builder::new_current_thread().enable_all().build())
                .map_err(|error| fail(&error))?,
            client: client.build().map_err(|error| fail(&error))?,
            timeout,
        })
    }

    /// The repository that it is asked about.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Sends it; what comes back, whatever its status is.
    pub(super) fn send(&self, request: &Request) -> Result<Reply, ForgeError> {
        self.runtime.block_on(async {
            tokio::select! {
                reply = self.exchange(request) => reply,
                () = stopped() => Err(ForgeError::Interrupted),
            }
        })
    }

    async fn exchange(&self, request: &Request) -> Result<Reply, ForgeError> {
        let url = request.url.clone();
        let sent = match &request.body {
            Some(body) => {
                let sent = self.client.post(url).body(body.to_string());
                sent.header("Content-Type", "application/json")
            }
            None => self.client.get(url),
        };
        let mut answer = sent.send().await.map_err(|error| self.failed(error))?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.failed(error))? {
            body.extend_from_slice(&part);
            if body.len() > ANSWER_MAX {
                let size = format!("more than {} MiB", ANSWER_MAX >> 20);
                return Err(ForgeError::garbage(&self.place, size));
            }
        }
        let headers = answer.headers();
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Ok(Reply::new(answer.status().as_u16(), header, body))
    }

    fn failed(&self, error: reqwest::Error) -> ForgeError {
        let host = self.place.api_host();
        if error.is_timeout() && !error.is_connect() {
            return ForgeError::Silent {
                host,
                seconds: self.timeout.as_secs(),
            };
        }
        let is_sent = !error.is_connect();
        let error = error.without_url();
        let problem = chain(&error);
        if is_of_certificate(&error) {
            return ForgeError::Untrusted { host, problem };
        }
        // The words of the library for a proxy that does not let it through.
        let by = if problem.contains("tunnel error") {
            "by the proxy of the environment or of git's http.proxy: "
        } else {
            ""
        };
        ForgeError::Unreachable {
            host,
            problem: format!("{by}{problem}"),
            is_sent,
        }
    }
}

/// Follows to another address of the same host, with the same request: a repository that was renamed.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_same = matches!(attempt.status().as_u16(), 307 | 308)
        && attempt.previous().len() <= REDIRECTS_MAX
        && (attempt.previous().last()).is_some_and(|last| last.origin() == attempt.url().origin());
    if is_same {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn set(headers: &mut HeaderMap, name: impl IntoHeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// What the forge is shown.
fn authorization(kind: ForgeKind, login: &Login) -> Result<HeaderValue, ForgeError> {
    let text = match (&login.secret, kind) {
        (Secret::Password { user, password }, _) => basic(user, password),
        (Secret::Token(token), ForgeKind::Gitea | ForgeKind::Forgejo) => format!("token {token}"),
        (Secret::Token(token), ForgeKind::GitHub | ForgeKind::GitLab) => format!("Bearer {token}"),
    };
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| ForgeError::NotAToken(login.origin))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The certificates of an authority of one's own.
fn certificates(file: &Path) -> Result<Vec<Certificate>, ForgeError> {
    let fail = |problem: String| {
        ForgeError::Client(format!(
            "the certificates in {}, which git is set up to take (http.sslCAInfo), cannot be read: {problem}",
            file.display()
        ))
    };
    let text = std::fs::read(file).map_err(|error| fail(error.to_string()))?;
    Certificate::from_pem_bundle(&text).map_err(|error| fail(chain(&error)))
}

/// Returns once the person stopped what goes on.
async fn stopped() {
    while !git::was_interrupted() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// True where the server is not who it should be, as far as anybody vouches for it.
fn is_of_certificate(error: &(dyn Error + 'static)) -> bool {
    let is = |error: &(dyn Error + 'static)| {
        matches!(
            error.downcast_ref(),
            Some(rustls::Error::InvalidCertificate(_))
        )
    };
    let inner = (error.downcast_ref())
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| is(inner) || is_of_certificate(inner));
    inner || is(error) || error.source().is_some_and(is_of_certificate)
}

/// An error with all that it is from, and no password of a proxy.
fn chain(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        source = error.source();
    }
    redact(&parts.join(": "))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn silence_and_an_answer_without_an_end_are_no_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let place = Place::of("git@github.com:acme/shop", None, Some(&api)).unwrap();
        let login = Login::of_git(&place, "ada".to_owned(), "hunter2".to_owned());
        let request = Request {
            url: place.api(&["repos"]),
            body: None,
        };
        let ask = |timeout| {
            let web = WebSettings::default();
            let sender = Sender::new(place.clone(), login.clone(), &web, timeout).unwrap();
            sender.send(&request).unwrap_err()
        };
        let error = ask(Duration::from_millis(50));
        assert!(matches!(error, ForgeError::Silent { .. }), "{error}");
        let endless = move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // No answer comes before its question.
                if stream.read(&mut [0; 1024]).is_err() {
                    continue;
                }
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let part = [&b"10000\r\n"[..], &vec![b' '; 0x1_0000], b"\r\n"].concat();
                let mut written = stream.write_all(head);
                while written.is_ok() {
                    written = stream.write_all(&part);
                }
            }
        };
        thread::spawn(endless);
        let error = ask(Duration::from_mins(1)).to_string();
        assert!(error.contains("more than 8 MiB"), "{error}");
        let mut bad = login.clone();
        bad.secret = Secret::Token("a\nb".to_owned());
        let made = Sender::new(place.clone(), bad, &WebSettings::default(), CONNECT);
        assert!(matches!(made, Err(ForgeError::NotAToken(_))));
    }
}
