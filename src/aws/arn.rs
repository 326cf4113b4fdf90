//! Amazon resource names and their parts: partition, region, account
//! ([IAM reference](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)).

use std::fmt;
use std::str::FromStr;

/// An ARN of six parts, of a resource that may not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    text: String,
    /// `aws`, `aws-cn`, `aws-us-gov` and others to come.
    pub partition: String,
    /// `kms`, `iam`, `sts`.
    pub service: String,
    /// Empty for IAM, which has none.
    pub region: String,
    /// Twelve digits.
    pub account: Account,
    /// `key/…`, `alias/…`, `role/…`.
    pub resource: String,
}

impl Arn {
    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region in which a partition's global services answer.
    pub fn home_region(&self) -> &'static str {
        match self.partition.as_str() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            "aws-iso" => "us-iso-east-1",
            "aws-iso-b" => "us-isob-east-1",
            "aws-iso-e" => "eu-isoe-west-1",
            "aws-iso-f" => "us-isof-south-1",
            "aws-eusc" => "eusc-de-east-1",
            _ => "us-east-1",
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (prefix, partition, service) = (next(), next(), next());
        let (region, account, resource) = (next(), next(), next());
        let plain = |part: &str| {
            part.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let graphic = |byte: u8| byte.is_ascii_graphic();
        let partitioned = partition == "aws" || partition.starts_with("aws-");
        let whole = prefix == "arn"
            && partitioned
            && plain(partition)
            && !service.is_empty()
            && plain(service)
            && plain(region)
            && !resource.is_empty()
            && resource.bytes().all(graphic)
            && text.len() <= LONGEST;
        if !whole {
            return Err(NotAnArn);
        }
        Ok(Self {
            partition: partition.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.parse().map_err(|_| NotAnArn)?,
            resource: resource.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// The longest ARN that AWS takes, in bytes.
const LONGEST: usize = 2048;

/// Not `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ARN")]
pub struct NotAnArn;

/// Whether `text` is in the alphabet of regions: those of AWS, and the names that other S3 servers give theirs, such as
/// `SBG` ([juicefs#1168](https://github.com/juicedata/juicefs/issues/1168)). It becomes part of a host's name.
pub fn is_region(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(valid)
}

/// The number of an AWS account: twelve digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account(String);

impl Account {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Account {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(NotAnAccount)
    }
}

/// Not twelve digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AWS account is written as twelve digits")]
pub struct NotAnAccount;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts() {
        let arn: Arn = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/a:b"
            .parse()
            .unwrap();
        assert_eq!(arn.region, "us-gov-west-1");
        assert_eq!(arn.resource, "alias/a:b");
        for text in [
            "",
            "arn:aws:kms:us-east-1:111122223333",
            "arn:aws:kms:us-east-1:111122223333:",
            "arn:aws:kms:us-east-1:11112222333:key/a",
            "arn:AWS:kms:us-east-1:111122223333:key/a",
            "arn:awsome:kms:us-east-1:111122223333:key/a",
            "arn:aws:kms:us/east:111122223333:key/a",
            "arn:aws:kms:us-east-1:111122223333:key/a b",
        ] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
