//! A folder of repositories behind a real web server, and a count of all bytes on the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::web::Web;

/// A web server, and in front of it what counts.
pub struct Wire {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
    _server: Web,
}

impl Wire {
    /// Serves the repositories in `folder`, where it keeps its own files too.
    pub fn serve(folder: &Path) -> Self {
        let server = Web::start(&folder.join("web"), folder);
        let behind = server.http("");
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = Arc::new(AtomicU64::new(0));
        let count = bytes.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // When the server has ended, so has the test.
                let Ok(server) = TcpStream::connect(&behind) else {
                    return;
                };
                copy(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    &count,
                );
                copy(server, client, &count);
            }
        });
        Self {
            address,
            bytes,
            _server: server,
        }
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/open/{name}", self.address)
    }

    /// Bytes in both directions while `work` runs, headers and all. Nobody else may use the server meanwhile.
    pub fn bytes_of(&self, work: impl FnOnce()) -> u64 {
        let before = self.bytes.load(Ordering::SeqCst);
        work();
        self.bytes.load(Ordering::SeqCst) - before
    }
}

/// Hands on and counts, in a thread of its own. A byte is counted before it is handed on: who has it finds it counted.
fn copy(mut from: TcpStream, mut to: TcpStream, count: &Arc<AtomicU64>) {
    let count = count.clone();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            count.fetch_add(size as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..size]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _gone = to.shutdown(Shutdown::Write);
    });
}
