//! A registry that serves stores for reading, as upstream's `s3lo serve` does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::aws::hex;
use crate::http::{self, Reply, Request, Service, Wire};
use crate::s3::S3Server;

/// The objects of all buckets, by path: `/bucket/manifests/…`.
pub trait Objects: Send + Sync + 'static {
    /// The bytes of an object.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// The paths that begin with `start`.
    fn paths(&self, start: &str) -> Vec<String>;
}

impl Objects for S3Server {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.get(path)
    }

    fn paths(&self, start: &str) -> Vec<String> {
        let mut paths = self.paths();
        paths.retain(|path| path.starts_with(start));
        paths
    }
}

/// A folder whose folders are the buckets, as `local://` has them.
impl Objects for PathBuf {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.join(path.trim_start_matches('/'))).ok()
    }

    fn paths(&self, start: &str) -> Vec<String> {
        fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), &path, found),
                    false => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        walk(self, "", &mut found);
        found.retain(|path| path.starts_with(start));
        found
    }
}

/// A registry on loopback.
#[derive(Clone)]
pub struct Registry {
    pub endpoint: String,
    objects: Arc<dyn Objects>,
    /// The bucket of every name; without one a name begins with its bucket.
    bucket: Option<String>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// A registry of one bucket: `app` is the image `app` in it.
    pub fn of_bucket(bucket: &str, objects: impl Objects) -> Self {
        Self::start(Some(bucket.to_owned()), objects)
    }

    /// A registry of every bucket: `prod/app` is the image `app` in the bucket `prod`.
    pub fn of_buckets(objects: impl Objects) -> Self {
        Self::start(None, objects)
    }

    fn start(bucket: Option<String>, objects: impl Objects) -> Self {
        let mut registry = Self {
            endpoint: String::new(),
            objects: Arc::new(objects),
            bucket,
            requests: Arc::default(),
        };
        registry.endpoint = http::listen(Wire::Plain, registry.clone());
        registry
    }

    /// `GET /v2/app/manifests/v1`, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The bucket's path, and the image in it.
    fn place<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        match &self.bucket {
            Some(bucket) => Some((bucket, name)),
            None => name.split_once('/'),
        }
    }

    /// An object below `/v2/`.
    fn find(&self, path: &str) -> Option<Reply> {
        if let Some((name, reference)) = path.rsplit_once("/manifests/") {
            let (bucket, image) = self.place(name)?;
            let manifest = match reference.contains(':') {
                true => self.by_digest(bucket, image, reference)?,
                false => self.by_tag(bucket, image, reference)?,
            };
            let value: Value = serde_json::from_slice(&manifest).ok()?;
            let media_type = value["mediaType"].as_str();
            let media_type = media_type.unwrap_or("application/vnd.oci.image.manifest.v1+json");
            let digest = digest(&manifest);
            let reply = Reply::Answer(200, Vec::new(), manifest);
            return Some(
                reply
                    .header("content-type", media_type)
                    .header("docker-content-digest", &digest),
            );
        }
        let (name, digest) = path.rsplit_once("/blobs/")?;
        let (bucket, _) = self.place(name)?;
        let reply = Reply::Answer(200, Vec::new(), self.blob(bucket, digest)?);
        Some(reply.header("content-type", "application/octet-stream"))
    }

    fn by_tag(&self, bucket: &str, image: &str, tag: &str) -> Option<Vec<u8>> {
        let path = format!("/{bucket}/manifests/{image}/{tag}/manifest.json");
        self.objects.read(&path)
    }

    /// A manifest of one of the image's tags, or a child of an index there.
    fn by_digest(&self, bucket: &str, image: &str, wanted: &str) -> Option<Vec<u8>> {
        let image = format!("/{bucket}/manifests/{image}/");
        for path in self.objects.paths(&image) {
            let tag = path[image.len()..].strip_suffix("/manifest.json");
            if tag.is_none_or(|tag| tag.contains('/')) {
                continue;
            }
            let manifest = self.objects.read(&path)?;
            if digest(&manifest) == wanted {
                return Some(manifest);
            }
            let value: Value = serde_json::from_slice(&manifest).unwrap_or_default();
            let mut children = value["manifests"].as_array().into_iter().flatten();
            if children.any(|child| child["digest"] == wanted) {
                return self.blob(bucket, wanted);
            }
        }
        None
    }

    fn blob(&self, bucket: &str, digest: &str) -> Option<Vec<u8>> {
        let hex = digest.strip_prefix("sha256:")?;
        self.objects.read(&format!("/{bucket}/blobs/sha256/{hex}"))
    }
}

impl Service for Registry {
    fn answer(&self, request: &Request, _: usize) -> Reply {
        let line = format!("{} {}", request.method, request.path);
        self.requests.lock().unwrap().push(line);
        if request.path == "/v2/" {
            return Reply::Answer(200, Vec::new(), b"{}".to_vec());
        }
        let found = request.path.strip_prefix("/v2/");
        // The referrers API is not served either.
        let absent = || {
            let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"not found"}]}"#;
            Reply::Answer(404, Vec::new(), body.to_vec())
        };
        found
            .and_then(|path| self.find(path))
            .unwrap_or_else(absent)
    }
}

/// The digest of bytes, as manifests give it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}
