//! One HTTP request at a time, just enough to ask a server as a client does and to notice an answer that was cut.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names are in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Response {
    /// One header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// `GET path` of `host` at `address`, on a connection of its own. An answer that ends early is an error, and so is one that
/// takes more than a minute.
pub async fn get(
    address: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response, String> {
    complete(address, &format!("GET {path}"), host, headers, "").await
}

/// `POST path` of `host` at `address` with a body, as [`get`].
pub async fn post(
    address: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let length = body.len().to_string();
    let headers = [&[("Content-Length", length.as_str())], headers].concat();
    complete(address, &format!("POST {path}"), host, &headers, body).await
}

async fn complete(
    address: &str,
    asked: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let asking = ask(address, asked, host, headers, body);
    tokio::time::timeout(Duration::from_mins(1), asking)
        .await
        .map_err(|_| format!("no complete answer from {address} to {asked} in a minute"))?
}

async fn ask(
    address: &str,
    asked: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let failed = |what: &str, error: std::io::Error| format!("{what} {address}: {error}");
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(|error| failed("cannot connect to", error))?;
    let mut request = format!("{asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request += body;
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| failed("cannot send to", error))?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .map_err(|error| failed("cannot read from", error))?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<Response, String> {
    let text = String::from_utf8_lossy(answer);
    let (head, rest) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("the answer was cut in its head: {text:?}"))?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("not an HTTP answer: {head:?}"))?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = if headers.get("transfer-encoding").map(String::as_str) == Some("chunked") {
        joined_chunks(rest)?
    } else {
        match headers.get("content-length").and_then(|n| n.parse().ok()) {
            Some(length) if rest.len() < length => {
                return Err(format!(
                    "the answer was cut: {} of {length} bytes",
                    rest.len()
                ));
            }
            _ => rest.to_owned(),
        }
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn joined_chunks(mut rest: &str) -> Result<String, String> {
    let mut body = String::new();
    loop {
        let cut = || "the answer was cut: its last chunk is missing".to_owned();
        let (size, after) = rest.split_once("\r\n").ok_or_else(cut)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| cut())?;
        if size == 0 {
            return Ok(body);
        }
        body += after.get(..size).ok_or_else(cut)?;
        rest = after
            .get(size..)
            .and_then(|rest| rest.strip_prefix("\r\n"))
            .ok_or_else(cut)?;
    }
}

#[test]
fn a_cut_answer_is_an_error() {
    let whole = "HTTP/1.1 200 OK\r\nX-Version: 7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let response = parse(whole.as_bytes()).unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "abcde"));
    assert_eq!(response.header("x-version"), Some("7"));
    parse(&whole.as_bytes()[..whole.len() - 5]).unwrap_err();
    parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").unwrap_err();
    parse(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap_err();
}
