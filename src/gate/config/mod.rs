//! The gate's own file: which hosts of images are a store, and which policy their images have to pass.

mod error;
mod fields;

use std::path::{Path, PathBuf};

use s3lo_core::reference;
use s3lo_core::reference::{Reference, Scheme};
use serde::Deserialize;
use toml::Spanned;

pub use self::error::{Error, Problem};
use self::fields::{File, HostTable, S3Table};
use crate::aws;
use crate::aws::RoleOptions;
use crate::bounded_file;
use crate::environment;
use crate::environment::variable;
use crate::gate::name::{Host, ImageName};
use crate::gate::position::{Position, position};
use crate::store::backend;
use crate::store::backend::Backends;
use crate::store::s3::options::{S3, is_url};

/// The place of the file, unless [`VARIABLE`] names another one.
pub const PATH: &str = "/etc/s3lo/gate.toml";

/// The variable that names the file.
pub const VARIABLE: &str = "S3LO_GATE_CONFIG";

/// The most bytes of the file.
const MAX_BYTES: u64 = 64 * 1024;

/// The settings of the gate.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the policy.
    pub policy: PathBuf,
    /// The treatment of images of other hosts.
    pub other_images: OtherImages,
    /// The treatment of images that are pulled by digest alone.
    pub by_digest: ByDigest,
    /// The hosts whose images have to pass the policy, at least one.
    pub hosts: Vec<HostEntry>,
    /// The store of their images.
    pub stores: Backends,
    /// The region and the role.
    pub aws: aws::Options,
}

/// The treatment of images of other hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherImages {
    /// They pass.
    Allow,
    /// They are refused.
    Deny,
}

/// The treatment of images that are pulled by digest alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByDigest {
    /// They are refused: there is no tag that a signature could be about.
    #[default]
    Deny,
    /// They pass if the policy passes for any of the image's tags that has this digest.
    AnyTag,
}

/// A host whose images lie in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The host.
    pub host: Host,
    /// Where its images are.
    pub layout: Layout,
}

/// How the path of an image on its host leads to a place in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Its first segment is the bucket.
    BucketFirst,
    /// It is the image in this store.
    Root {
        /// The kind of store.
        scheme: Scheme,
        /// The bucket or directory.
        root: String,
    },
}

impl HostEntry {
    /// The reference to a tag of an image of this host.
    ///
    /// # Errors
    ///
    /// [`reference::Error`] if no image in the store can have this name.
    pub fn reference(&self, name: &ImageName, tag: &str) -> Result<Reference, reference::Error> {
        let path = &name.repository;
        backend::parse(&match &self.layout {
            Layout::BucketFirst => format!("{}://{path}:{tag}", Scheme::S3),
            Layout::Root { scheme, root } => format!("{scheme}://{root}/{path}:{tag}"),
        })
    }
}

/// The path of the gate's file, as containerd's environment names it.
///
/// # Errors
///
/// [`environment::Error`] if the variable is not text.
pub fn path() -> Result<PathBuf, environment::Error> {
    let named = variable(VARIABLE)?;
    Ok(named.map_or_else(|| PATH.into(), PathBuf::from))
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be read, or has a mistake.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = bounded_file::read(path, MAX_BYTES).map_err(|error| Error::of(path, error))?;
        let mistake = |(position, problem)| Error::Mistake {
            path: path.to_owned(),
            position,
            problem,
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(mistake((position("", None), Problem::NotUtf8)));
        };
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(text, folder).map_err(mistake)
    }

    /// Parses the text of a file that lies in `folder`.
    fn parse(text: &str, folder: &Path) -> Result<Self, (Position, Problem)> {
        let file: File = toml::from_str(text).map_err(|error| {
            let problem = Problem::Toml(error.message().to_owned());
            (position(text, error.span()), problem)
        })?;
        let at = |place: &Spanned<String>, problem| (position(text, Some(place.span())), problem);
        let policy = file.policy.get_ref();
        if policy.is_empty() || policy.contains("://") {
            return Err(at(&file.policy, Problem::Policy(policy.clone())));
        }
        let mut hosts: Vec<HostEntry> = Vec::new();
        for table in &file.hosts {
            let entry = host_entry(table).map_err(|(place, problem)| at(place, problem))?;
            if hosts.iter().any(|known| known.host == entry.host) {
                return Err(at(&table.host, Problem::Twice(entry.host)));
            }
            hosts.push(entry);
        }
        if hosts.is_empty() {
            return Err((position(text, None), Problem::NoHosts));
        }
        let s3 = &file.s3;
        Ok(Self {
            policy: folder.join(policy),
            other_images: file.other_images,
            by_digest: file.by_digest,
            hosts,
            stores: stores(s3).map_err(|(place, problem)| at(place, problem))?,
            aws: aws_options(s3).map_err(|(place, problem)| at(place, problem))?,
        })
    }

    /// The entry of a host, if its images have to pass the policy.
    pub fn entry(&self, host: &Host) -> Option<&HostEntry> {
        self.hosts.iter().find(|entry| entry.host == *host)
    }
}

/// A problem with the value at a place.
type Wrong<'a> = (&'a Spanned<String>, Problem);

fn host_entry(table: &HostTable) -> Result<HostEntry, Wrong<'_>> {
    let text = table.host.get_ref();
    let host = Host::parse(text).map_err(|_| (&table.host, Problem::Host(text.clone())))?;
    let layout = match (&table.layout, &table.bucket, &table.store) {
        (Some(fields::Layout::BucketFirst), None, None) => Layout::BucketFirst,
        (None, Some(bucket), None) => {
            let root = root(&format!("{}://{}", Scheme::S3, bucket.get_ref()));
            root.ok_or_else(|| (bucket, Problem::Bucket(bucket.get_ref().clone())))?
        }
        (None, None, Some(store)) => {
            root(store.get_ref()).ok_or_else(|| (store, Problem::Store(store.get_ref().clone())))?
        }
        (None, None, None) => return Err((&table.host, Problem::NoLayout(host))),
        _ => return Err((&table.host, Problem::SeveralLayouts(host))),
    };
    Ok(HostEntry { host, layout })
}

/// The root that `store` names, and nothing below it.
fn root(store: &str) -> Option<Layout> {
    const IMAGE: &str = "image";
    let reference = backend::parse(&format!("{store}/{IMAGE}:tag")).ok()?;
    (reference.image() == IMAGE).then(|| Layout::Root {
        scheme: reference.scheme(),
        root: reference.root().to_owned(),
    })
}

/// The value of an option of `[s3]`, checked as on a command line.
fn checked<'a, T>(
    field: Option<&'a Spanned<String>>,
    name: &'static str,
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Wrong<'a>> {
    let value = field.map(|value| {
        let problem = |expected| Problem::S3 { name, expected };
        check(value.get_ref()).map_err(|expected| (value, problem(expected)))
    });
    value.transpose()
}

fn stores(s3: &S3Table) -> Result<Backends, Wrong<'_>> {
    let owner = s3.expected_bucket_owner.as_ref();
    let endpoint = |text: &str| match is_url(text) {
        true => Ok(text.to_owned()),
        false => Err("write the URL of a server, such as `https://minio.example:9000`".to_owned()),
    };
    let account = |text: &str| {
        let account = text.parse();
        account.map_err(|_| "write the twelve digits of an account".to_owned())
    };
    Ok(Backends::with_s3(S3 {
        endpoint: checked(s3.endpoint.as_ref(), "endpoint", endpoint)?,
        expected_bucket_owner: checked(owner, "expected-bucket-owner", account)?,
        ..S3::default()
    }))
}

fn aws_options(s3: &S3Table) -> Result<aws::Options, Wrong<'_>> {
    use crate::aws::options::{arn, external_id, region};
    Ok(aws::Options {
        region: checked(s3.region.as_ref(), "region", region)?,
        role: RoleOptions {
            arn: checked(s3.role_arn.as_ref(), "role-arn", arn)?,
            external_id: checked(s3.external_id.as_ref(), "external-id", external_id)?,
            ..RoleOptions::default()
        },
        of_machine: true,
        ..aws::Options::default()
    })
}

#[cfg(test)]
mod tests;
