//! Connections that have changed their protocol, WebSockets above all: bytes both ways until both ends are done.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;

use super::body::Flight;

/// Copies until both ends have closed, one breaks, or `stop` is cancelled.
pub(super) async fn copy(
    client: OnUpgrade,
    process: OnUpgrade,
    flight: Flight,
    stop: CancellationToken,
) {
    let copied = stop.run_until_cancelled(async {
        let (client, process) = tokio::try_join!(client, process).ok()?;
        copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(process))
            .await
            .ok()
    });
    if let Some(Some((received, sent))) = copied.await {
        flight.counts.received.inc_by(received);
        flight.counts.sent.inc_by(sent);
    }
}
