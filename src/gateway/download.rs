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

/// Largest part that is handed to a stream of HTTP/2, in bytes: the largest frame that a client takes unasked. A process that is
/// fast comes in parts of some 100 KB, and of each is seen only whether the client has taken the whole of it.
const PART: usize = 16 * 1024;

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
    /// What follows of a part that was too large.
    rest: Bytes,
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
            rest: Bytes::new(),
            ended: false,
            parts: 0,
            taken: Taken::of_stream(),
            sender,
            flight,
        }
    }

    /// The same frame, or as much of it as goes to a stream of HTTP/2 at a time.
    fn within(&mut self, frame: Option<Polled>) -> Option<Polled> {
        match frame {
            Some(Ok(frame)) if self.taken.is_some() => Some(Ok(frame.map_data(|mut data| {
                if data.len() > PART {
                    self.rest = data.split_off(PART);
                }
                data
            }))),
            other => other,
        }
    }
}

type Polled = Result<Frame<Bytes>, hyper::Error>;

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Polled>> {
        if let Some(taken) = &self.taken {
            taken.asked();
        }
        let frame = if self.rest.is_empty() {
            ready!(Pin::new(&mut self.body).poll_frame(cx))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut self.rest))))
        };
        let frame = self.within(frame);
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
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        hint.exact()
            .map_or(hint, |left| SizeHint::with_exact(left + rest))
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
