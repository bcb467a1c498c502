//! The guard of outgoing requests: it keeps admins from reaching the internal network of the server through the URL of a channel.
//!
//! A URL is checked when it is set, before each attempt, and once more when its name is resolved for a connection, because DNS may have
//! changed in between.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use ipnet::{Ipv4Net, Ipv6Net};
use tokio::time::timeout;
use url::{Host, Url};

use super::resolver::Resolver;

/// Time limit of resolving a name when a URL is set.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Networks that are not public, by the registry of special-purpose addresses of IANA.
static NOT_PUBLIC_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    const NETWORKS: [&str; 15] = [
        "0.0.0.0/8",       // this host
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // carrier-grade NAT
        "127.0.0.0/8",     // loopback
        "169.254.0.0/16",  // link-local
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // protocol assignments
        "192.0.2.0/24",    // documentation
        "192.88.99.0/24",  // relays of 6to4
        "192.168.0.0/16",  // private
        "198.18.0.0/15",   // benchmarks
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // reserved, broadcast
    ];
    NETWORKS.iter().filter_map(|network| network.parse().ok()).collect()
});
/// Networks within [`GLOBAL_V6`] that are not public.
static NOT_PUBLIC_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    const NETWORKS: [&str; 3] = [
        "2001::/23",     // protocol assignments, Teredo
        "2001:db8::/32", // documentation
        "3fff::/20",     // documentation
    ];
    NETWORKS.iter().filter_map(|network| network.parse().ok()).collect()
});
/// The only network of global unicast addresses so far.
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 addresses behind a NAT64.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Networks of 6to4, which have the IPv4 address of their router.
const SIX_TO_FOUR: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Tells whether an address is on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => is_public(embedded.into()),
            None => GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address)),
        },
    }
}

/// IPv4 address that packets to `address` may end at.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, high, low, .., before_last, last] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    if NAT64.contains(&address) {
        Some(join(before_last, last))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(join(high, low))
    } else {
        address.to_ipv4_mapped()
    }
}

/// Tells whether a name is reserved for the loopback address (RFC 6761), whatever it resolves to.
fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Only https:// URLs are allowed.")]
    HttpsRequired,
    #[error("The address is not on the public internet.")]
    AddressNotAllowed,
}

impl Refusal {
    /// Code of the violated rule.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HttpsRequired => "https_required",
            Self::AddressNotAllowed => "address_not_allowed",
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allow_http: bool,
    allow_private: bool,
    resolver: Arc<Resolver>,
}

impl Guard {
    pub fn new(allow_http: bool, allow_private: bool, resolver: Arc<Resolver>) -> Self {
        Self { allow_http, allow_private, resolver }
    }

    /// Checks a URL when it is set. A name that cannot be resolved now is accepted.
    ///
    /// # Errors
    /// The URL is refused.
    pub async fn check(&self, url: &Url) -> Result<(), Refusal> {
        self.check_literal(url)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        match timeout(RESOLVE_TIMEOUT, self.resolver.resolve(name)).await {
            Ok(Ok(addresses)) => self.check_addresses(&addresses),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Checks the scheme, and a host that is an address or `localhost`.
    ///
    /// # Errors
    /// The URL is refused.
    pub fn check_literal(&self, url: &Url) -> Result<(), Refusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(Refusal::HttpsRequired),
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_addresses(&[address.into()]),
            Some(Host::Ipv6(address)) => self.check_addresses(&[address.into()]),
            Some(Host::Domain(name)) if self.allow_private || !is_loopback_name(name) => Ok(()),
            Some(Host::Domain(_)) | None => Err(Refusal::AddressNotAllowed),
        }
    }

    fn check_addresses(&self, addresses: &[IpAddr]) -> Result<(), Refusal> {
        let is_allowed = self.allow_private || addresses.iter().all(|address| is_public(*address));
        if is_allowed { Ok(()) } else { Err(Refusal::AddressNotAllowed) }
    }

    /// Addresses to connect to.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let addresses = self.resolver.resolve(name).await?;
        self.check_addresses(&addresses)?;
        Ok(addresses)
    }
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = Guard::resolve(&guard, name.as_str()).await?;
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as reqwest::dns::Addrs)
        })
    }
}
