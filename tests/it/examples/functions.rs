use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{free, port};
use crate::support::process::Process;
use crate::support::tools::checkout;

/// Long enough for anything that is to happen, on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(30);

/// A program of the example that runs.
struct Function {
    port: u16,
    process: Process,
    name: String,
    logs: tempfile::TempDir,
}

impl Function {
    fn start(name: &str) -> Self {
        let port = port(&free());
        let file = checkout()
            .join("examples/checkout/apps/checkout")
            .join(name);
        let arguments = ["-B".to_owned(), file.to_str().unwrap().to_owned()];
        let environment = [("PORT", &*port.to_string()), ("CUTWATER_VERSION", "7")];
        let logs = tempfile::tempdir().unwrap();
        let process = Process::start_with(
            name,
            Path::new("python3"),
            &arguments,
            logs.path(),
            &environment,
        );
        let name = name.to_owned();
        let function = Self {
            port,
            process,
            name,
            logs,
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < DEADLINE, "{}", function.process.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        function
    }

    fn connect(&self) -> BufReader<TcpStream> {
        connect(self.port)
    }

    /// Ends it as a cluster does: soon, without a word of complaint.
    fn end(self) {
        let start = Instant::now();
        self.process.stop(DEADLINE);
        assert!(start.elapsed() < DEADLINE, "it ends on SIGTERM");
        let log = self.logs.path().join(format!("{}.log", self.name));
        assert_eq!(std::fs::read_to_string(log).unwrap(), "");
    }
}

pub(super) fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    BufReader::new(stream)
}

/// Asks for a WebSocket, with the key of the example in the RFC.
pub(super) const UPGRADE: &str = "GET /live HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// Sends the head of a request; the answer to it: status line and headers, and the body.
pub(super) fn ask(connection: &mut BufReader<TcpStream>, head: &str) -> (String, String) {
    let request = format!("{head}\r\nHost: shop.localhost\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        assert_ne!(connection.read_line(&mut answer).unwrap(), 0, "{answer}");
    }
    let length = (answer.lines()).find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let bodiless = head.starts_with("HEAD") || answer.contains(" 304 ") || answer.contains(" 101 ");
    let mut body = vec![0; if bodiless { 0 } else { length.unwrap() }];
    connection.read_exact(&mut body).unwrap();
    (answer, String::from_utf8(body).unwrap())
}

/// True once the other side has closed.
fn is_over(connection: &mut BufReader<TcpStream>) -> bool {
    connection.read(&mut [0]).unwrap() == 0
}

#[test]
fn the_page_and_the_api_say_their_version_on_connections_that_are_kept() {
    let web = Function::start("web.py");
    let mut connection = web.connect();
    let (head, page) = ask(&mut connection, "GET /?x=1 HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(page.contains("This page is of version 7,"), "{page}");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("ETag: "))
        .unwrap();
    let (head, _) = ask(
        &mut connection,
        &format!("GET / HTTP/1.1\r\nIf-None-Match: {tag}"),
    );
    assert!(head.starts_with("HTTP/1.1 304 "), "{head}");
    let (head, _) = ask(&mut connection, "HEAD /assets/style.css HTTP/1.1");
    assert!(head.contains("Content-Type: text/css\r\n"), "{head}");
    for outside in ["/../web.py", "/%2e%2e/web.py", "//etc/passwd", "/assets"] {
        let (head, _) = ask(&mut connection, &format!("GET {outside} HTTP/1.1"));
        assert!(head.starts_with("HTTP/1.1 404 "), "{outside}: {head}");
    }
    web.end();
    assert!(is_over(&mut connection));

    let api = Function::start("api.py");
    let mut connection = api.connect();
    let (_, cart) = ask(&mut connection, "GET /api/cart HTTP/1.1");
    let cart: serde_json::Value = serde_json::from_str(&cart).unwrap();
    assert_eq!(cart["version"], 7);
    // A body that nobody reads is not taken for a request.
    let smuggled = "GET /api/cart HTTP/1.1\r\nContent-Length: 30";
    let (head, _) = ask(&mut connection, smuggled);
    assert!(head.contains("Connection: close\r\n"), "{head}");
    assert!(is_over(&mut connection));
    api.end();
}

/// Sends a frame as clients do, masked.
pub(super) fn send(connection: &mut BufReader<TcpStream>, first: u8, payload: &[u8]) {
    let mut frame = vec![
        first,
        0x80 | u8::try_from(payload.len()).unwrap(),
        1,
        2,
        3,
        4,
    ];
    frame.extend(
        payload
            .iter()
            .zip([1, 2, 3, 4].iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    connection.get_mut().write_all(&frame).unwrap();
}

/// The next frame that is no tick: its first byte and its payload.
pub(super) fn receive(connection: &mut BufReader<TcpStream>) -> (u8, Vec<u8>) {
    loop {
        let mut head = [0; 2];
        connection.read_exact(&mut head).unwrap();
        assert!(head[1] < 126, "short and without a mask");
        let mut payload = vec![0; head[1].into()];
        connection.read_exact(&mut payload).unwrap();
        let is_tick = head[0] == 0x89 || String::from_utf8_lossy(&payload).contains("\"seconds\"");
        if !is_tick {
            return (head[0], payload);
        }
    }
}

#[test]
fn the_socket_speaks_as_rfc_6455_says() {
    let live = Function::start("live.py");
    let (head, _) = ask(&mut live.connect(), "GET /live HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    let open = || {
        let mut connection = live.connect();
        let (head, _) = ask(&mut connection, UPGRADE);
        // The example of the RFC.
        assert!(
            head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{head}"
        );
        connection
    };
    let mut connection = open();
    let mut first = [0; 2];
    connection.read_exact(&mut first).unwrap();
    let mut tick = vec![0; first[1].into()];
    connection.read_exact(&mut tick).unwrap();
    assert_eq!(
        String::from_utf8(tick).unwrap(),
        r#"{"version": 7, "seconds": 0}"#
    );
    // A message in two fragments, with a ping between them.
    send(&mut connection, 0x01, "grü".as_bytes());
    send(&mut connection, 0x89, b"there?");
    send(&mut connection, 0x80, "ße".as_bytes());
    assert_eq!(receive(&mut connection), (0x8A, b"there?".to_vec()));
    let echo = r#"{"version": 7, "echo": "grüße"}"#;
    assert_eq!(receive(&mut connection), (0x81, echo.as_bytes().to_vec()));
    send(&mut connection, 0x88, &[0x0B, 0xB8]);
    assert_eq!(receive(&mut connection), (0x88, vec![0x0B, 0xB8]));
    assert!(is_over(&mut connection));
    for (first, payload, code) in [
        (0x80, &b"of nothing"[..], 1002_u16),
        (0xC1, b"compressed", 1002),
        (0x81, b"\xff", 1007),
    ] {
        let mut connection = open();
        send(&mut connection, first, payload);
        assert_eq!(
            receive(&mut connection),
            (0x88, code.to_be_bytes().to_vec())
        );
    }
    // One that is open when the program ends is told.
    let mut connection = open();
    live.end();
    assert_eq!(
        receive(&mut connection),
        (0x88, 1001_u16.to_be_bytes().to_vec())
    );
    assert!(is_over(&mut connection));
}
