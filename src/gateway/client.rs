//! What requests share: those of one gateway, and those of one connection of a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crowd::Member;
use super::{Limits, Metrics, Table};

/// What all requests of a gateway share.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) table: Arc<ArcSwap<Table>>,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    /// Open requests.
    pub(super) requests: Arc<Semaphore>,
    /// Connections and upgrades.
    pub(super) tasks: TaskTracker,
    /// Cuts whatever is still open.
    pub(super) stop: CancellationToken,
}

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) gateway: Arc<Gateway>,
    pub(super) address: SocketAddr,
    /// It is a proxy that is believed.
    pub(super) trusted: bool,
    /// A request has come since this was looked at last.
    pub(super) asked: AtomicBool,
    /// One of the connections of the gateway; an upgrade holds it for as long as it is open.
    _permit: OwnedSemaphorePermit,
    /// One of those of its address, where they are counted.
    _member: Option<Member>,
}

impl Client {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        address: SocketAddr,
        trusted: bool,
        permit: OwnedSemaphorePermit,
        member: Option<Member>,
    ) -> Self {
        gateway.metrics.connections.inc();
        Self {
            gateway,
            address,
            trusted,
            asked: AtomicBool::new(false),
            _permit: permit,
            _member: member,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.gateway.metrics.connections.dec();
    }
}
