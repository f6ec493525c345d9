//! Connections that have changed their protocol, WebSockets above all: bytes both ways until both ends are done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::io::InspectReader;

use super::download::Flight;

/// Copies until both ends have closed, one breaks, or no byte has come from either for `time`, or at most twice that long.
pub(super) async fn copy(client: OnUpgrade, process: OnUpgrade, flight: Flight, time: Duration) {
    let moved = AtomicU64::new(0);
    let copying = async {
        let (client, process) = tokio::try_join!(client, process).ok()?;
        let mut client = InspectReader::new(TokioIo::new(client), |bytes: &[u8]| {
            flight.counts.received.inc_by(bytes.len() as u64);
            moved.fetch_add(1, Ordering::Relaxed);
        });
        let mut process = InspectReader::new(TokioIo::new(process), |bytes: &[u8]| {
            flight.counts.sent.inc_by(bytes.len() as u64);
            moved.fetch_add(1, Ordering::Relaxed);
        });
        copy_bidirectional(&mut client, &mut process).await.ok()
    };
    tokio::select! {
        _ = copying => {}
        () = silence(&moved, time) => {}
    }
}

/// Returns when a time has passed in which nothing was counted.
async fn silence(moved: &AtomicU64, time: Duration) {
    loop {
        let before = moved.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        if moved.load(Ordering::Relaxed) == before {
            return;
        }
    }
}
