//! An S3 server for faults that a healthy one does not have: it lies about lengths, breaks off, refuses, redirects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use crate::http::{self, Faults, Reply, Request, Service, Wire, escaped, percent_decoded};

/// An error as S3 writes it.
pub fn s3_error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Reply::Answer(status, Vec::new(), body.into_bytes()).header("x-amz-request-id", "TESTREQUESTID")
}

/// The message of S3 for a header that it does not support.
const NOT_IMPLEMENTED: &str =
    "A header you provided implies functionality that is not implemented.";

/// A way in which some servers differ from S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// ETags without quotes, as some gateways give them.
    BareEtags,
    /// XML begins with a byte order mark.
    BomInXml,
    /// Objects come in chunks, without a length.
    Chunked,
    /// An object is compressed for clients that accept that (Google Cloud Storage, some caches).
    GzipsIfAccepted,
    /// GET gives the ETag under the name `E-Tag`.
    HyphenEtagOnGet,
    /// PUT gives the ETag under the name `E-Tag` (Filen).
    HyphenEtagOnPut,
    /// `If-None-Match` and `If-Match` on a write are ignored.
    IgnoresConditions,
    /// Lists are always empty.
    ListsNothing,
    /// Names in lists are never encoded, and the XML contains characters that XML forbids.
    ListsRawNames,
    /// Lists give no ETags.
    ListsWithoutEtags,
    /// A write needs a checksum, as in a bucket with a default retention.
    NeedsChecksum,
    /// A write needs the header of server-side encryption.
    NeedsEncryption,
    /// A conditional read is answered in full.
    Never304,
    /// GET gives no ETag (s3proxy over a file system).
    NoEtagOnGet,
    /// PUT gives no ETag.
    NoEtagOnPut,
    /// Lists do not state whether they are complete.
    NoIsTruncated,
    /// ListObjectsV2 is answered with 501 NotImplemented.
    NoListV2,
    /// A conditional write is answered with 400 NotImplemented (Alibaba OSS).
    RefusesConditions400,
    /// A conditional write is answered with 501 NotImplemented (Backblaze B2).
    RefusesConditions501,
    /// Weak ETags, as a proxy makes them.
    WeakEtags,
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
    quirks: BTreeSet<Quirk>,
    /// The start of every path.
    prefix: String,
    /// Headers beside those of S3, by path: the metadata of objects.
    metadata: HashMap<String, Vec<(String, String)>>,
}

impl S3Server {
    /// A server on loopback.
    pub fn start() -> Self {
        let mut server = Self::default();
        server.endpoint = http::listen(Wire::Plain, server.clone());
        server
    }

    /// A server with quirks.
    pub fn with(quirks: &[Quirk]) -> Self {
        let server = Self::start();
        server.state.lock().unwrap().quirks = quirks.iter().copied().collect();
        server
    }

    /// Puts the server below a path, such as `/storage/v1/s3`.
    pub fn below(&self, prefix: &str) {
        self.state.lock().unwrap().prefix = prefix.to_owned();
    }

    /// Sends these headers with an object.
    pub fn set_metadata(&self, path: &str, headers: Vec<(String, String)>) {
        let mut state = self.state.lock().unwrap();
        state.metadata.insert(path.to_owned(), headers);
    }

    pub fn remove(&self, path: &str) {
        self.state.lock().unwrap().objects.remove(path);
    }

    /// Answers requests by `fault` where it gives something.
    pub fn fault(&self, fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        self.faults.set(fault);
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.put(path, bytes);
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
    fn put(&mut self, path: &str, bytes: &[u8]) {
        self.writes += 1;
        self.objects
            .insert(path.to_owned(), (bytes.to_vec(), self.writes));
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn etag(&self, version: u64) -> String {
        if self.has(Quirk::BareEtags) {
            format!("v{version}")
        } else if self.has(Quirk::WeakEtags) {
            format!("W/\"v{version}\"")
        } else {
            format!("\"v{version}\"")
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        let Some(path) = request.path.strip_prefix(&self.prefix) else {
            return s3_error(404, "NoSuchBucket", "The specified bucket does not exist.");
        };
        let absent = || match s3_error(404, "NoSuchKey", "The specified key does not exist.") {
            Reply::Answer(status, headers, body) if self.has(Quirk::BomInXml) => {
                Reply::Answer(status, headers, ["\u{feff}".as_bytes(), &body].concat())
            }
            reply => reply,
        };
        match request.method.as_str() {
            "GET" if request.query.contains("list-type=2") => {
                if self.has(Quirk::NoListV2) {
                    return s3_error(501, "NotImplemented", NOT_IMPLEMENTED);
                }
                self.list(path, request)
            }
            "GET" => match self.objects.get(path) {
                None => absent(),
                Some((bytes, version)) => self.object(path, bytes, *version, request),
            },
            "PUT" => self.write(path, request),
            _ => s3_error(405, "MethodNotAllowed", "The method is not allowed."),
        }
    }

    fn object(&self, path: &str, bytes: &[u8], version: u64, request: &Request) -> Reply {
        let etag = self.etag(version);
        if request.headers.get("if-none-match") == Some(&etag) && !self.has(Quirk::Never304) {
            return Reply::Answer(304, Vec::new(), Vec::new());
        }
        let mut headers = self.metadata.get(path).cloned().unwrap_or_default();
        let mut body = bytes.to_vec();
        if self.has(Quirk::Chunked) {
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            let mut chunks = Vec::new();
            for chunk in bytes.chunks(7) {
                chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                chunks.extend_from_slice(chunk);
                chunks.extend_from_slice(b"\r\n");
            }
            chunks.extend_from_slice(b"0\r\n\r\n");
            body = chunks;
        }
        let accepts = |header: &String| header.contains("gzip");
        let accepted = request.headers.get("accept-encoding").is_some_and(accepts);
        if self.has(Quirk::GzipsIfAccepted) && accepted {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
            body = vec![0x1f, 0x8b];
        }
        let reply = Reply::Answer(200, headers, body);
        if self.has(Quirk::NoEtagOnGet) {
            reply
        } else if self.has(Quirk::HyphenEtagOnGet) {
            reply.header("e-tag", &etag)
        } else {
            reply.header("etag", &etag)
        }
    }

    fn write(&mut self, path: &str, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let (create, replace) = (header("if-none-match"), header("if-match"));
        if create.is_some() || replace.is_some() {
            if self.has(Quirk::RefusesConditions501) {
                return s3_error(501, "NotImplemented", NOT_IMPLEMENTED);
            }
            if self.has(Quirk::RefusesConditions400) {
                return s3_error(400, "NotImplemented", NOT_IMPLEMENTED);
            }
        }
        let is_checksum =
            |name: &String| name == "content-md5" || name.starts_with("x-amz-checksum-");
        if self.has(Quirk::NeedsChecksum) && !request.headers.keys().any(is_checksum) {
            let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
            return s3_error(400, "InvalidRequest", message);
        }
        if self.has(Quirk::NeedsEncryption) && header("x-amz-server-side-encryption").is_none() {
            let message = "User: arn:aws:sts::111122223333:assumed-role/signer/ci is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::bucket/manifests\" with an explicit deny in a resource-based policy";
            return s3_error(403, "AccessDenied", message);
        }
        let known = self.objects.get(path);
        if !self.has(Quirk::IgnoresConditions) {
            let exists = create == Some("*") && known.is_some();
            let changed = match (replace, known) {
                (Some(_), None) => {
                    return s3_error(404, "NoSuchKey", "The specified key does not exist.");
                }
                (Some(wanted), Some((_, version))) => {
                    wanted != self.etag(*version).trim_start_matches("W/")
                }
                (None, _) => false,
            };
            if exists || changed {
                let message = "At least one of the preconditions failed.";
                return s3_error(412, "PreconditionFailed", message);
            }
        }
        self.put(path, &request.body);
        let etag = self.etag(self.writes);
        let reply = Reply::Answer(200, Vec::new(), Vec::new());
        if self.has(Quirk::NoEtagOnPut) {
            reply
        } else if self.has(Quirk::HyphenEtagOnPut) {
            reply.header("e-tag", &etag)
        } else {
            reply.header("etag", &etag)
        }
    }

    fn list(&self, path: &str, request: &Request) -> Reply {
        let prefix = prefix(&request.query).unwrap_or_default();
        let has = |pair: &str| request.query.split('&').any(|one| one == pair);
        let folders = request.query.contains("delimiter=");
        let encoded = has("encoding-type=url") && !self.has(Quirk::ListsRawNames);
        let number = |start: &str| {
            let mut pairs = request.query.split('&');
            let value = pairs.find_map(|pair| pair.strip_prefix(start))?;
            value.parse::<usize>().ok()
        };
        // The token is the number of entries on the pages before.
        let before = number("continuation-token=").unwrap_or_default();
        let most = before + number("max-keys=").unwrap_or(1000);
        let bucket = format!("{}/", path.trim_end_matches('/'));
        let start = format!("{bucket}{prefix}");
        let name = |text: &str| match encoded {
            true => percent_encoded(text),
            false => escaped(text),
        };
        let (mut names, mut count, mut last_folder) = (String::new(), 0, "");
        let nothing = self.has(Quirk::ListsNothing);
        for (path, (_, version)) in self.objects.range(start.clone()..).filter(|_| !nothing) {
            let Some(rest) = path.strip_prefix(&start) else {
                break;
            };
            let entry = match rest.split_once('/') {
                Some((folder, _)) if folders => {
                    if folder == last_folder {
                        continue;
                    }
                    last_folder = folder;
                    let prefix = name(&format!("{prefix}{folder}/"));
                    format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>")
                }
                _ => {
                    let etag = match self.has(Quirk::ListsWithoutEtags) {
                        true => String::new(),
                        false => format!("<ETag>{}</ETag>", escaped(&self.etag(*version))),
                    };
                    let key = name(&path[bucket.len()..]);
                    format!("<Contents><Key>{key}</Key>{etag}</Contents>")
                }
            };
            count += 1;
            if count > most {
                break;
            }
            if count > before {
                names.push_str(&entry);
            }
        }
        let truncated = match self.has(Quirk::NoIsTruncated) {
            true => String::new(),
            false => format!("<IsTruncated>{}</IsTruncated>", count > most),
        };
        let next = match count > most {
            true => format!("<NextContinuationToken>{most}</NextContinuationToken>"),
            false => String::new(),
        };
        let encoding = match encoded {
            true => "<EncodingType>url</EncodingType>",
            false => "",
        };
        let mark = match self.has(Quirk::BomInXml) {
            true => "\u{feff}",
            false => "",
        };
        let body = format!(
            "{mark}<ListBucketResult>{truncated}{next}{encoding}{names}</ListBucketResult>"
        );
        Reply::Answer(200, Vec::new(), body.into_bytes())
    }
}

/// A name as lists give it where they are asked for `encoding-type=url`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The prefix that a list is asked for.
pub(crate) fn prefix(query: &str) -> Option<String> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="))
        .map(percent_decoded)
}
