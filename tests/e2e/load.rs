//! Requests as clients send them: many at once, on connections that stay open. Whatever is not a complete 200 of the app is
//! a fault; nothing is tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections of a steady stream, and the pause of each after an answer: about 200 requests a second in all.
const CONNECTIONS: usize = 16;
const PAUSE: Duration = Duration::from_millis(75);
/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What clients saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub answers: BTreeMap<u32, u32>,
    /// When the last answer of each version was complete.
    pub last: BTreeMap<u32, Instant>,
    /// Each with the time since the begin.
    pub faults: Vec<String>,
}

impl Seen {
    pub fn total(&self) -> u32 {
        self.answers.values().sum()
    }

    pub fn of(&self, version: u32) -> u32 {
        self.answers.get(&version).copied().unwrap_or(0)
    }

    /// Fails on the first request that was not answered in full.
    pub fn assert_none_lost(&self) {
        assert!(
            self.faults.is_empty(),
            "{} requests were lost beside {} that were answered: {:#?}",
            self.faults.len(),
            self.total(),
            self.faults
        );
        assert!(self.total() > 0, "nothing was asked");
    }

    /// Fails where the answers of a version are more than four standard deviations from its share in percent.
    pub fn assert_share(&self, version: u32, percent: f64) {
        let (total, share) = (f64::from(self.total()), percent / 100.0);
        let allowed = 4.0 * (total * share * (1.0 - share)).sqrt();
        let away = f64::from(self.of(version)) - total * share;
        assert!(
            away.abs() <= allowed,
            "v{version} answered {} of {total} requests at {percent} %: {away:.1} away, allowed are {allowed:.1}",
            self.of(version)
        );
    }

    fn take(&mut self, begin: Instant, result: Result<u32, String>) {
        match result {
            Ok(version) => {
                *self.answers.entry(version).or_default() += 1;
                self.last.insert(version, Instant::now());
            }
            Err(fault) => self
                .faults
                .push(format!("after {:?}: {fault}", begin.elapsed())),
        }
    }
}

/// A steady stream of requests.
pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    workers: JoinSet<()>,
}

impl Load {
    pub fn start(gateway: &str, host: &str) -> Self {
        let (stop, seen) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Seen::default())),
        );
        let begin = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (stop, seen) = (stop.clone(), seen.clone());
            let mut client = Client::new(gateway, host);
            workers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let result = client.ask("/").await;
                    seen.lock().unwrap().take(begin, result);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self {
            stop,
            seen,
            workers,
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Ends it, the requests that are under way in peace.
    pub async fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap();
        }
        self.seen()
    }
}

/// Asks `total` times over twenty connections, as fast as it goes.
pub async fn count(gateway: &str, host: &str, total: usize) -> Seen {
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..20 {
        let mut client = Client::new(gateway, host);
        workers.spawn(async move {
            let mut seen = Seen::default();
            for _ in 0..total / 20 {
                let result = client.ask("/").await;
                seen.take(begin, result);
            }
            seen
        });
    }
    let mut all = Seen::default();
    for seen in workers.join_all().await {
        for (version, count) in seen.answers {
            *all.answers.entry(version).or_default() += count;
        }
        all.faults.extend(seen.faults);
    }
    all
}

/// Four slow requests that are under way.
pub struct OpenRequests(JoinSet<(String, Instant)>);

impl OpenRequests {
    /// When this returns, their answers have begun. They go on for this many seconds.
    pub async fn begin(gateway: &str, host: &str, seconds: u32) -> Self {
        let mut open = JoinSet::new();
        for _ in 0..4 {
            let mut stream = TcpStream::connect(gateway).await.unwrap();
            let request = format!(
                "GET /slow?seconds={seconds} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).await.unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200");
            open.spawn(async move {
                let mut rest = String::new();
                if let Err(error) = stream.read_to_string(&mut rest).await {
                    rest += &format!(" ({error})");
                }
                (rest, Instant::now())
            });
        }
        Self(open)
    }

    /// Waits for their ends, and fails where one was cut; when they ended.
    pub async fn all_end_whole(self) -> Vec<Instant> {
        let mut ends = Vec::new();
        for (answer, end) in self.0.join_all().await {
            // The last chunk, and the mark of the end.
            let whole = answer.ends_with("\r\ndone\n\r\n0\r\n\r\n");
            assert!(whole, "an open request was cut: {answer:?}");
            ends.push(end);
        }
        ends
    }
}

/// A client with one connection, which it opens again where the other side closed it in good order.
struct Client {
    gateway: String,
    host: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    fn new(gateway: &str, host: &str) -> Self {
        Self {
            gateway: gateway.to_owned(),
            host: host.to_owned(),
            stream: None,
        }
    }

    /// The version that answered.
    async fn ask(&mut self, path: &str) -> Result<u32, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(
                TcpStream::connect(&self.gateway)
                    .await
                    .map_err(|error| format!("no connection: {error}"))?,
            ),
        };
        let answer = tokio::time::timeout(PATIENCE, exchange(&mut stream, &self.host, path));
        let answer = answer
            .await
            .map_err(|_| format!("no complete answer in {PATIENCE:?}"))??;
        if !answer.closes {
            self.stream = Some(stream);
        }
        match (answer.status, answer.version) {
            (200, Some(version)) if answer.body.contains(&format!("\"version\":\"{version}\"")) => {
                Ok(version)
            }
            (status, _) => Err(format!("status {status}: {}", answer.body)),
        }
    }
}

struct Answer {
    status: u16,
    version: Option<u32>,
    closes: bool,
    body: String,
}

async fn exchange(
    stream: &mut BufReader<TcpStream>,
    host: &str,
    path: &str,
) -> Result<Answer, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let cut = |what: &str| format!("the connection was cut before {what}");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| format!("not sent: {error}"))?;
    let mut line = String::new();
    read_line(stream, &mut line)
        .await
        .ok_or_else(|| cut("the answer"))?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(|| format!("not an answer: {line:?}"))?,
        version: None,
        closes: false,
        body: String::new(),
    };
    let mut length = None;
    loop {
        read_line(stream, &mut line)
            .await
            .ok_or_else(|| cut("the end of the head"))?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "x-version" => answer.version = value.parse().ok(),
            "connection" => answer.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    // The application and the gateway name the length of every short answer.
    let mut body = vec![0; length.ok_or_else(|| "an answer without a length".to_owned())?];
    stream
        .read_exact(&mut body)
        .await
        .map_err(|_| cut("the end of the body"))?;
    answer.body = String::from_utf8_lossy(&body).trim().to_owned();
    Ok(answer)
}

/// One line without its end; nothing where the connection ended before.
async fn read_line(stream: &mut BufReader<TcpStream>, line: &mut String) -> Option<()> {
    line.clear();
    stream.read_line(line).await.ok()?;
    let end = line.strip_suffix("\r\n")?.len();
    line.truncate(end);
    Some(())
}
