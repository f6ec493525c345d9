use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{DEADLINE, Stage, backend, route};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head.as_slice(), payload].concat()
}

/// Headers as HPACK writes those that it does not know and is not to remember (RFC 7541, 6.2.2).
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn request(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop.test"),
    ];
    block(&[&usual[..], more].concat())
}

/// What comes back for these frames: the status of stream 1, or how it ended.
async fn outcome(stage: &Stage, frames: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    let preface = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        settings.as_slice(),
        frames,
    ]
    .concat();
    stream.write_all(&preface).await.unwrap();
    let read = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return "closed".to_owned();
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.unwrap();
            match head[3] {
                // The static table has the usual ones (RFC 7541, appendix A).
                HEADERS => match payload[0] {
                    0x88 => return "200".to_owned(),
                    0x8c => return "400".to_owned(),
                    0x8d => return "404".to_owned(),
                    other => return format!("a status of {other:x}"),
                },
                RST_STREAM => return format!("reset {}", payload[3]),
                GOAWAY => return format!("goaway {}", payload[7]),
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, read)
        .await
        .expect("an answer")
}

/// RFC 9113, sections as named. A malformed request is a stream error of type PROTOCOL_ERROR (1), or one of the connection.
#[tokio::test]
async fn requests_that_http1_would_read_otherwise_are_refused() {
    let v7 = backend("v7").await;
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let alone = |headers: Vec<u8>| frame(HEADERS, END_STREAM | END_HEADERS, 1, &headers);
    let with = |headers: Vec<u8>, data: &[u8]| {
        [
            frame(HEADERS, END_HEADERS, 1, &headers),
            frame(DATA, END_STREAM, 1, data),
        ]
        .concat()
    };
    let refused = ["reset 1", "goaway 1", "400"];
    let good = ["200"];
    let cases: [(&str, Vec<u8>, &[&str]); 17] = [
        ("a good one", alone(request("/head", &[])), &good),
        (
            "a good one with a body",
            with(request("/size", &[("content-length", "3")]), b"abc"),
            &good,
        ),
        (
            "8.1.1: a length that is not that of the body",
            with(request("/size", &[("content-length", "4")]), b"abc"),
            &refused,
        ),
        (
            "8.1.1: a body that is longer",
            with(request("/size", &[("content-length", "2")]), b"abc"),
            &refused,
        ),
        (
            "8.2.2: a header of the connection",
            alone(request("/head", &[("connection", "close")])),
            &refused,
        ),
        (
            "8.2.2: a transfer coding",
            with(
                request("/size", &[("transfer-encoding", "chunked")]),
                b"0\r\n\r\n",
            ),
            &refused,
        ),
        (
            "8.2.2: TE other than trailers",
            alone(request("/head", &[("te", "gzip")])),
            &refused,
        ),
        (
            "8.2.2: TE trailers",
            alone(request("/head", &[("te", "trailers")])),
            &good,
        ),
        (
            "8.2.1: capital letters in a name",
            alone(request("/head", &[("X-A", "1")])),
            &refused,
        ),
        (
            "8.2.1: a line break in a value",
            alone(request("/head", &[("x-a", "1\r\nx-b: 2")])),
            &refused,
        ),
        (
            "8.2.1: NUL in a value",
            alone(request("/head", &[("x-a", "1\0")])),
            &refused,
        ),
        (
            "8.2.1: a colon in a name",
            alone(request("/head", &[("x-a: 1\r\nx", "1")])),
            &refused,
        ),
        (
            "8.3: a pseudo header behind a header",
            alone(request("/head", &[("x-a", "1"), (":path", "/else")])),
            &refused,
        ),
        (
            "8.3: a pseudo header that is unknown",
            alone(request("/head", &[(":else", "1")])),
            &refused,
        ),
        (
            "8.3.1: no path",
            alone(block(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "shop.test"),
            ])),
            &refused,
        ),
        (
            "8.3.1: two hosts",
            alone(request("/head", &[("host", "else.test")])),
            &refused,
        ),
        (
            "8.3.1: a line break in a path",
            alone(request("/head HTTP/1.1\r\nx-a: 1", &[])),
            &refused,
        ),
    ];
    let mut wrong = Vec::new();
    for (why, frames, wanted) in cases {
        let got = outcome(&stage, &frames).await;
        if !wanted.contains(&got.as_str()) {
            wrong.push(format!("{why}: wanted one of {wanted:?}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // 6.9, 6.5: what breaks the connection breaks no other.
    for broken in [
        frame(SETTINGS, 0, 1, &[]),
        frame(HEADERS, END_HEADERS, 2, &request("/head", &[])),
        frame(DATA, 0, 1, b"abc"),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 20]),
    ] {
        let got = outcome(&stage, &broken).await;
        assert!(got.starts_with("goaway") || got == "closed", "{got}");
    }
    assert_eq!(outcome(&stage, &alone(request("/head", &[]))).await, "200");
    assert_eq!(v7.open_requests(), 0);
}

/// Streams that are opened and reset at once (CVE-2023-44487) end their connection, and cost nobody else.
#[tokio::test]
async fn streams_that_are_reset_at_once_end_their_connection() {
    let v7 = backend("v7").await;
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let mut frames = Vec::new();
    for stream in (1..20_000).step_by(2) {
        let headers = request("/never", &[]);
        frames.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &headers));
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    let preface = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        settings.as_slice(),
        &frames,
    ]
    .concat();
    let (mut read, mut write) = stream.split();
    let sending = async {
        // It may be closed before all of it was sent.
        let _ = write.write_all(&preface).await;
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut sink = vec![0; 65_536];
        while !matches!(read.read(&mut sink).await, Ok(0) | Err(_)) {}
    };
    let ended = async {
        tokio::select! { () = sending => {}, () = reading => {} }
    };
    tokio::time::timeout(DEADLINE, ended)
        .await
        .expect("the connection is closed");
    crate::support::wait::wait_for("no request to be open", DEADLINE, async || {
        (v7.open_requests() == 0).then_some(())
    })
    .await;
    assert_eq!(stage.client().await.get("/", &[]).await.unwrap().1, "v7");
}
