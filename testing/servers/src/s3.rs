//! An S3 server, for what a healthy one does not do: it lies about lengths, breaks off, refuses, redirects.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use crate::http::{self, Faults, Reply, Request, Service, Wire, escaped, percent_decoded};

/// An error as S3 writes it.
pub fn s3_error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Reply::Answer(status, Vec::new(), body.into_bytes()).header("x-amz-request-id", "TESTREQUESTID")
}

/// A server in which every bucket exists.
#[derive(Clone, Default)]
pub struct S3Server {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
    faults: Faults<Request>,
}

#[derive(Default)]
struct State {
    /// By path: `/bucket/key`.
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    writes: u64,
    requests: Vec<Request>,
}

impl S3Server {
    /// A server on loopback.
    pub fn start() -> Self {
        let mut server = Self::default();
        server.endpoint = http::listen(Wire::Plain, server.clone());
        server
    }

    /// Answers requests by `fault` where it gives something.
    pub fn fault(&self, fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        self.faults.set(fault);
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        self.state.lock().unwrap().put(path, bytes);
    }

    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.state.lock().unwrap().objects.get(path)?.0.clone())
    }

    /// Of every object, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// `GET /bucket/key`, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let line = |request: &Request| format!("{} {}", request.method, request.path);
        state.requests.iter().map(line).collect()
    }

    /// The headers of every request.
    pub fn headers(&self) -> Vec<HashMap<String, String>> {
        let state = self.state.lock().unwrap();
        let headers = |request: &Request| request.headers.clone();
        state.requests.iter().map(headers).collect()
    }
}

impl Service for S3Server {
    fn answer(&self, request: &Request, _: usize) -> Reply {
        let noted = || {
            self.state.lock().unwrap().requests.push(request.clone());
            request.clone()
        };
        self.faults
            .reply(noted, |request| self.state.lock().unwrap().answer(request))
    }
}

impl State {
    /// The ETag of the new version.
    fn put(&mut self, path: &str, bytes: &[u8]) -> String {
        self.writes += 1;
        self.objects
            .insert(path.to_owned(), (bytes.to_vec(), self.writes));
        etag(self.writes)
    }

    fn answer(&mut self, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let known = self.objects.get(&request.path);
        let absent = || s3_error(404, "NoSuchKey", "The specified key does not exist.");
        match request.method.as_str() {
            "GET" if request.query.contains("list-type=2") => self.list(request),
            "GET" => match known {
                None => absent(),
                Some((_, version)) if header("if-none-match") == Some(&etag(*version)) => {
                    Reply::Answer(304, Vec::new(), Vec::new())
                }
                Some((bytes, version)) => {
                    Reply::Answer(200, Vec::new(), bytes.clone()).header("etag", &etag(*version))
                }
            },
            "PUT" => {
                let exists = header("if-none-match") == Some("*") && known.is_some();
                let changed = match (header("if-match"), known) {
                    (Some(_), None) => return absent(),
                    (Some(wanted), Some((_, version))) => wanted != etag(*version),
                    (None, _) => false,
                };
                if exists || changed {
                    let message = "At least one of the preconditions failed.";
                    return s3_error(412, "PreconditionFailed", message);
                }
                let etag = self.put(&request.path, &request.body);
                Reply::Answer(200, Vec::new(), Vec::new()).header("etag", &etag)
            }
            _ => s3_error(405, "MethodNotAllowed", "The method is not allowed."),
        }
    }

    fn list(&self, request: &Request) -> Reply {
        let prefix = prefix(&request.query).unwrap_or_default();
        let bucket = format!("{}/", request.path.trim_end_matches('/'));
        let start = format!("{bucket}{prefix}");
        let mut names = String::new();
        let mut last_folder = "";
        for (path, _) in self.objects.range(start.clone()..) {
            let Some(rest) = path.strip_prefix(&start) else {
                break;
            };
            match rest.split_once('/') {
                None => {
                    let key = escaped(&path[bucket.len()..]);
                    names.push_str(&format!("<Contents><Key>{key}</Key></Contents>"));
                }
                Some((folder, _)) if folder != last_folder => {
                    last_folder = folder;
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

fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

/// The prefix that a list is asked for.
pub(crate) fn prefix(query: &str) -> Option<String> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="))
        .map(percent_decoded)
}
