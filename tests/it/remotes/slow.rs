//! A server that is far away: what goes on is waited for, and what stands still is not.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cutwater::git::{Credentials, RemoteUrl};
use cutwater::store::Mirror;

use super::web;
use crate::it::shop::Shop;

/// What a server sends at once, and how often.
const PIECE: usize = 4096;
const PAUSE: Duration = Duration::from_millis(50);

/// Passes connections on to `port`, and what comes back at 80 kB a second, up to `most` bytes.
fn far(port: u16, most: usize) -> u16 {
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
    near
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

fn halves(mirror: &Path) -> Vec<String> {
    let packs = fs::read_dir(mirror.join("objects/pack")).unwrap();
    let names = packs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("tmp_")).collect()
}

#[test]
fn a_transfer_that_goes_on_is_waited_for_and_one_that_stands_still_is_not() {
    let shop = Shop::new();
    let web = web(&shop);
    // Random, so that nothing makes it smaller.
    let mut random = vec![0; 400 * 1024];
    let mut source = fs::File::open("/dev/urandom").unwrap();
    source.read_exact(&mut random).unwrap();
    shop.commit("apps/checkout/public/large.bin", random);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    shop.publish(&[]);
    let address = web.http("/open/remote.git");
    let (_, rest) = address.split_once("127.0.0.1:").unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let port = port.parse().unwrap();
    let silence = Duration::from_secs(2);
    let apps = ["checkout".parse().unwrap()].into();
    for (most, arrives) in [(usize::MAX, true), (200 * 1024, false)] {
        let url = format!("http://127.0.0.1:{}/{path}", far(port, most));
        let url = RemoteUrl::parse(&url, true).unwrap();
        let dir = tempfile::tempdir_in(shop.dir.path()).unwrap();
        let mirror = Mirror::open(dir.path(), &url, Some(Credentials::default())).unwrap();
        let begun = Instant::now();
        let fetched = mirror.fetch("main", &apps, silence);
        assert!(begun.elapsed() > silence, "it is as slow as that");
        match fetched {
            Ok(fetched) => assert!(arrives && fetched.changed.len() == 1),
            Err(error) => {
                let error = error.to_string();
                assert!(!arrives, "{error}");
                assert!(error.contains("no answer within 2 s"), "{error}");
            }
        }
        assert_eq!(halves(dir.path()), [""; 0]);
    }
}
