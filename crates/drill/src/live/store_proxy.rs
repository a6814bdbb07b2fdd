//! A proxy before the database, which can be cut: then every connection ends and new ones are closed at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::ask::HERE;
use super::{LiveError, Target};

/// How soon a cut is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running proxy; it ends with the process.
#[derive(Debug)]
pub(super) struct StoreProxy {
    url: String,
    is_cut: Arc<AtomicBool>,
}

impl StoreProxy {
    /// Before the server that a `postgres://USER@127.0.0.1:5432/NAME` names.
    pub(super) fn start(url: &str) -> Result<Self, LiveError> {
        let needs = || LiveError::Needs("a PostgreSQL address of the form postgres://USER@127.0.0.1:PORT/NAME");
        let after = url.split_once("://").map(|(_, after)| after).ok_or_else(needs)?;
        let authority = after.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let address: SocketAddr = host.parse().map_err(|_| needs())?;
        let target = Target::of(address)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(LiveError::Generator)?;
        listener.set_nonblocking(true).map_err(LiveError::Generator)?;
        let own = listener.local_addr().map_err(LiveError::Generator)?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let thread = std::thread::Builder::new().name("store-proxy".to_owned());
        let spawned = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(pass_on(listener, target, &cut))
        });
        spawned.map_err(LiveError::Generator)?;
        Ok(Self { url: url.replacen(host, &own.to_string(), 1), is_cut })
    }

    /// What the platform is given.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Cuts it, or lets through again.
    pub(super) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }
}

async fn pass_on(listener: std::net::TcpListener, target: Target, cut: &AtomicBool) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                if !cut.load(Ordering::Relaxed) {
                    open.spawn(pass(stream, target));
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                if cut.load(Ordering::Relaxed) {
                    open.shutdown().await;
                }
                while open.try_join_next().is_some() {}
            }
        }
    }
}

async fn pass(mut from: TcpStream, target: Target) -> std::io::Result<()> {
    let mut to = target.connect(HERE, None, Duration::from_secs(5)).await?;
    tokio::io::copy_bidirectional(&mut from, &mut to).await.map(drop)
}
