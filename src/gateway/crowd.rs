//! How many connections each address has, so that one client does not hold them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::{Mutex, MutexGuard};

/// The connections of all addresses.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection among them, until it is dropped.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// Of all connections, one address may have half.
    pub(super) fn of(connections: usize) -> Arc<Self> {
        Arc::new(Self {
            most: (connections / 2).max(1),
            by_address: Mutex::default(),
        })
    }

    /// Counts a connection in; nothing where its address has as many as it may. Over IPv6 a client has a whole network.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Member> {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        };
        let mut all = self.lock();
        let count = all.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Member {
            crowd: Arc::clone(self),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut all = self.crowd.lock();
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// True for an address in one of these networks.
pub(super) fn is_among(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_half_of_the_room_and_gives_it_back() {
        let crowd = Crowd::of(4);
        let enter = |text: &str| crowd.enter(text.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let other = enter("192.0.2.2").unwrap();
        drop(second);
        let third = enter("192.0.2.1").unwrap();
        drop((first, third, other));
        assert!(crowd.lock().is_empty());
        let all = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(enter);
        assert!(all.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none(), "a network is one client");
    }

    #[test]
    fn a_network_holds_its_addresses_alone() {
        let networks = ["10.0.0.0/8", "::1/128"].map(|text| text.parse().unwrap());
        for (address, is_in) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(
                is_among(&networks, address.parse().unwrap()),
                is_in,
                "{address}"
            );
        }
    }
}
