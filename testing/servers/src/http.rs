//! HTTP/1.1 by hand, since a library would not let a server lie.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Without the query: `/bucket/key`.
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// An answer, or its replacement.
pub enum Reply {
    /// A status, headers and a body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// The same with half of the body, under its full length.
    Cut(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes as they are, and the end of the connection.
    Raw(Vec<u8>),
    /// 200, and this many bytes, under this Content-Length.
    Flood { bytes: u64, length: Option<u64> },
    /// Half of the answer that is due. Only a fault uses it.
    Half,
    /// Nothing: the connection is closed.
    HangUp,
    /// Nothing, and the connection stays open.
    Silence,
}

impl Reply {
    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer(_, headers, _) | Self::Cut(_, headers, _) = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A server's answers to requests.
pub trait Service: Send + Sync + 'static {
    /// `connection` is the number of the connection that it came on; the first is 1.
    fn answer(&self, request: &Request, connection: usize) -> Reply;
}

/// The protocol of a server.
pub enum Wire {
    Plain,
    Tls(Arc<ServerConfig>),
    /// As a proxy, which leads to itself for any host.
    Tunnel(Arc<ServerConfig>),
}

/// Serves on loopback; the address.
pub fn listen(wire: Wire, service: impl Service) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = match wire {
        Wire::Plain | Wire::Tunnel(_) => "http",
        Wire::Tls(_) => "https",
    };
    let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
    let shared = Arc::new((wire, service));
    std::thread::spawn(move || {
        for (stream, connection) in listener.incoming().zip(1..) {
            let (shared, mut stream) = (Arc::clone(&shared), stream.unwrap());
            std::thread::spawn(move || {
                let (wire, service) = &*shared;
                match wire {
                    Wire::Plain => serve(service, stream, connection),
                    Wire::Tls(config) => serve(service, tls(config, stream), connection),
                    Wire::Tunnel(config) => {
                        let request = read_request(&mut BufReader::new(&stream));
                        let Some(request) = request.filter(|asked| asked.method == "CONNECT")
                        else {
                            return;
                        };
                        // For its notes: every host is behind this proxy.
                        service.answer(&request, connection);
                        if stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_ok() {
                            serve(service, tls(config, stream), connection);
                        }
                    }
                }
            });
        }
    });
    endpoint
}

fn tls<S: Read + Write>(config: &Arc<ServerConfig>, stream: S) -> StreamOwned<ServerConnection, S> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

/// Answers the requests of a connection, until one side ends it.
pub fn serve(service: &dyn Service, stream: impl Read + Write, connection: usize) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let goes_on = match service.answer(&request, connection) {
            Reply::Answer(status, headers, body) => {
                let sent = if request.method == "HEAD" {
                    &[][..]
                } else {
                    &body
                };
                write(reader.get_mut(), status, &headers, body.len(), sent)
            }
            Reply::Cut(status, headers, body) => {
                let half = &body[..body.len() / 2];
                write(reader.get_mut(), status, &headers, body.len(), half);
                false
            }
            Reply::Raw(bytes) => {
                // A client that hangs up has read enough.
                let _ = reader.get_mut().write_all(&bytes);
                let _ = reader.get_mut().flush();
                false
            }
            Reply::Flood { bytes, length } => {
                // A client that got the right length reuses the connection.
                flood(reader.get_mut(), bytes, length).is_ok() && length == Some(bytes)
            }
            Reply::Silence => {
                // Until the client gives up.
                let _ = reader.read(&mut [0]);
                false
            }
            Reply::HangUp | Reply::Half => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// Writes an answer in one piece; whether the connection goes on.
fn write(
    stream: &mut impl Write,
    status: u16,
    headers: &[(String, String)],
    length: usize,
    body: &[u8],
) -> bool {
    // Framed by itself, or by nothing but the end of the connection.
    let unframed = headers.iter().any(|(name, value)| {
        name == "transfer-encoding" || (name == "connection" && value == "close")
    });
    let length = (!unframed).then_some(length as u64);
    let mut bytes = head(status, headers, length);
    bytes.extend_from_slice(body);
    stream
        .write_all(&bytes)
        .and_then(|()| stream.flush())
        .is_ok()
        && !unframed
}

fn head(status: u16, headers: &[(String, String)], length: Option<u64>) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) if status != 304 => head.push_str(&format!("content-length: {length}\r\n")),
        Some(_) => {}
        None => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn flood(stream: &mut impl Write, bytes: u64, length: Option<u64>) -> std::io::Result<()> {
    let etag = [("etag".to_owned(), "\"flood\"".to_owned())];
    stream.write_all(&head(200, &etag, length))?;
    let chunk = vec![b'{'; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        stream.write_all(&chunk[..now as usize])?;
        left -= now;
    }
    stream.flush()
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines.first()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers: HashMap<_, _> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path: percent_decoded(path),
        query: query.to_owned(),
        headers,
        body,
    })
}

/// A test's answer in place of the server's.
type Fault<C> = Box<dyn FnMut(&C) -> Option<Reply> + Send>;

/// The fault of a server, apart from its state, so that it may change that.
pub struct Faults<C>(Arc<Mutex<Option<Fault<C>>>>);

impl<C> Clone for Faults<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for Faults<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C> Faults<C> {
    pub(crate) fn set(&self, fault: impl FnMut(&C) -> Option<Reply> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(fault));
    }

    /// The fault's answer to the recorded call, or the one that is due. No other call comes between.
    pub(crate) fn reply(&self, note: impl FnOnce() -> C, due: impl FnOnce(&C) -> Reply) -> Reply {
        let mut fault = self.0.lock().unwrap();
        let call = note();
        match fault.as_mut().and_then(|fault| fault(&call)) {
            None => due(&call),
            Some(Reply::Half) => match due(&call) {
                Reply::Answer(status, headers, body) => Reply::Cut(status, headers, body),
                other => other,
            },
            Some(reply) => reply,
        }
    }
}

/// Text within XML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Text of a path or a query.
pub fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}
