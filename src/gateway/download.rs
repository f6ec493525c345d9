//! An open request, and the body of its answer on its way to the client: counted, never held.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::client::Client;
use super::metrics::Counts;
use super::reader::Taken;
use super::upstream::{Open, Sender};

/// What is held while a request or an upgraded connection is open.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) open: Open,
    pub(super) counts: Arc<Counts>,
    /// One of the open requests of the gateway.
    _permit: OwnedSemaphorePermit,
    /// Its connection, which is in use as long as somebody has it.
    _client: Arc<Client>,
}

impl Flight {
    pub(super) fn new(
        open: Open,
        counts: Arc<Counts>,
        permit: OwnedSemaphorePermit,
        client: Arc<Client>,
    ) -> Self {
        counts.in_flight.inc();
        Self {
            open,
            counts,
            _permit: permit,
            _client: client,
        }
    }
}

impl Flight {
    /// Another process is to answer.
    pub(super) fn turn(&mut self, open: Open, counts: Arc<Counts>) {
        self.counts.in_flight.dec();
        counts.in_flight.inc();
        (self.open, self.counts) = (open, counts);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.counts.in_flight.dec();
    }
}

/// The body of an answer. Its connection is used again when all of it was read, and closed when not.
#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    ended: bool,
    parts: u64,
    taken: Option<Arc<Taken>>,
    sender: Option<Sender>,
    flight: Flight,
}

impl Download {
    /// Without a `sender` its connection is not used again.
    pub(super) fn new(body: Incoming, sender: Option<Sender>, flight: Flight) -> Self {
        Self {
            body,
            ended: false,
            parts: 0,
            taken: Taken::of_stream(),
            sender,
            flight,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(taken) = &self.taken {
            taken.asked();
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.parts += 1;
        if let Some(taken) = &self.taken {
            taken.handed(self.parts);
        }
        match &frame {
            None => self.ended = true,
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    self.flight.counts.sent.inc_by(data.len() as u64);
                }
                // Nothing follows trailers.
                None => self.ended = true,
            },
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(taken) = &self.taken {
            taken.asked();
        }
        if let Some(sender) = self.sender.take()
            && (self.ended || self.body.is_end_stream())
        {
            self.flight.open.keep(sender);
        }
    }
}
