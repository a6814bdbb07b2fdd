//! Where load may go: a literal loopback address, and nowhere else.
//!
//! What must stay true: [`Target`] cannot be made of anything but a loopback address; nothing in this crate connects but
//! [`Target::connect`]; no name is looked up and no redirect followed, so nobody can point the drill at others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Uri;
use tokio::net::{TcpSocket, TcpStream};

/// A server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(SocketAddr);

/// Why an address is not attacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not an URL of the form `http://127.0.0.1:8080`.
    #[error("{0:?} is not of the form http://127.0.0.1:8080")]
    Form(String),
    /// A name, or an address of another machine.
    #[error("{0:?} is no literal loopback address: the drill attacks this machine only, and nothing changes that")]
    Foreign(String),
}

impl Target {
    /// Reads `http://ADDRESS:PORT`.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| form())?;
        if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(form());
        }
        let authority = uri.authority().ok_or_else(form)?;
        if authority.as_str().contains('@') {
            return Err(form());
        }
        let host = authority.host().trim_matches(['[', ']']);
        let ip: IpAddr = host.parse().map_err(|_| TargetError::Foreign(host.to_owned()))?;
        Self::of(SocketAddr::new(ip, authority.port_u16().unwrap_or(80)))
    }

    /// A loopback address.
    pub fn of(address: SocketAddr) -> Result<Self, TargetError> {
        if address.ip().is_loopback() { Ok(Self(address)) } else { Err(TargetError::Foreign(address.ip().to_string())) }
    }

    /// The address.
    pub const fn address(self) -> SocketAddr {
        self.0
    }

    /// For the head of requests.
    pub fn authority(self) -> String {
        self.0.to_string()
    }

    /// Connects from `source`, within `patience`. `receive_bytes` makes the receive buffer small, for readers who take nothing.
    pub(super) async fn connect(
        self,
        source: Ipv4Addr,
        receive_bytes: Option<u32>,
        patience: Duration,
    ) -> std::io::Result<TcpStream> {
        let socket = if self.0.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if self.0.is_ipv4() {
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        }
        let stream = tokio::time::timeout(patience, socket.connect(self.0)).await??;
        stream.set_nodelay(true)?;
        // Closing resets: nothing stays in TIME_WAIT, or a source would run out of ports.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(stream)
    }
}
