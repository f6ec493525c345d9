use std::process::Command;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Standalone, app, until};
use crate::support::tools::system;

/// Answers `/big` with 64 MiB, and everything else once it has all of the request.
const PATIENT: &str = r#"
import asyncio, os
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            length = 64 << 20 if b" /big " in head else 2
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
            while length > 0:
                writer.write(b"x" * min(length, 65536))
                length -= 65536
                await writer.drain()
    except Exception:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"#;

/// Kilobytes of memory that a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[1].parse().unwrap()
}

/// The numbers of the files that a process has open.
fn files(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse());
    numbers.map(Result::unwrap).collect()
}

/// Clients hold many files in this process.
fn raise_own_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_slow_clients_costs_little_and_stops_nobody_else() {
    raise_own_limit();
    let mut standalone = Standalone::of(1);
    standalone.files = Some(1_024);
    // A program that is busy with all of them may be late with a probe.
    let lenient = app("[python3, other.py]").replace("failureThreshold: 2", "failureThreshold: 60");
    standalone.publish_program_as(PATIENT, &lenient);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let said = "at most 384 connections and 384 requests at a time";
    assert!(standalone.log().contains(said), "{}", standalone.log());
    let pid = standalone.serving.as_ref().unwrap().id();
    standalone.get(&[]).await;
    let before = resident(pid);
    let mut flood = Vec::new();
    let mut come = async |count: usize, beginning: &str| {
        for _ in 0..count {
            let mut client = TcpStream::connect(standalone.gateway).await.unwrap();
            client.write_all(beginning.as_bytes()).await.unwrap();
            flood.push(client);
        }
    };
    let head = "HTTP/1.1\r\nHost: shop.localhost\r\n";
    come(60, "").await;
    come(60, "GET / HTTP/1.1\r\nHost: sh").await;
    come(40, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    come(
        90,
        &format!("POST / {head}Content-Length: 1000000\r\n\r\nabc"),
    )
    .await;
    come(20, &format!("GET /big {head}\r\n")).await;
    for _ in 0..20 {
        let (status, page) = standalone.get(&[]).await;
        assert_eq!(status, 200, "{page}");
    }
    // Each may hold what a socket and the gateway's own buffers hold.
    let grown = resident(pid).saturating_sub(before) / 1_024;
    println!(
        "270 slow clients: {grown} MiB more than {} MiB",
        before / 1_024
    );
    assert!(grown < 150, "{grown} MiB for 270 slow clients");
    // Beyond what it takes: the others wait until there is room, and it has files left for itself.
    come(200, "").await;
    assert!(files(pid).len() < 1_024 - 64, "{}", files(pid).len());
    drop(flood);
    for _ in 0..20 {
        assert_eq!(standalone.get(&[]).await.0, 200);
    }
    assert!(
        !standalone.log().contains("cannot accept"),
        "{}",
        standalone.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_files_to_open_it_says_so_and_goes_on() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let pid = standalone.serving.as_ref().unwrap().id();
    let allow = |soft: u32| {
        let set = Command::new(system("prlimit", "util-linux"))
            .args(["--pid", &pid.to_string(), &format!("--nofile={soft}:")])
            .status();
        assert!(set.unwrap().success());
    };
    // Programs get the limit that serve was given, and serve itself all that it may have.
    let limit = |pid: u32| {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<String> = line
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (words[3].clone(), words[4].clone())
    };
    let (soft, hard) = limit(pid);
    assert_eq!(soft, hard);
    // Whatever it closes meanwhile is not left to it either.
    let mut waiting = Vec::new();
    until("it says so", async || {
        let open = files(pid);
        allow((0..4_096).find(|number| !open.contains(number)).unwrap());
        waiting.push(TcpStream::connect(standalone.gateway).await.unwrap());
        let said = "cannot accept connections, and goes on trying: Too many open files";
        standalone.log().contains(said).then_some(())
    })
    .await;
    allow(4_096);
    drop(waiting);
    until("it serves again", async || {
        (standalone.get(&[]).await.0 == 200).then_some(())
    })
    .await;
    let said = standalone.log().matches("cannot accept").count();
    assert!(said < 5, "said {said} times");
}
