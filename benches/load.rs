//! A client of a gateway: 16 connections that stay open, 200 requests a second on a fixed schedule, and no second try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const CONNECTIONS: u32 = 16;
const PERIOD: Duration = Duration::from_millis(80);
const PATIENCE: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub sent: Instant,
    pub answered: Instant,
    /// The version that answered, or what went wrong.
    pub version: Result<String, String>,
}

/// Load that goes on until it is ended.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Answer>>>,
}

impl Load {
    pub fn start(address: &str, host: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let tasks = (0..CONNECTIONS)
            .map(|number| {
                let first = begin + PERIOD / CONNECTIONS * number;
                tokio::spawn(ask_on(
                    address.to_owned(),
                    host.to_owned(),
                    first,
                    stop.clone(),
                ))
            })
            .collect();
        Self { stop, tasks }
    }

    /// Ends it; all answers.
    pub async fn end(self) -> Vec<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

async fn ask_on(
    address: String,
    host: String,
    first: Instant,
    stop: Arc<AtomicBool>,
) -> Vec<Answer> {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut answers = Vec::new();
    let mut connection = None;
    let mut when = first;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(when.into()).await;
        when += PERIOD;
        let sent = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, ask(&mut connection, &address, &request)).await;
        let version = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if version.is_err() {
            connection = None;
        }
        answers.push(Answer {
            sent,
            answered: Instant::now(),
            version,
        });
    }
    answers
}

async fn ask(held: &mut Option<TcpStream>, address: &str, request: &str) -> Result<String, String> {
    let broken = |error: std::io::Error| error.to_string();
    let mut stream = if let Some(stream) = held.take() {
        stream
    } else {
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        stream
    };
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    let mut whole = usize::MAX;
    let mut fields = String::new();
    while answer.len() < whole {
        if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
            return Err("the connection was closed within an answer".to_owned());
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let (usize::MAX, Some(end)) = (whole, end) {
            fields = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length =
                field(&fields, "content-length").and_then(|text| text.parse::<usize>().ok());
            whole = end + 4 + length.ok_or_else(|| format!("no length: {fields}"))?;
        }
    }
    if field(&fields, "connection") != Some("close") {
        *held = Some(stream);
    }
    if !fields.starts_with("http/1.1 200") {
        return Err(fields.lines().next().unwrap_or_default().to_owned());
    }
    Ok(field(&fields, "x-version").unwrap_or_default().to_owned())
}

fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    fields
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(held, _)| *held == name)
        .map(|(_, value)| value.trim())
}
