//! Images that containerd can unpack.

use s3lo_test_servers::registry::digest;
use serde_json::{Value, json};

use super::containerd::architecture;

/// An image, or an index of images.
pub(crate) struct Image {
    pub(crate) manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
}

/// A tar archive without files.
const LAYER: [u8; 1024] = [0; 1024];

impl Image {
    /// An image for this machine, different for each label.
    pub(crate) fn new(label: &str) -> Self {
        Self::of(label, architecture())
    }

    fn of(label: &str, architecture: &str) -> Self {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Labels": { "label": label } },
            "rootfs": { "type": "layers", "diff_ids": [digest(&LAYER)] },
        });
        let config = serde_json::to_vec(&config).unwrap();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &LAYER)],
        });
        Self {
            manifest: serde_json::to_vec(&manifest).unwrap(),
            blobs: vec![config, LAYER.to_vec()],
        }
    }

    /// An index of images for two architectures.
    pub(crate) fn index(label: &str) -> Self {
        let children = ["amd64", "arm64"].map(|architecture| {
            let child = Self::of(label, architecture);
            (architecture, child)
        });
        let entries = children.each_ref().map(|(architecture, child)| {
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            let mut entry = descriptor(media_type, &child.manifest);
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            entry
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        });
        let blobs = children.into_iter().flat_map(|(_, mut child)| {
            child.blobs.push(child.manifest);
            child.blobs
        });
        Self {
            manifest: serde_json::to_vec(&manifest).unwrap(),
            blobs: blobs.collect(),
        }
    }

    pub(crate) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Puts it under a tag into a bucket.
    pub(crate) fn push(&self, reference: &str, mut put: impl FnMut(&str, &[u8])) {
        let (bucket, rest) = reference.split_once('/').unwrap();
        let (image, tag) = rest.split_once(':').unwrap();
        for blob in &self.blobs {
            let hex = digest(blob).replace("sha256:", "");
            put(&format!("/{bucket}/blobs/sha256/{hex}"), blob);
        }
        let path = format!("/{bucket}/manifests/{image}/{tag}/manifest.json");
        put(&path, &self.manifest);
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}
