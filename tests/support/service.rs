//! Servers of the system on loopback ports of their own.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::Process;
use super::tools::system;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that listens. It is killed when this is dropped, or when the test program ends.
pub struct Service {
    /// Its ports.
    pub ports: Vec<u16>,
    process: Process,
}

impl Service {
    /// Starts a program of a Debian package on `count` free ports, and returns when its log says `listening`.
    /// `arguments` writes what it needs into `directory`, for these ports.
    pub fn start(
        (program, package): (&str, &str),
        directory: &Path,
        count: usize,
        listening: &str,
        arguments: impl Fn(&[u16]) -> Vec<String>,
    ) -> Self {
        let path = system(program, package);
        let deadline = Instant::now() + PATIENCE;
        for attempt in 1.. {
            let ports = free_ports(count);
            let name = format!("{program}-{attempt}");
            let mut process = Process::start(&name, &path, &arguments(&ports), directory);
            // Another program may take a free port before the server does.
            while !process.log().contains(listening) {
                let ended = process.ended().is_some();
                let log = process.log().to_lowercase();
                if ended && log.contains("in use") && Instant::now() < deadline {
                    break;
                }
                assert!(
                    !ended && Instant::now() < deadline,
                    "{program} does not listen; {}",
                    process.tail()
                );
                std::thread::sleep(Duration::from_millis(5));
            }
            if process.ended().is_none() {
                return Self { ports, process };
            }
        }
        unreachable!("the loop ends by returning or with a panic")
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Ports that nobody has now. All are held until the last is found, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"))
        .collect();
    let port = |held: &TcpListener| held.local_addr().expect("it is bound").port();
    held.iter().map(port).collect()
}
