//! The URI of a key in AWS KMS: `awskms://[HOST[:PORT]]/ID`. The ID is a key's ID or ARN, or an alias or its ARN
//! ([KeyId](https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html)).
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use s3lo_core::explain::Explain;

use crate::aws::arn::Arn;
use crate::net::url::Authority;
use crate::text::{printable, quoted};

/// The URI of a key in KMS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KmsKeyUri {
    endpoint: Option<String>,
    id: String,
    arn: Option<Arn>,
}

impl KmsKeyUri {
    /// Reads what follows `awskms://`.
    ///
    /// # Errors
    ///
    /// [`Error`], with a correction where possible.
    pub fn parse(rest: &str) -> Result<Self, Error> {
        let meant = |id: &str| Error::Slashes {
            instead: format!("awskms:///{id}"),
        };
        let Some((host, id)) = rest.split_once('/') else {
            return Err(match rest {
                "" => Error::NoKey,
                id if is_id(id) || is_arn(id) => meant(id),
                _ => Error::NoKey,
            });
        };
        // With two slashes the key would be a host.
        if host == "alias" || is_arn(host) {
            return Err(meant(rest));
        }
        if !host.is_empty() && host.parse::<Authority>().is_err() {
            return Err(Error::Host {
                host: host.to_owned(),
            });
        }
        let arn = is_arn(id).then(|| parse_arn(id)).transpose()?;
        if arn.is_none() && !is_alias(id) && !is_id(id) {
            return Err(match id {
                "" | "alias/" => Error::NoKey,
                _ => Error::Id { id: id.to_owned() },
            });
        }
        Ok(Self {
            endpoint: (!host.is_empty()).then(|| format!("https://{host}")),
            id: id.to_owned(),
            arn,
        })
    }

    /// The endpoint for KMS alone, if there is one.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The ID for requests, as it was written: a key's policy may depend on the alias that a caller uses
    /// ([kms:RequestAlias](https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-request-alias)).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ARN, if the ID is one.
    pub fn arn(&self) -> Option<&Arn> {
        self.arn.as_ref()
    }

    /// Whether `arn` may be this key. An alias may lead to any key of its account.
    pub fn may_be(&self, arn: &Arn) -> bool {
        match (&self.arn, self.id.starts_with("alias/")) {
            (None, true) => true,
            (None, false) => is_same_id(arn.resource.strip_prefix("key/"), Some(&self.id)),
            (Some(named), _) => {
                let is_here = (&named.partition, &named.region, &named.account)
                    == (&arn.partition, &arn.region, &arn.account);
                let id = named.resource.strip_prefix("key/");
                is_here && (id.is_none() || is_same_id(id, arn.resource.strip_prefix("key/")))
            }
        }
    }
}

fn parse_arn(text: &str) -> Result<Arn, Error> {
    let wrong = || Error::Arn {
        arn: text.to_owned(),
    };
    let arn: Arn = text.parse().map_err(|_| wrong())?;
    let alias = arn.service == "kms" && is_alias(&arn.resource);
    if arn.region.is_empty() || !(is_key(&arn) || alias) {
        return Err(wrong());
    }
    Ok(arn)
}

/// Whether an ARN is that of a key.
pub fn is_key(arn: &Arn) -> bool {
    arn.service == "kms" && arn.resource.strip_prefix("key/").is_some_and(is_id)
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Whether a text may be a key's ID: a UUID, `mrk-…`, or a form that KMS introduces later.
fn is_id(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=128).contains(&text.len()) && text.bytes().all(byte)
}

/// Whether two IDs of keys are the same. KMS takes a UUID in capitals, and answers with it in small letters.
fn is_same_id(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one.eq_ignore_ascii_case(other))
}

/// `[a-zA-Z0-9:/_-]+` after `alias/`
/// ([CreateAlias](https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html)).
fn is_alias(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    text.strip_prefix("alias/")
        .is_some_and(|name| (1..=250).contains(&name.len()) && name.bytes().all(byte))
}

/// Why a text is no URI of a key in KMS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that begins as an ARN is not that of a key or an alias.
    #[error("`{}` is not the ARN of a KMS key or alias", printable(arn))]
    Arn {
        /// The text.
        arn: String,
    },
    /// The host is none.
    #[error("`{}` is not a host", printable(host))]
    Host {
        /// The text.
        host: String,
    },
    /// The key is none.
    #[error("`{}` is not the ID of a KMS key", printable(id))]
    Id {
        /// The text.
        id: String,
    },
    /// There is no key after the scheme.
    #[error("`awskms://` is not followed by a key")]
    NoKey,
    /// Two slashes, where there must be three.
    #[error("`awskms://` takes a third slash before the key")]
    Slashes {
        /// The right form.
        instead: String,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "bad_key_reference"
    }

    fn help(&self) -> String {
        match self {
            Self::Slashes { instead } => format!("write `{instead}`"),
            Self::Arn { .. } => "write it as KMS prints it: `awskms:///arn:aws:kms:REGION:ACCOUNT:key/KEY-ID` or `awskms:///arn:aws:kms:REGION:ACCOUNT:alias/NAME`".to_owned(),
            Self::Host { .. } => "write `awskms:///alias/NAME`, or with a server only for KMS `awskms://HOST:PORT/alias/NAME`".to_owned(),
            Self::Id { id } => {
                let name = id.trim_start_matches('/').trim_start_matches("alias/");
                let name = name.split('?').next().unwrap_or(name);
                let name = quoted(&format!("awskms:///alias/{name}"));
                format!("write `{name}` if it is an alias, or the key's ID or ARN")
            }
            Self::NoKey => "write `awskms:///alias/NAME`, or the key's ID or ARN after the three slashes".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_aliases_and_arns_of_every_partition_are_accepted() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
        for key in [id, mrk, "alias/release-signer", "alias/team/a:b_c"] {
            let name = KmsKeyUri::parse(&format!("/{key}")).unwrap();
            assert_eq!((name.id(), name.endpoint(), name.arn()), (key, None, None));
        }
        for (partition, region) in [
            ("aws", "eu-central-1"),
            ("aws-cn", "cn-north-1"),
            ("aws-us-gov", "us-gov-east-1"),
            ("aws-iso", "us-iso-east-1"),
            ("aws-iso-b", "us-isob-east-1"),
            ("aws-iso-e", "eu-isoe-west-1"),
            ("aws-iso-f", "us-isof-south-1"),
            ("aws-eusc", "eusc-de-east-1"),
        ] {
            for resource in [
                format!("key/{id}"),
                format!("key/{mrk}"),
                "alias/a".to_owned(),
            ] {
                let arn = format!("arn:{partition}:kms:{region}:111122223333:{resource}");
                let name = KmsKeyUri::parse(&format!("/{arn}")).unwrap();
                assert_eq!(name.id(), arn);
                assert_eq!(name.arn().unwrap().region, region);
            }
        }
        let name = KmsKeyUri::parse("localhost:4566/alias/a").unwrap();
        assert_eq!(name.endpoint(), Some("https://localhost:4566"));
    }

    #[test]
    fn two_slashes_are_refused_with_a_correction() {
        for text in [
            "alias/release-signer",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            let instead = format!("awskms:///{text}");
            assert_eq!(KmsKeyUri::parse(text), Err(Error::Slashes { instead }));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "/",
            "/alias/",
            "/alias",
            "/alias/a b",
            "/a.b",
            "//alias/a",
            "host/",
            "ho st/alias/a",
            "host:0/alias/a",
            "host:99999/alias/a",
            "host:x/alias/a",
            "/arn:aws:kms:us-east-1:111122223333:grant/a",
            "/arn:aws:kms::111122223333:key/a",
            "/arn:aws:s3:us-east-1:111122223333:key/a",
            "/arn:aws:kms:us-east-1:1111:key/a",
        ] {
            match KmsKeyUri::parse(text) {
                Ok(name) if text == "/alias" => assert_eq!(name.id(), "alias"),
                other => assert!(other.is_err(), "{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_an_arn_of_the_requested_key_is_accepted() {
        let arn = |text: &str| text.parse::<Arn>().unwrap();
        let key = arn("arn:aws:kms:us-east-1:111122223333:key/a");
        for name in [
            "/a",
            "/alias/x",
            "/arn:aws:kms:us-east-1:111122223333:key/a",
            "/arn:aws:kms:us-east-1:111122223333:alias/x",
        ] {
            assert!(KmsKeyUri::parse(name).unwrap().may_be(&key), "{name}");
        }
        let lower = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let answer = arn(&format!("arn:aws:kms:us-east-1:111122223333:key/{lower}"));
        let upper = lower.to_uppercase();
        for name in [
            format!("/{upper}"),
            format!("/1234ABCD{}", &lower[8..]),
            format!("/arn:aws:kms:us-east-1:111122223333:key/{upper}"),
        ] {
            assert!(KmsKeyUri::parse(&name).unwrap().may_be(&answer), "{name}");
        }
        for name in [
            format!("/{}", upper.replace("90AB", "90AC")),
            format!("/arn:aws:kms:us-east-1:444455556666:key/{upper}"),
            format!("/arn:aws:kms:eu-west-1:111122223333:key/{upper}"),
        ] {
            assert!(!KmsKeyUri::parse(&name).unwrap().may_be(&answer), "{name}");
        }
        for name in [
            "/b",
            "/arn:aws:kms:us-east-1:111122223333:key/b",
            "/arn:aws:kms:us-east-1:444455556666:alias/x",
            "/arn:aws:kms:eu-west-1:111122223333:alias/x",
        ] {
            assert!(!KmsKeyUri::parse(name).unwrap().may_be(&key), "{name}");
        }
    }
}
