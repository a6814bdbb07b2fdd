//! A small HTTP/1.1 server for tests that does exactly what it is told, wrong things included. Loopback, port 0, one thread a connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Request line and headers, names in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// One request and the connection to answer on.
pub(crate) struct Exchange<'a> {
    /// Counted from 0.
    pub(crate) connection: usize,
    /// Counted from 0 on this connection.
    pub(crate) request: usize,
    pub(crate) seen: &'a Seen,
    pub(crate) stream: &'a mut TcpStream,
}

impl Exchange<'_> {
    /// Writes text as it is; a client that left does not matter.
    pub(crate) fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// A whole answer.
    pub(crate) fn answer(&mut self, status: u16, kind: &str, body: &[u8]) {
        self.answer_with(status, &format!("content-type: {kind}\r\n"), body);
    }

    /// A whole answer with headers (each ended by CRLF).
    pub(crate) fn answer_with(&mut self, status: u16, headers: &str, body: &[u8]) {
        self.write(&format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len()));
        self.write_bytes(body);
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Waits until the client closes; true if it did.
    pub(crate) fn wait_for_close(&mut self) -> bool {
        let mut byte = [0];
        !matches!(self.stream.read(&mut byte), Ok(n) if n > 0)
    }
}

/// The server; stops when dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Seen>>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    is_stopped: Arc<AtomicBool>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Serves each request by `answer`.
    pub(crate) fn start(answer: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let acceptor = {
            let (requests, streams, is_stopped) =
                (Arc::clone(&requests), Arc::clone(&streams), Arc::clone(&is_stopped));
            std::thread::spawn(move || {
                for (connection, stream) in listener.incoming().enumerate() {
                    if is_stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    streams.lock().unwrap().push(stream.try_clone().unwrap());
                    let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                    std::thread::spawn(move || serve(connection, stream, &requests, &*answer));
                }
            })
        };
        Self { url, requests, streams, is_stopped, acceptor: Mutex::new(Some(acceptor)) }
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.streams.lock().unwrap().len()
    }

    /// Listens no more and closes what is open.
    pub(crate) fn stop(&self) {
        if self.is_stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(acceptor) = self.acceptor.lock().unwrap().take() {
            let _ = acceptor.join();
        }
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(connection: usize, mut stream: TcpStream, requests: &Mutex<Vec<Seen>>, answer: &dyn Fn(&mut Exchange<'_>)) {
    for request in 0.. {
        let Some(seen) = read_request(&mut stream) else { return };
        requests.lock().unwrap().push(seen.clone());
        answer(&mut Exchange { connection, request, seen: &seen, stream: &mut stream });
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let read = stream.read(&mut block).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&block[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
    while bytes.len() < end + len {
        let read = stream.read(&mut block).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&block[..read]);
    }
    Some(Seen { head, body: bytes[end..end + len].to_vec() })
}
