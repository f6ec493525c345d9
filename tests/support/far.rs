//! A server that is far away: everything comes slowly from it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What a server sends at once, and how often.
const PIECE: usize = 4096;
const PAUSE: Duration = Duration::from_millis(50);

/// The address of what `address` leads to, an http:// address of this machine, as it is from far away: each connection brings 80 kB a
/// second, and up to `most` bytes.
pub fn far(address: &str, most: usize) -> String {
    let (_, rest) = address.split_once("127.0.0.1:").unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let port: u16 = port.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)));
            let server = server.unwrap();
            let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut asks, &mut asked));
            thread::spawn(move || slowly(server, client, most));
        }
    });
    format!("http://127.0.0.1:{near}/{path}")
}

fn slowly(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let mut buffer = [0; PIECE];
    let mut sent = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sent + count > most {
            // The connection stays open, and nothing comes any more.
            thread::park();
        }
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
        sent += count;
        thread::sleep(PAUSE);
    }
}
