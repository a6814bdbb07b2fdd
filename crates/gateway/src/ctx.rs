//! `Ctx`: what is known of one request. It starts at accept with the connection's facts and grows along the path.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rempart_domain::{Band, Principal, RequestId};

use crate::door::Manners;
use crate::observe::Observation;
use crate::routes::Route;

/// Which listener a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Everybody's.
    Public,
    /// The operators'.
    Console,
}

/// Where a connection comes from: an IPv4 address, or an IPv6 /64. 127.0.0.0/8 and ::1 are ordinary addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(u64);

impl Source {
    /// Folds an address to its source. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4))),
            IpAddr::V6(v6) => Self(prefix_of(v6)),
        }
    }

    /// The network it is in: an IPv4 /24, an IPv6 /48. What people behind one line or one provider's box share.
    pub const fn network(self) -> u64 {
        if self.0 >> 32 == 0 { self.0 >> 8 } else { self.0 >> 16 | 1 << 62 }
    }

    /// 64 bits that tell sources apart; no address can be read from the low half alone. Never for a log.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// The /64, moved out of the way of IPv4 (whose upper half is zero).
fn prefix_of(address: Ipv6Addr) -> u64 {
    let upper = u64::try_from(u128::from(address) >> 64).unwrap_or(0);
    if upper >> 32 == 0 { upper | 1 << 63 } else { upper }
}

/// What is known since accept.
#[derive(Debug)]
pub struct ConnFacts {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Which listener it came to.
    pub side: Side,
    /// Where the caller is: the peer, or what a trusted proxy says.
    pub source: Source,
    /// True if `peer` is a configured proxy, whose `Forwarded` is believed.
    pub is_trusted_proxy: bool,
    /// How it behaved.
    pub(crate) manners: Arc<Manners>,
}

/// What is known of one request.
#[derive(Debug)]
pub struct Ctx {
    /// The same in answer, log, journal and error page.
    pub request_id: RequestId,
    /// The connection it came on.
    pub conn: Arc<ConnFacts>,
    /// Where the caller is.
    pub source: Source,
    /// When its head was complete.
    pub arrived: Instant,
    /// What it asks for.
    pub route: &'static Route,
    /// Who asks.
    pub principal: Principal,
    /// The standing it is admitted with.
    pub band: Band,
    /// What the key allows beyond its scope.
    pub key: Option<Arc<rempart_identity::KnownKey>>,
    /// Its connection is of one request at a time.
    pub is_http1: bool,
    /// What is written down at its end.
    pub observation: Arc<Observation>,
}

impl Ctx {
    /// Time since the head was complete.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
