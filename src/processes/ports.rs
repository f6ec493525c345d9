//! Ports for programs: one is given to one program of this machine at a time.
//!
//! A port that is free now is taken when its program listens there, which may be seconds later. Somebody else who is given it
//! meanwhile would answer for that program: the probe, and the gateway, know an address and no more. So whoever gives a port away
//! holds its number while the program lives, under a name that all processes of one network namespace see, as they see its
//! ports, and that goes with the process that holds it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Once;

use super::scarce::is_lack;

/// A machine on which so many free ports in a row are held has none to give.
const TRIES: usize = 1_000;

/// A port of loopback that nobody else is given.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) address: SocketAddr,
    _held: Option<Held>,
}

impl Port {
    /// Finds one on which nobody listens now.
    ///
    /// # Errors
    /// When there is none, or this process may have no more files open.
    pub(super) fn find() -> io::Result<Self> {
        // They stay taken until one is found, so that each try is another one.
        let mut others = Vec::new();
        loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = free.local_addr()?;
            match hold(address.port()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => others.push(free),
                Err(error) if is_lack(&error) => return Err(error),
                held => {
                    // Where such names are forbidden, programs are to run all the same.
                    if let Err(error) = &held {
                        static SAID: Once = Once::new();
                        SAID.call_once(|| tracing::warn!("ports cannot be kept for one program each ({error}): another one may answer for one that is slow to listen; allow AF_UNIX sockets"));
                    }
                    return Ok(Self {
                        address,
                        _held: held.ok(),
                    });
                }
            }
            if others.len() == TRIES {
                let text = "all ports that are free are kept for other programs";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
        }
    }
}

#[cfg(target_os = "linux")]
type Held = std::os::unix::net::UnixDatagram;

#[cfg(target_os = "linux")]
fn hold(port: u16) -> io::Result<Held> {
    use std::os::linux::net::SocketAddrExt;
    let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("cutwater/port/{port}"))?;
    Held::bind_addr(&name)
}

/// Nothing like that is known of other systems: there two programs may be given one port, if one is slow to listen.
#[cfg(not(target_os = "linux"))]
type Held = ();

#[cfg(not(target_os = "linux"))]
fn hold(_port: u16) -> io::Result<Held> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_while_it_is_held() {
        // More than the square root of all there are: by chance some would mostly meet.
        let all: Vec<Port> = (0..300).map(|_| Port::find().unwrap()).collect();
        let mut ports: Vec<u16> = all.iter().map(|port| port.address.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), all.len());
        let port = all[0].address.port();
        assert_eq!(hold(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(all);
        hold(port).unwrap();
    }
}
