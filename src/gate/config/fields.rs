//! The fields of the file, with their places. A field that is not here is an error.

use serde::Deserialize;
use toml::Spanned;

use crate::gate::config::{ByDigest, OtherImages};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) policy: Spanned<String>,
    pub(super) other_images: OtherImages,
    #[serde(default)]
    pub(super) by_digest: ByDigest,
    #[serde(default)]
    pub(super) hosts: Vec<HostTable>,
    #[serde(default)]
    pub(super) s3: S3Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct HostTable {
    pub(super) host: Spanned<String>,
    pub(super) layout: Option<Layout>,
    pub(super) bucket: Option<Spanned<String>>,
    pub(super) store: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Layout {
    BucketFirst,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct S3Table {
    pub(super) endpoint: Option<Spanned<String>>,
    pub(super) region: Option<Spanned<String>>,
    pub(super) expected_bucket_owner: Option<Spanned<String>>,
    pub(super) role_arn: Option<Spanned<String>>,
    pub(super) external_id: Option<Spanned<String>>,
}
