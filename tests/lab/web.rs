//! A folder of repositories on the web: `git http-backend`, which is git's own server, and a count of all bytes on the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::response::Builder;
use axum::response::Response;
use tokio::io::AsyncWriteExt;

/// A server that runs until the program ends.
pub struct Web {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Web {
    /// Serves the repositories in `folder`.
    pub fn serve(folder: &Path) -> Self {
        let server = backend(folder.to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = Arc::new(AtomicU64::new(0));
        let count = bytes.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(server).unwrap();
                copy(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    &count,
                );
                copy(server, client, &count);
            }
        });
        Self { address, bytes }
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Bytes in both directions while `work` runs, headers and all. Nobody else may use the server meanwhile.
    pub fn bytes_of(&self, work: impl FnOnce()) -> u64 {
        let before = self.bytes.load(Ordering::SeqCst);
        work();
        self.bytes.load(Ordering::SeqCst) - before
    }
}

/// Hands on and counts, in a thread of its own. A byte is counted before it is handed on: who has it finds it counted.
fn copy(mut from: TcpStream, mut to: TcpStream, count: &Arc<AtomicU64>) {
    let count = count.clone();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            count.fetch_add(size as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..size]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _gone = to.shutdown(Shutdown::Write);
    });
}

/// The web server itself.
fn backend(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = axum::Router::new().fallback(move |request| answer(folder, request));
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}

/// One request, as a web server hands it to a CGI program.
async fn answer(folder: PathBuf, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(&head.headers, "content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            header(&head.headers, "content-encoding"),
        )
        .env("GIT_PROTOCOL", header(&head.headers, "git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let write = tokio::spawn(async move {
        // It may know enough before it has read all.
        let _enough = stdin.write_all(&body).await;
    });
    let output = child.wait_with_output().await.unwrap();
    write.await.unwrap();
    let end = output
        .stdout
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    let end = end.expect("git http-backend prints a head");
    let text = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    let with = |builder: Builder, (name, value): (&str, &str)| {
        if name == "Status" {
            builder.status(value[..3].parse::<u16>().unwrap())
        } else {
            builder.header(name, value)
        }
    };
    let builder = fields.fold(Response::builder(), with);
    builder
        .body(Body::from(output.stdout[end + 4..].to_vec()))
        .unwrap()
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
