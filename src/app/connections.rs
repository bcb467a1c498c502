//! Counts of open connections by client address, so that one address cannot take all of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ipnet::IpNet;

use crate::http::client_ip::ClientIp;

/// Limits for the connections of a listener.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    pub total: usize,
    /// Limit for one address. A /64 of IPv6 counts as one address.
    pub per_address: usize,
    /// Time after which a connection is closed whose client does not acknowledge or read the response.
    pub write_timeout: Duration,
    /// Time that connections are still accepted during the shutdown.
    pub shutdown_delay: Duration,
    /// Peers that have the connections of many clients and count towards `total` only.
    pub trusted_proxies: Vec<IpNet>,
}

/// Counts open connections by address. An address has an entry while it has connections.
pub struct ConnectionCounter {
    limits: ConnectionLimits,
    open: Mutex<HashMap<ClientIp, usize>>,
}

/// Counted connection. Subtracted on drop.
pub struct CountedConnection {
    counter: Arc<ConnectionCounter>,
    /// None for a trusted proxy.
    address: Option<ClientIp>,
}

impl ConnectionCounter {
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default() })
    }

    /// Counts a connection of `peer`. None when its address has reached the limit.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<CountedConnection> {
        if self.is_trusted_proxy(peer) {
            return Some(CountedConnection::new(self, None));
        }
        let address = ClientIp(peer.to_canonical()).rate_limit_key();
        let mut open = self.open();
        let count = open.get(&address).copied().unwrap_or_default();
        if count >= self.limits.per_address {
            return None;
        }
        open.insert(address, count + 1);
        Some(CountedConnection::new(self, Some(address)))
    }

    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.limits.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ClientIp, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountedConnection {
    fn new(counter: &Arc<ConnectionCounter>, address: Option<ClientIp>) -> Self {
        metrics::gauge!("http_connections").increment(1.0);
        Self { counter: Arc::clone(counter), address }
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        metrics::gauge!("http_connections").decrement(1.0);
        let Some(address) = self.address else { return };
        let mut open = self.counter.open();
        match open.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> Arc<ConnectionCounter> {
        let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        ConnectionCounter::new(ConnectionLimits {
            total: 100,
            per_address: 2,
            write_timeout: Duration::from_secs(30),
            shutdown_delay: Duration::ZERO,
            trusted_proxies,
        })
    }

    fn admit(counter: &Arc<ConnectionCounter>, peer: &str) -> Option<CountedConnection> {
        counter.admit(peer.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_other_address_pays_for_it() {
        let counter = counter();
        let open: Vec<_> = (0..2).map(|_| admit(&counter, "203.0.113.9").expect("a connection")).collect();
        assert!(admit(&counter, "203.0.113.9").is_none());
        assert!(admit(&counter, "::ffff:203.0.113.9").is_none(), "the same address in another spelling");
        assert!(admit(&counter, "203.0.113.10").is_some());
        drop(open);
        assert!(admit(&counter, "203.0.113.9").is_some());
        assert!(counter.open().is_empty(), "closed connections take no room");
    }

    #[test]
    fn an_ipv6_subscriber_counts_as_one_address() {
        let counter = counter();
        let _open = [admit(&counter, "2001:db8:1:2::1"), admit(&counter, "2001:db8:1:2:ffff::2")];
        assert!(admit(&counter, "2001:db8:1:2::3").is_none());
        assert!(admit(&counter, "2001:db8:1:3::3").is_some());
    }

    #[test]
    fn a_trusted_proxy_is_not_counted() {
        let counter = counter();
        let open: Vec<_> = (0..50).map(|_| admit(&counter, "10.1.2.3")).collect();
        assert!(open.iter().all(Option::is_some));
    }
}
