use tokio::process::Command;

use super::stage::{Stage, backend, route};
use crate::support::tools::system;

async fn stage() -> Stage {
    let v7 = backend("v7").await;
    Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await
}

/// What a program prints, which ends well.
async fn printed(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(system(program, package))
        .args(arguments)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{error}"
    );
    text + &error
}

#[tokio::test]
async fn curl_is_answered_whatever_it_sends() {
    let stage = stage().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 2_000_000]).unwrap();
    let data = format!("@{}", file.path().display());
    let value = |length: usize| format!("X-Long: {}", "x".repeat(length));
    let (long, too_long) = (value(50_000), value(80_000));
    // The arguments, the path, what is in the answer, and why (sections of RFC 9110).
    let cases: &[(&[&str], &str, &str, &str)] = &[
        (
            &["--data-binary", &data, "-H", "Transfer-Encoding: chunked"],
            "/size",
            "2000000 bytes",
            "a body without a length",
        ),
        (
            &["--data-binary", &data, "-H", "Expect: 100-continue"],
            "/size",
            "HTTP/1.1 100 Continue",
            "10.1.1: who waits is told to go on",
        ),
        (
            &["--data-binary", &data, "-H", "Expect: 100-continue"],
            "/size",
            "2000000 bytes",
            "10.1.1: and then answered",
        ),
        (
            &["--upload-file", file.path().to_str().unwrap()],
            "/size",
            "2000000 bytes",
            "9.3.4: PUT",
        ),
        (
            &["--head"],
            "/big",
            "HTTP/1.1 200",
            "9.3.2: the answer to HEAD has no body",
        ),
        (
            &["-X", "OPTIONS"],
            "/head",
            "OPTIONS /head HTTP/1.1",
            "9.3.7: OPTIONS of a path",
        ),
        (
            &["-X", "OPTIONS", "--request-target", "*"],
            "/",
            " 400",
            "9.3.7: OPTIONS of the server is none of a path",
        ),
        (
            &["-X", "PURGE"],
            "/head",
            "PURGE /head HTTP/1.1",
            "9.1: a method that nobody knows is for the process",
        ),
        (
            &["-H", &long],
            "/head",
            "x-long: xxx",
            "5.4: a head that fits",
        ),
        (
            &["-H", &too_long],
            "/head",
            " 431",
            "RFC 6585 5: and one that does not",
        ),
        (
            &["--http1.0"],
            "/head",
            "GET /head HTTP/1.1",
            "2.5: HTTP/1.0",
        ),
        (
            &["-H", "Host: SHOP.test."],
            "/head",
            "host: SHOP.test.",
            "4.2.3: names of hosts have no case",
        ),
    ];
    for (arguments, path, wanted, why) in cases {
        let arguments = [&["--http1.1"], *arguments].concat();
        let answer = stage.curl(path, &arguments).await;
        assert!(answer.contains(wanted), "{why}: {arguments:?}: {answer}");
    }
    let cases: &[(&[&str], &str, &str, &str)] = &[
        (
            &["--data-binary", &data],
            "/size",
            "2000000 bytes",
            "RFC 9113 8.1: a body",
        ),
        (
            &[
                "--data-binary",
                &data,
                "-H",
                "Transfer-Encoding: chunked",
                "-X",
                "GET",
            ],
            "/size",
            "2000000 bytes",
            "9.3.1: GET with a body without a length",
        ),
        (
            &["--upload-file", file.path().to_str().unwrap()],
            "/size",
            "2000000 bytes",
            "9.3.4: PUT",
        ),
        (
            &["--head"],
            "/big",
            "HTTP/2 200",
            "9.3.2: the answer to HEAD has no body",
        ),
        (
            &["-H", &long],
            "/head",
            "x-long: xxx",
            "RFC 9113 6.10: a head in several frames",
        ),
        (
            &["-H", "TE: trailers"],
            "/trailers",
            "x-sum: 42",
            "6.5: trailers",
        ),
    ];
    for (arguments, path, wanted, why) in cases {
        let arguments = [&["--http2-prior-knowledge"], *arguments].concat();
        let answer = stage.curl(path, &arguments).await;
        assert!(answer.contains(wanted), "{why}: {arguments:?}: {answer}");
    }
}

#[tokio::test]
async fn nghttp_is_answered_whatever_it_sends() {
    let stage = stage().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 300_000]).unwrap();
    let data = file.path().to_str().unwrap();
    let url = |path: &str| format!("http://{}{path}", stage.address);
    // The arguments, the path, what is printed, and why (sections of RFC 9113).
    let cases: &[(&[&str], &str, &str, &str)] = &[
        (&[], "/", "v7", "a request"),
        (
            &["-w", "10", "-W", "10"],
            "/stream",
            "v7 29",
            "6.9: windows of 1,023 bytes",
        ),
        (&["-b", "200"], "/", "v7", "6.1: padding"),
        (
            &["--continuation"],
            "/",
            "v7",
            "6.10: a head in several frames",
        ),
        (
            &["-d", data],
            "/size",
            "300000 bytes, trailers {}",
            "8.1: a body",
        ),
        (
            &["-d", data, "--expect-continue"],
            "/size",
            "300000 bytes",
            "RFC 9110 10.1.1: who waits is told to go on",
        ),
        (
            &[
                "-d",
                data,
                "--no-content-length",
                "--trailer",
                "x-sum: 42",
                "-H",
                "trailer: x-sum",
            ],
            "/size",
            r#"{"x-sum": "42"}"#,
            "8.1: trailers of a request, where HTTP/1.1 can carry them: without a length",
        ),
        (
            &["-m", "50", "-n", "-s"],
            "/",
            "",
            "5.1.2: fifty streams at once",
        ),
    ];
    for (arguments, path, wanted, why) in cases {
        let url = url(path);
        let arguments = [
            &["-H", ":authority: shop.test"],
            *arguments,
            &[url.as_str()],
        ]
        .concat();
        let answer = printed("nghttp", "nghttp2-client", &arguments).await;
        assert!(answer.contains(wanted), "{why}: {arguments:?}: {answer}");
        assert!(!answer.contains("not processed"), "{why}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_loses_no_request_over_either_version() {
    let stage = stage().await;
    let url = format!("http://shop.test:{}/", stage.address.port());
    let connect = format!("--connect-to={}", stage.address);
    for version in [&["-m", "32"][..], &["--h1", "-m", "4"]] {
        let arguments = ["-n", "4000", "-c", "16", connect.as_str(), url.as_str()];
        let arguments = [version, &arguments].concat();
        let report = printed("h2load", "nghttp2-client", &arguments).await;
        let line = "4000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(report.contains(line), "{report}");
        assert!(report.contains("4000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{report}");
    }
}

/// A client of RFC 6455 without a library: a text, a ping and a close, masked as a client must, and a server in its place.
const SOCKET: &str = r#"
import os, socket, struct, sys
host, port = sys.argv[1], int(sys.argv[2])
def framed(opcode, payload):
    mask = os.urandom(4)
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xfe]) + struct.pack("!H", len(payload))
    return bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
s = socket.create_connection((host, port), timeout=20)
s.sendall(b"GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + framed(1, b"early"))
f = s.makefile("rb")
status = f.readline()
assert status.startswith(b"HTTP/1.1 101 "), status
headers = {}
while (line := f.readline().strip()):
    name, value = line.split(b":", 1)
    headers[name.lower()] = value.strip()
assert headers[b"upgrade"] == b"websocket" and headers[b"connection"].lower() == b"upgrade", headers
assert f.readline() == b"hello from v7\n"
# The process sends back each byte: frames come as they went, also those that were sent with the head.
early = f.read(11)
assert early[:2] == bytes([0x81, 0x85]), early
for opcode, payload in [(1, b"text"), (9, b"ping"), (2, os.urandom(40000)), (8, struct.pack("!H", 1000))]:
    sent = framed(opcode, payload)
    s.sendall(sent)
    assert f.read(len(sent)) == sent
s.shutdown(socket.SHUT_WR)
assert f.read() == b""
print("closed")
"#;

#[tokio::test]
async fn a_websocket_client_of_its_own_passes() {
    let stage = stage().await;
    let port = stage.address.port().to_string();
    let said = printed("python3", "python3", &["-c", SOCKET, "127.0.0.1", &port]).await;
    assert_eq!(said, "closed\n");
}
