//! As much of HTTP/1.1 as the program speaks: requests with a Content-Length, one after the other.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query, and still percent-encoded.
    pub(crate) path: String,
    query: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|header| header.0.eq_ignore_ascii_case(name));
        found.map(|header| header.1.as_str())
    }

    pub(crate) fn asked(&self, name: &str) -> Option<String> {
        field(self.query.as_bytes(), name)
    }

    pub(crate) fn form(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }

    /// The first request in `bytes` and how many of them are its own, or nothing while it is incomplete.
    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(start) = head.parse(bytes).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = head.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: head.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
            body: Vec::new(),
        };
        for name in ["transfer-encoding", "content-encoding", "expect"] {
            if request.header(name).is_some() {
                return Err(io::Error::other(format!("{name} is not known here")));
            }
        }
        let length = request.header("content-length").map_or(Ok(0), str::parse);
        let end = start + length.map_err(io::Error::other)?;
        let Some(body) = bytes.get(start..end) else {
            return Ok(None);
        };
        request.body = body.to_vec();
        Ok(Some((request, end)))
    }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    let found = form_urlencoded::parse(form).find(|(key, _)| key == name)?;
    Some(found.1.into_owned())
}

#[derive(Default)]
pub(crate) struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).with("Content-Type", "application/x-amz-json-1.1")
    }

    pub(crate) fn xml(status: u16, body: &str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Self::new(status, text).with("Content-Type", "application/xml")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    /// In one piece, so that it leaves in one packet.
    fn bytes(&self, method: &str, marks: &str) -> Vec<u8> {
        let Self {
            status,
            headers,
            body,
        } = self;
        let length = body.len();
        let mut bytes = format!("HTTP/1.1 {status} -\r\n{marks}{headers}");
        if ![204, 304].contains(status) {
            bytes += &format!("Content-Length: {length}\r\n");
        }
        bytes += "\r\n";
        let mut bytes = bytes.into_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(body);
        }
        bytes
    }
}

pub(crate) trait Answers: Send + Sync {
    fn answer(&self, request: &Request) -> Answer;

    /// The headers that all its answers have.
    fn marks(&self, number: u64) -> String {
        format!(
            "x-amz-request-id: {number:016X}\r\n\
             x-amzn-requestid: 00000000-0000-4000-8000-{number:012x}\r\n"
        )
    }
}

/// What answers, and how often it did.
pub(crate) struct Service {
    answers: Box<dyn Answers>,
    connections: AtomicU64,
    requests: AtomicU64,
    refused: AtomicU64,
    first: Mutex<Vec<String>>,
}

/// So many requests are told one by one.
const TOLD: usize = 16;

impl Service {
    pub(crate) fn new(answers: impl Answers + 'static) -> Self {
        Self {
            answers: Box::new(answers),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    /// Refused is what was answered with 400 and above; `first` are the first requests, in their order.
    pub(crate) fn did(&self) -> Value {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        json!({
            "connections": count(&self.connections),
            "requests": count(&self.requests),
            "refused": count(&self.refused),
            "first": *self.first(),
        })
    }

    fn first(&self) -> MutexGuard<'_, Vec<String>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, request: &Request) {
        let mut first = self.first();
        if first.len() < TOLD {
            first.push(format!("{} {}", request.method, request.path));
        }
    }

    pub(crate) fn serve(&self, connection: impl Read + Write) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.converse(connection)
            && error.kind() == io::ErrorKind::Other
        {
            eprintln!("far: {error}");
        }
    }

    fn converse(&self, mut connection: impl Read + Write) -> io::Result<()> {
        let mut received = Vec::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            while let Some((request, length)) = Request::parse(&received)? {
                received.drain(..length);
                let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
                self.note(&request);
                let answer = match request.method.as_str() {
                    "OPTIONS" => Answer::new(200, ""),
                    _ => self.answers.answer(&request),
                };
                if answer.status >= 400 {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                let marks = self.answers.marks(number);
                connection.write_all(&answer.bytes(&request.method, &marks))?;
                connection.flush()?;
            }
            let length = connection.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            received.extend_from_slice(&piece[..length]);
        }
    }
}
