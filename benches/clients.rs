//! Clients of `serve.rs`: h2load where as much as possible is asked for, and one of our own that keeps to a pace.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::tools::system;

/// The hostname that is asked for.
pub const HOST: &str = "shop.localhost";

/// Keep-alive connections of each client.
pub const CONNECTIONS: u32 = 64;

/// What h2load found.
pub struct Run {
    /// Requests in a second.
    pub rate: f64,
    /// Bytes of bodies in a second, in MiB.
    pub mebibytes: f64,
    /// Requests that were answered.
    pub done: f64,
}

/// Asks for a path as often as it is answered. Anything but 2xx is a fault.
pub fn flood(address: SocketAddr, path: &str, time: Duration) -> Run {
    // A second Host header is what `--header` would give.
    let output = Command::new(system("h2load", "nghttp2-client"))
        .args(["--h1", &format!("--clients={CONNECTIONS}")])
        .arg(format!("--duration={}", time.as_secs()))
        .arg(format!("--connect-to={address}"))
        .arg(format!("http://{HOST}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "h2load: {text}{errors}");
    assert!(text.contains(" 0 failed, 0 errored, 0 timeout"), "{text}");
    assert!(text.contains(" 0 3xx, 0 4xx, 0 5xx"), "{text}");
    let line = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("h2load says no '{start}': {text}"))
    };
    // "finished in 5.00s, 12345.60 req/s, 1.23MB/s"
    let rate = (line("finished in").split(", ").nth(1))
        .and_then(|part| part.strip_suffix(" req/s"))
        .and_then(|part| part.parse().ok());
    // "requests: 61728 total, 61792 started, 61728 done, ..."
    let done = (line("requests:").split(", "))
        .find_map(|part| part.strip_suffix(" done"))
        .and_then(|part| part.parse().ok());
    // "traffic: 1.23GB (1234567) total, 0B (0) headers (space savings 0.00%), 1.23GB (123456) data"
    let bytes: Option<f64> = (line("traffic:").rsplit('('))
        .next()
        .and_then(|rest| rest.split(')').next())
        .and_then(|part| part.parse().ok());
    Run {
        rate: rate.unwrap(),
        mebibytes: bytes.unwrap() / time.as_secs_f64() / 1_048_576.0,
        done: done.unwrap(),
    }
}

/// The time of each of `rate` requests a second, spread evenly in time and over the connections.
///
/// h2load sends those of all connections at once, and would measure the queue that this makes. A request that had to wait for
/// the answer before it is counted from when it was due.
pub fn pace(address: SocketAddr, rate: f64, time: Duration) -> Vec<Duration> {
    let between = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    let begin = Instant::now() + Duration::from_millis(50);
    let one = |number: u32| {
        let mut connection = Connection::open(address);
        let mut due = begin + between * number / CONNECTIONS;
        let mut times = Vec::new();
        while due < begin + time {
            let early = due.saturating_duration_since(Instant::now());
            std::thread::sleep(early);
            let asked = if early.is_zero() { due } else { Instant::now() };
            connection.ask();
            times.push(asked.elapsed());
            due += between;
        }
        times
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..CONNECTIONS)
            .map(|number| scope.spawn(move || one(number)))
            .collect();
        all.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// A keep-alive connection.
pub struct Connection(TcpStream);

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self(stream)
    }

    /// The body of the answer to a plain request; it is two bytes long.
    pub fn ask(&mut self) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        self.0.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = self.0.read(&mut buffer).unwrap();
            answer.extend_from_slice(&buffer[..count]);
            if let Some((head, body)) = answer.split_last_chunk::<2>()
                && head.ends_with(b"\r\n\r\n")
            {
                assert!(head.starts_with(b"HTTP/1.1 200"), "{}", shown(&answer));
                return String::from_utf8_lossy(body).into_owned();
            }
            assert_ne!(count, 0, "an answer was cut: {}", shown(&answer));
        }
    }

    /// Whether nobody has closed it.
    pub fn is_open(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}
