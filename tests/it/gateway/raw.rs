use std::time::Duration;

use cutwater::gateway::Limits;

use super::stage::{Stage, backend, route};

/// What is expected of one connection.
struct Case {
    /// What is sent, and why the answer is right: sections are of RFC 9112 unless it says otherwise.
    why: &'static str,
    sent: String,
    /// The statuses of all answers on the connection, in order.
    statuses: &'static [u16],
    /// What the answers hold: of what the process has seen.
    has: &'static str,
}

/// A request with these header lines, and what follows its head.
fn post(path: &str, lines: &str, rest: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{lines}\r\n{rest}")
}

fn get(lines: &str) -> String {
    format!("GET /head HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{lines}\r\n")
}

fn case(why: &'static str, sent: String, statuses: &'static [u16], has: &'static str) -> Case {
    Case {
        why,
        sent,
        statuses,
        has,
    }
}

/// Sends all of them, and tells all that were answered otherwise.
async fn check(cases: Vec<Case>) {
    let v7 = backend("v7").await;
    let limits = Limits {
        head_time: Duration::from_secs(2),
        answer_time: Duration::from_secs(2),
        ..Limits::default()
    };
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await;
    let asked = cases.into_iter().map(async |case| {
        let answer = stage.raw(case.sent.as_bytes()).await;
        let statuses: Vec<u16> = (answer.split("HTTP/1.").skip(1))
            .filter_map(|rest| rest.get(2..5)?.parse().ok())
            .collect();
        let fine =
            statuses == case.statuses && answer.contains(case.has) && !answer.contains("smuggled");
        (!fine).then(|| {
            let Case {
                why,
                sent,
                statuses,
                has,
            } = case;
            format!("{why}: {sent:?}\n  wanted {statuses:?} with {has:?}, got: {answer:?}")
        })
    });
    let wrong: Vec<String> = futures::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Behind a body that ends where it should not, this is a request: nobody may see it.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n";

#[tokio::test]
async fn a_body_has_one_length() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let size = |lines: &str, rest: &str| post("/size", lines, rest);
    check(vec![
        case(
            "6.2: a length counts bytes",
            size("Content-Length: 3\r\n", "abc"),
            &[200],
            "3 bytes",
        ),
        case(
            "RFC 9110 5.5: spaces around a value do not count",
            size("Content-Length: \t3 \r\n", "abc"),
            &[200],
            "3 bytes",
        ),
        case(
            "6.3, 5: two lengths",
            size("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"),
            &[400],
            "",
        ),
        case(
            "6.3, 5: a list of lengths",
            size("Content-Length: 3, 4\r\n", "abcd"),
            &[400],
            "",
        ),
        case(
            "RFC 9110 8.6: a length is digits",
            size("Content-Length: +3\r\n", "abc"),
            &[400],
            "",
        ),
        case(
            "RFC 9110 8.6: no sign",
            size("Content-Length: -1\r\n", "abc"),
            &[400],
            "",
        ),
        case(
            "RFC 9110 8.6: no other base",
            size("Content-Length: 0x3\r\n", "abc"),
            &[400],
            "",
        ),
        case(
            "RFC 9110 8.6: none",
            size("Content-Length:\r\n", ""),
            &[400],
            "",
        ),
        case(
            "RFC 9110 8.6: more than a number holds",
            size("Content-Length: 99999999999999999999\r\n", "a"),
            &[400],
            "",
        ),
        case(
            "6.3, 3: of both the coding counts, and the connection ends",
            size(
                &format!("Content-Length: 5\r\n{chunked}"),
                &format!("0\r\n\r\n{NEXT}"),
            ),
            &[200],
            "0 bytes",
        ),
        case(
            "6.3, 3: in either order",
            size(
                &format!("{chunked}Content-Length: 60\r\n"),
                &format!("0\r\n\r\n{NEXT}"),
            ),
            &[200],
            "0 bytes",
        ),
        case(
            "6.1: a coding that is not known",
            size("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            &[400],
            "",
        ),
        case(
            "6.3, 4: chunked is the last coding",
            size("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            &[400],
            "",
        ),
        case(
            "6.1: of other codings none is known",
            size("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            &[501],
            "`chunked` alone",
        ),
        case(
            "6.1: chunked once",
            size(&format!("{chunked}{chunked}"), "0\r\n\r\n"),
            &[501],
            "`chunked` alone",
        ),
        case(
            "6.1: coding names have no case",
            size("Transfer-Encoding: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            &[200],
            "3 bytes",
        ),
        case(
            "RFC 9110 5.5: a control character in a value",
            size("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
            &[400],
            "",
        ),
        case(
            "7.1: a size is hex digits",
            size(chunked, &format!("0x3\r\nabc\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1: no sign",
            size(chunked, &format!("-3\r\nabc\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1: a size is there",
            size(chunked, &format!("\r\nabc\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1: more than a number holds",
            size(
                chunked,
                &format!("fffffffffffffffff\r\nabc\r\n0\r\n\r\n{NEXT}"),
            ),
            &[400],
            "",
        ),
        case(
            "7.1: a chunk ends with its size",
            size(chunked, &format!("3\r\nabcd\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1: a line ends with CR LF",
            size(chunked, &format!("3\nabc\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1.1: an extension says nothing",
            size(chunked, "3;a=\"b\"\r\nabc\r\n0\r\n\r\n"),
            &[200],
            "3 bytes",
        ),
        case(
            "7.1.1: and ends with CR LF",
            size(chunked, &format!("3;a\nabc\r\n0\r\n\r\n{NEXT}")),
            &[400],
            "",
        ),
        case(
            "7.1.2: trailers are no headers",
            size(
                &format!("Trailer: content-length\r\n{chunked}"),
                "3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: else.test\r\n\r\n",
            ),
            &[200],
            "3 bytes, trailers {}",
        ),
        case(
            "6.1: no coding in HTTP/1.0",
            format!("POST /size HTTP/1.0\r\nHost: shop.test\r\n{chunked}\r\n0\r\n\r\n"),
            &[400],
            "",
        ),
        case(
            "RFC 9110 7.6.1: a length that Connection names still frames the body",
            size("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc"),
            &[200],
            "3 bytes",
        ),
        case(
            "6.3, 7: without a length there is no body",
            size("", NEXT),
            &[200],
            "0 bytes",
        ),
        case(
            "RFC 9110 9.3.1: GET with a body in chunks is passed on with it",
            size(chunked, "3\r\nabc\r\n0\r\n\r\n").replacen("POST", "GET", 1),
            &[200],
            "3 bytes",
        ),
        case(
            "RFC 9110 9.3.1: and what follows where the connection is to end is no request",
            size(chunked, &format!("0\r\n\r\n{NEXT}")).replacen("POST", "GET", 1),
            &[200],
            "0 bytes",
        ),
        case(
            "RFC 9110 9.3.1: GET with a length is passed on with its body",
            size("Content-Length: 3\r\n", "abc").replacen("POST", "GET", 1),
            &[200],
            "3 bytes",
        ),
        case(
            "9.3.2: behind a GET with a body in chunks comes the next request",
            format!(
                "GET /size HTTP/1.1\r\nHost: shop.test\r\n{chunked}\r\n3\r\nabc\r\n0\r\n\r\n{}",
                get("")
            ),
            &[200, 200],
            "3 bytes",
        ),
        case(
            "9.3.2: requests in a row are answered in a row",
            format!(
                "POST /size HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc{}",
                get("")
            ),
            &[200, 200],
            "GET /head",
        ),
        case(
            "6.3, 6: a body that ends early",
            size("Content-Length: 9\r\n", "abc"),
            &[408],
            "No byte of the body",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_head_can_be_read_in_one_way() {
    check(vec![
        case("5.1: a space before the colon", get("X-A : 1\r\n"), &[400], ""),
        case("5.2: a folded line", get("X-A: 1\r\n 2\r\n"), &[400], ""),
        case("2.2: a space before the first line", "GET /head HTTP/1.1\r\n Host: shop.test\r\n\r\n".into(), &[400], ""),
        case("2.2: CR alone", get("X-A: 1\rX-B: 2\r\n"), &[400], ""),
        case("RFC 9110 5.5: NUL in a value", get("X-A: 1\x002\r\n"), &[400], ""),
        case("RFC 9110 5.1: NUL in a name", get("X\0A: 1\r\n"), &[400], ""),
        case("RFC 9110 5.1: no name", get(": 1\r\n"), &[400], ""),
        case("RFC 9110 5.1: no token", get("X@A: 1\r\n"), &[400], ""),
        case("5: no colon", get("X-A\r\n"), &[400], ""),
        case("2.2: an empty line in front is passed over", format!("\r\n{}", get("X-A: 1\r\n")), &[200], "x-a: 1"),
        case("3: one space between the parts", "GET  /head HTTP/1.1\r\nHost: shop.test\r\n\r\n".into(), &[400], ""),
        case("3: no space in a target", "GET /head /a HTTP/1.1\r\nHost: shop.test\r\n\r\n".into(), &[400], ""),
        case("2.3: the version has capital letters", "GET /head http/1.1\r\nHost: shop.test\r\n\r\n".into(), &[400], ""),
        case("2.3: another major version", "GET /head HTTP/3.0\r\nHost: shop.test\r\n\r\n".into(), &[400], ""),
        case("3.2: NUL in a target", "GET /he\0ad HTTP/1.1\r\nHost: shop.test\r\n\r\n".into(), &[400], ""),
        case("3.2: no Host", "GET /head HTTP/1.1\r\nConnection: close\r\n\r\n".into(), &[400], "send a Host header"),
        case("3.2: two Hosts", get("Host: shop.test\r\n"), &[400], "more than one Host"),
        case("3.2.2: the absolute form goes before Host", "GET http://shop.test/head HTTP/1.1\r\nHost: else.test\r\nConnection: close\r\n\r\n".into(), &[200], "host: shop.test"),
        case("RFC 9110 7.6.1: what Connection names ends here, and Host does not", get("Connection: X-A, Host, X-Forwarded-For\r\nX-A: smuggled\r\nX-Forwarded-For: smuggled\r\n"), &[200], "host: shop.test"),
        case("RFC 9110 7.8: an upgrade that Connection does not name is none", get("Upgrade: websocket\r\n"), &[200], "GET /head"),
        case("RFC 9110 9.3.6: no tunnels", "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".into(), &[405], "no tunnels"),
        case("9.3: HTTP/1.0 ends behind its answer", "GET /head HTTP/1.0\r\nHost: shop.test\r\n\r\n".into(), &[200], "GET /head HTTP/1.1"),
    ]).await;
}
