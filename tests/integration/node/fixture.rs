//! Buckets with images, the files of the gate, and a node whose containerd asks it.

use std::path::PathBuf;

use s3lo_test_servers::registry::Registry;
use s3lo_test_servers::s3::S3Server;

use super::containerd::{Containerd, Pull, Pulling};
use super::images::Image;
use crate::support::minio;
use crate::support::program::Sandbox;

/// A host whose images are those of the bucket `prod`.
pub(crate) const OF_PROD: &str = "registry.example:5000";

/// A host whose image names begin with the bucket.
pub(crate) const OF_ALL: &str = "s3.local";

/// The policy of the tests: the key `ci` has to have signed what is in the bucket `prod`.
const POLICY: &str = r#"
version = 1
[keys.ci]
public = "keys/cosign.pub"
[[rules]]
images = ["s3://prod/**"]
require = [{ any = ["ci"] }]
"#;

/// S3 with images, and the files of a gate.
pub(crate) struct Buckets {
    pub(crate) sandbox: Sandbox,
    pub(crate) s3: S3Server,
}

impl Buckets {
    /// Without images. Other hosts' images are allowed, and a digest alone is not enough.
    pub(crate) fn new() -> Self {
        let mut sandbox = Sandbox::new()
            .with("AWS_ACCESS_KEY_ID", minio::USER)
            .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD);
        let config = sandbox.file("gate.toml");
        sandbox.set("S3LO_GATE_CONFIG", config.to_str().unwrap());
        sandbox.write("policy.toml", POLICY);
        let s3 = S3Server::start();
        let buckets = Self { sandbox, s3 };
        buckets.configure("allow", "deny");
        buckets
    }

    /// Writes the gate's file with these settings for other hosts' images and for a digest alone.
    pub(crate) fn configure(&self, other_images: &str, by_digest: &str) {
        self.configure_at(&self.s3.endpoint, other_images, by_digest);
    }

    /// The same with S3 elsewhere.
    pub(crate) fn configure_at(&self, endpoint: &str, other_images: &str, by_digest: &str) {
        let policy = self.sandbox.file("policy.toml");
        let config = format!(
            r#"
policy = "{}"
other-images = "{other_images}"
by-digest = "{by_digest}"
[[hosts]]
host = "{OF_PROD}"
bucket = "prod"
[[hosts]]
host = "{OF_ALL}"
layout = "bucket-first"
[s3]
endpoint = "{endpoint}"
region = "us-east-1"
"#,
            policy.display()
        );
        self.sandbox.write("gate.toml", config);
    }

    /// Puts an image into a bucket: `prod/app:v1`.
    pub(crate) fn push(&self, reference: &str, image: &Image) {
        image.push(reference, |path, bytes| self.s3.put(path, bytes));
    }

    /// Signs images by a vector key, in one run.
    pub(crate) fn sign(&self, references: &[&str], key: &str, schema: &str) {
        let mut words = vec!["sign".to_owned()];
        words.extend(
            references
                .iter()
                .map(|reference| format!("s3://{reference}")),
        );
        let key = format!("keys/{key}.key");
        let options = [
            "--key",
            &key,
            "--schema-version",
            schema,
            "--endpoint",
            &self.s3.endpoint,
        ];
        words.extend(options.map(str::to_owned));
        self.sandbox.run(&words).ends_with(0);
    }

    /// Pushes an image and signs it as the policy wants it.
    pub(crate) fn push_signed(&self, reference: &str, image: &Image) {
        self.push(reference, image);
        self.sign(&[reference], "cosign", "2");
    }

    /// Copies the signatures of one tag to another.
    pub(crate) fn copy_signatures(&self, from: &str, to: &str) {
        let folder = |reference: &str| {
            let (bucket, rest) = reference.split_once('/').unwrap();
            format!("/{bucket}/manifests/{}/signatures/", rest.replace(':', "/"))
        };
        for path in self.s3.paths() {
            if let Some(name) = path.strip_prefix(&folder(from)) {
                let record = self.s3.get(&path).unwrap();
                self.s3.put(&format!("{}{name}", folder(to)), &record);
            }
        }
    }
}

/// Buckets, and a node that pulls from them.
pub(crate) struct Node {
    pub(crate) buckets: Buckets,
    pub(crate) containerd: Containerd,
}

impl Node {
    /// A node of these buckets. Its hosts are the two of the gate's file, and `other.example`, whose images are those
    /// of `prod` too; the name of a host may be written in capitals.
    pub(crate) fn new(buckets: Buckets) -> Self {
        let sandbox = &buckets.sandbox;
        let prod = Registry::of_bucket("prod", buckets.s3.clone());
        let all = Registry::of_buckets(buckets.s3.clone());
        for (host, registry) in [(OF_PROD, &prod), (OF_ALL, &all), ("other.example", &prod)] {
            for host in [host.to_owned(), host.to_uppercase()] {
                // How containerd writes a port in the name of a folder.
                let folder = match host.split_once(':') {
                    Some((name, port)) => format!("{name}_{port}_"),
                    None => host,
                };
                sandbox.write(
                    &format!("hosts/{folder}/hosts.toml"),
                    format!("server = \"{}\"\n", registry.endpoint),
                );
            }
        }
        let verifiers = sandbox.file("verifiers");
        std::fs::create_dir(&verifiers).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s3lo"), verifiers.join("s3lo")).unwrap();
        let containerd = Containerd::start(&verifiers, &sandbox.environment());
        Self {
            buckets,
            containerd,
        }
    }

    fn hosts(&self) -> PathBuf {
        self.buckets.sandbox.file("hosts")
    }

    pub(crate) fn start_pull(&self, image: &str) -> Pulling {
        self.containerd.start_pull(image, &self.hosts())
    }

    pub(crate) fn pull(&self, image: &str) -> Pull {
        self.start_pull(image).finish()
    }
}
