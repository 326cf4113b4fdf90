//! An S3 server in process, for what a healthy one does not do: it lies about lengths, breaks off,
//! refuses, redirects. It speaks HTTP by hand, since a library would not let it lie.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query: `/bucket/key`.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What a server answers out of turn.
pub(crate) enum Reply {
    /// A status, headers and a body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// 200, and this many bytes, under this Content-Length.
    Flood { bytes: u64, length: Option<u64> },
    /// Half of the answer that was due, under its full length.
    Half,
    /// Nothing: the connection is closed.
    HangUp,
    /// Nothing, and the connection stays open.
    Silence,
}

impl Reply {
    /// An error as S3 writes it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let id = ("x-amz-request-id".to_owned(), "TESTREQUESTID".to_owned());
        Self::Answer(status, vec![id], body.into_bytes())
    }

    /// The same with one more header.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Answer(status, headers, body)
            }
            other => other,
        }
    }
}

type Fault = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

/// A server on loopback; every bucket exists.
#[derive(Clone)]
pub(crate) struct S3Server {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    /// Apart from the state, so that a fault may look into the store.
    fault: Arc<Mutex<Option<Fault>>>,
}

#[derive(Default)]
struct State {
    /// By path: `/bucket/key`.
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    writes: u64,
    requests: Vec<Request>,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
            fault: Arc::default(),
        };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (serving.clone(), stream.unwrap());
                std::thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Answers requests by `fault` where it gives something.
    pub(crate) fn fault(&self, fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.writes += 1;
        let version = state.writes;
        state
            .objects
            .insert(path.to_owned(), (bytes.to_vec(), version));
    }

    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.state.lock().unwrap().objects.get(path)?.0.clone())
    }

    /// Of every object, sorted.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// `GET /bucket/key`, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let line = |request: &Request| format!("{} {}", request.method, request.path);
        state.requests.iter().map(line).collect()
    }

    /// The headers of every request.
    pub(crate) fn headers(&self) -> Vec<HashMap<String, String>> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .map(|request| request.headers.clone())
            .collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(request) = read_request(&mut reader) {
            let due = {
                // Held until the answer is made: no other request comes between the two.
                let mut fault = self.fault.lock().unwrap();
                self.state.lock().unwrap().requests.push(request.clone());
                let reply = fault.as_mut().and_then(|fault| fault(&request));
                let mut state = self.state.lock().unwrap();
                match reply {
                    Some(Reply::Half) => {
                        let Reply::Answer(status, headers, body) = state.answer(&request) else {
                            return;
                        };
                        let _ = write_head(&mut stream, status, &headers, Some(body.len() as u64));
                        let _ = stream.write_all(&body[..body.len() / 2]);
                        return;
                    }
                    Some(reply) => reply,
                    None => state.answer(&request),
                }
            };
            let written = match due {
                Reply::Answer(status, headers, body) => {
                    let length = Some(body.len() as u64);
                    let body = if request.method == "HEAD" {
                        Vec::new()
                    } else {
                        body
                    };
                    write_head(&mut stream, status, &headers, length)
                        .and_then(|()| stream.write_all(&body))
                }
                Reply::Flood { bytes, length } => {
                    let _ = write_head(
                        &mut stream,
                        200,
                        &[("etag".to_owned(), "\"flood\"".to_owned())],
                        length,
                    );
                    let _ = flood(&mut stream, bytes);
                    return;
                }
                Reply::Silence => {
                    // Until the client gives up.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Reply::HangUp | Reply::Half => return,
            };
            if written.is_err() {
                return;
            }
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let known = self.objects.get(&request.path);
        let etag = |version: u64| format!("\"v{version}\"");
        match request.method.as_str() {
            "GET" if request.query.contains("list-type=2") => self.list(request),
            "GET" => match known {
                None => Reply::error(404, "NoSuchKey", "The specified key does not exist."),
                Some((_, version)) if header("if-none-match") == Some(&etag(*version)) => {
                    Reply::Answer(304, Vec::new(), Vec::new())
                }
                Some((bytes, version)) => Reply::Answer(
                    200,
                    vec![("etag".to_owned(), etag(*version))],
                    bytes.clone(),
                ),
            },
            "PUT" => {
                if header("if-none-match") == Some("*") && known.is_some() {
                    return Reply::error(
                        412,
                        "PreconditionFailed",
                        "At least one of the preconditions failed.",
                    );
                }
                match (header("if-match"), known) {
                    (Some(_), None) => {
                        return Reply::error(404, "NoSuchKey", "The specified key does not exist.");
                    }
                    (Some(wanted), Some((_, version))) if wanted != etag(*version) => {
                        return Reply::error(
                            412,
                            "PreconditionFailed",
                            "At least one of the preconditions failed.",
                        );
                    }
                    _ => {}
                }
                self.writes += 1;
                self.objects
                    .insert(request.path.clone(), (request.body.clone(), self.writes));
                Reply::Answer(
                    200,
                    vec![("etag".to_owned(), etag(self.writes))],
                    Vec::new(),
                )
            }
            _ => Reply::error(405, "MethodNotAllowed", "The method is not allowed."),
        }
    }

    fn list(&self, request: &Request) -> Reply {
        let prefix = request
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix("prefix="))
            .map(percent_decoded)
            .unwrap_or_default();
        let bucket = format!("{}/", request.path.trim_end_matches('/'));
        let mut names = String::new();
        let mut last_folder = String::new();
        for path in self.objects.keys() {
            let Some(key) = path.strip_prefix(&bucket) else {
                continue;
            };
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            match rest.split_once('/') {
                None => {
                    names.push_str(&format!("<Contents><Key>{}</Key></Contents>", escaped(key)))
                }
                Some((folder, _)) if folder != last_folder => {
                    last_folder = folder.to_owned();
                    let prefix = escaped(&format!("{prefix}{folder}/"));
                    names.push_str(&format!(
                        "<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"
                    ));
                }
                Some(_) => {}
            }
        }
        let body =
            format!("<ListBucketResult><IsTruncated>false</IsTruncated>{names}</ListBucketResult>");
        Reply::Answer(200, Vec::new(), body.into_bytes())
    }
}

pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<Request> {
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

pub(crate) fn write_head(
    stream: &mut impl Write,
    status: u16,
    headers: &[(String, String)],
    length: Option<u64>,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) if status != 304 => head.push_str(&format!("content-length: {length}\r\n")),
        Some(_) => {}
        None => head.push_str("connection: close\r\n"),
    }
    stream.write_all(format!("{head}\r\n").as_bytes())
}

pub(crate) fn flood(stream: &mut impl Write, bytes: u64) -> std::io::Result<()> {
    let chunk = vec![b'{'; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        stream.write_all(&chunk[..now as usize])?;
        left -= now;
    }
    Ok(())
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let hex = std::str::from_utf8(&[*high, *low]).unwrap().to_owned();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
