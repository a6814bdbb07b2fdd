//! Networks in the form `address/bits`, for `[server] trusted_proxies`.

use std::net::IpAddr;
use std::str::FromStr;

/// An address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Text that is no address and no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network (address/bits)")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| NetworkError)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width { Err(NetworkError) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(net).checked_shr(shift).unwrap_or(0) == u32::from(a).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(net), IpAddr::V6(a)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(net).checked_shr(shift).unwrap_or(0) == u128::from(a).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }
}
