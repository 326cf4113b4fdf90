//! S3 with one bucket, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::percent_decode_str;

use crate::http::{Answer, Answers, Request};

const NAME: &str = "bench";

#[derive(Clone)]
struct Object {
    bytes: Arc<[u8]>,
    etag: String,
}

impl Object {
    fn new(bytes: &[u8]) -> Self {
        let hash = digest(&SHA256, bytes);
        let hex: String = hash.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            bytes: bytes.into(),
            etag: format!("\"{hex}\""),
        }
    }
}

pub(crate) struct Bucket {
    objects: Mutex<BTreeMap<String, Object>>,
}

impl Bucket {
    pub(crate) fn new(manifest: &[u8], images: u32) -> Self {
        let manifest = Object::new(manifest);
        let key = |number| format!("manifests/myapp/t{number:04}/manifest.json");
        let objects = (1..=images).map(|number| (key(number), manifest.clone()));
        Self {
            objects: Mutex::new(objects.collect()),
        }
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &str, request: &Request) -> Answer {
        let Some(object) = self.objects().get(key).cloned() else {
            return refusal(404, "NoSuchKey", "The specified key does not exist.");
        };
        if request.header("if-none-match") == Some(&object.etag) {
            return Answer::new(304, "").with("ETag", &object.etag);
        }
        Answer::new(200, &*object.bytes)
            .with("Content-Type", "application/json")
            .with("ETag", &object.etag)
    }

    fn put(&self, key: &str, request: &Request) -> Answer {
        let mut objects = self.objects();
        let present = objects.get(key);
        let unmet = "At least one of the pre-conditions you specified did not hold";
        match (request.header("if-match"), present) {
            (Some(_), None) => {
                return refusal(404, "NoSuchKey", "The specified key does not exist.");
            }
            (Some(etag), Some(object)) if etag != object.etag => {
                return refusal(412, "PreconditionFailed", unmet);
            }
            _ => {}
        }
        if request.header("if-none-match") == Some("*") && present.is_some() {
            return refusal(412, "PreconditionFailed", unmet);
        }
        let object = Object::new(&request.body);
        let answer = Answer::new(200, "").with("ETag", &object.etag);
        objects.insert(key.to_owned(), object);
        answer
    }

    fn list(&self, request: &Request) -> Answer {
        let prefix = request.asked("prefix").unwrap_or_default();
        let delimiter = request.asked("delimiter").unwrap_or_default();
        let mut contents = String::new();
        let mut folders = BTreeSet::new();
        let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
        for (key, object) in self.objects().range(from) {
            let Some(rest) = key.strip_prefix(&prefix) else {
                break;
            };
            if let Some(end) = rest.find(&delimiter).filter(|_| !delimiter.is_empty()) {
                folders.insert(format!("{prefix}{}", &rest[..end + delimiter.len()]));
                continue;
            }
            contents += &format!(
                "<Contents><Key>{key}</Key><ETag>{}</ETag><Size>{}</Size></Contents>",
                object.etag.replace('"', "&quot;"),
                object.bytes.len(),
            );
        }
        let folders: String = folders
            .iter()
            .map(|folder| format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"))
            .collect();
        Answer::xml(
            200,
            &format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{NAME}</Name>\
                 <Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{contents}{folders}\
                 </ListBucketResult>"
            ),
        )
    }
}

impl Answers for Bucket {
    fn answer(&self, request: &Request) -> Answer {
        let Some(key) = key(request) else {
            return refusal(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        match (request.method.as_str(), key.as_str()) {
            ("HEAD", "") => Answer::new(200, "").with("x-amz-bucket-region", "us-east-1"),
            ("GET", "") => self.list(request),
            ("GET" | "HEAD", key) => self.get(key, request),
            ("PUT", key) if !key.is_empty() => self.put(key, request),
            _ => refusal(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed",
            ),
        }
    }
}

/// The key asked for, where the bucket is named in the path or in the host; empty for the bucket itself.
fn key(request: &Request) -> Option<String> {
    let host = request.header("host").unwrap_or_default();
    let path = percent_decode_str(&request.path).decode_utf8_lossy();
    let path = path.strip_prefix('/')?;
    if host.starts_with(&format!("{NAME}.")) {
        return Some(path.to_owned());
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket == NAME).then(|| key.to_owned())
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::xml(
        status,
        &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
    )
}
