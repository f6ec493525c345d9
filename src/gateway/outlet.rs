//! The socket of a client: what the kernel holds for it is kept small, and whether something waits for it is known.
//!
//! hyper holds the end of an answer after its body has ended, until the socket takes it. So a connection whose requests have all
//! ended may still be in the middle of an answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes that the kernel takes and has not sent yet. It takes more once less than half of it is left.
///
/// Without it the kernel takes as much as its send buffer holds, up to 4 MiB, and more only once a third of that is free: a client
/// at 10 KB/s would seem to take nothing for more than a minute. With it that is some 100 KB, and up to 400 KB where the client's
/// kernel has a large buffer too and opens its window seldom, which nobody on this side sees. What is sent and not acknowledged
/// does not count, so the rate of a fast client on a long way is not bounded by it, as it would be by a small send buffer. The
/// cost is up to twice as many wake-ups; over loopback a gigabyte takes as long with it as without.
const UNSENT: u32 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Outlet {
    stream: TcpStream,
    waits: Arc<AtomicBool>,
}

impl Outlet {
    /// `waits` is true while something is to be written and the socket takes nothing.
    ///
    /// # Errors
    /// When the socket is gone already.
    pub(super) fn new(stream: TcpStream, waits: Arc<AtomicBool>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        if let Err(error) = bound(&stream) {
            // A kernel that does not know of it serves all the same.
            tracing::debug!("what the kernel holds for a client is not bounded: {error}");
        }
        Ok(Self { stream, waits })
    }

    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.waits.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }
}

#[cfg(target_os = "linux")]
fn bound(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// Elsewhere a send buffer that small is the way to it, and bounds the rate.
#[cfg(not(target_os = "linux"))]
fn bound(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_send_buffer_size(UNSENT as usize)
}

impl AsyncRead for Outlet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
