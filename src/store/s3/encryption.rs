//! Encryption at rest, which a bucket's policy may demand of every write by its headers.

use std::str::FromStr;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::ServerSideEncryption;
use clap::Args;

use crate::diagnostic::Diagnostic;
use crate::option_name::option;

/// Options of the encryption of what is written. `verify` has none of them.
#[derive(Args, Clone, Debug, Default)]
pub struct EncryptionOptions {
    /// Encryption at rest to ask for, if the bucket's policy demands it: AES256, aws:kms or aws:kms:dsse
    #[arg(long, value_name = "ALGORITHM")]
    pub sse: Option<Algorithm>,
    /// KMS key of that encryption; implies aws:kms
    #[arg(long, value_name = "KEY_ID")]
    pub sse_kms_key: Option<KmsKey>,
}

impl EncryptionOptions {
    /// Whether one of the options is given; its name.
    pub fn first_set(&self) -> Option<&'static str> {
        match (&self.sse, &self.sse_kms_key) {
            (Some(_), _) => Some("sse"),
            (None, Some(_)) => Some("sse-kms-key"),
            (None, None) => None,
        }
    }

    /// Checks that the options agree.
    ///
    /// # Errors
    ///
    /// A KMS key for an encryption that uses none.
    pub fn check(&self) -> Result<(), Diagnostic> {
        match (&self.sse, &self.sse_kms_key) {
            (Some(Algorithm::Aes256), Some(_)) => Err(Diagnostic::usage(
                format!(
                    "{} uses no KMS key, and {} names one",
                    option("sse").with("AES256"),
                    option("sse-kms-key")
                ),
                format!("write {}", option("sse").with("aws:kms")),
            )),
            _ => Ok(()),
        }
    }

    /// The write, which asks for the encryption if there is one.
    pub(super) fn apply(&self, put: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        let algorithm = self.algorithm().map(|algorithm| match algorithm {
            Algorithm::Aes256 => ServerSideEncryption::Aes256,
            Algorithm::Kms => ServerSideEncryption::AwsKms,
            Algorithm::KmsTwice => ServerSideEncryption::AwsKmsDsse,
        });
        put.set_server_side_encryption(algorithm)
            .set_ssekms_key_id(self.sse_kms_key.as_ref().map(|KmsKey(id)| id.clone()))
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.sse
            .or_else(|| self.sse_kms_key.as_ref().map(|_| Algorithm::Kms))
    }
}

/// An algorithm of `x-amz-server-side-encryption`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `AES256`: a key of S3.
    Aes256,
    /// `aws:kms`: a key in KMS.
    Kms,
    /// `aws:kms:dsse`: two layers, by a key in KMS.
    KmsTwice,
}

impl FromStr for Algorithm {
    type Err = NotAnAlgorithm;

    fn from_str(text: &str) -> Result<Self, NotAnAlgorithm> {
        Ok(match text {
            "AES256" => Self::Aes256,
            "aws:kms" => Self::Kms,
            "aws:kms:dsse" => Self::KmsTwice,
            _ => return Err(NotAnAlgorithm),
        })
    }
}

/// No algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `AES256`, `aws:kms` or `aws:kms:dsse`")]
pub struct NotAnAlgorithm;

/// A KMS key as a header takes it: an ID, an ARN or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey(String);

impl FromStr for KmsKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let fits = (1..=2048).contains(&text.len());
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && graphic && !text.contains("://"))
            .then(|| Self(text.to_owned()))
            .ok_or(NotAKey)
    }
}

/// No ID of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the ID or ARN of a KMS key, such as `arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…`"
)]
pub struct NotAKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kms_key_implies_its_encryption() {
        let key = || "alias/store".parse::<KmsKey>().ok();
        let options = |sse, sse_kms_key| EncryptionOptions { sse, sse_kms_key };
        assert_eq!(options(None, None).algorithm(), None);
        assert_eq!(options(None, key()).algorithm(), Some(Algorithm::Kms));
        assert_eq!(
            options(Some(Algorithm::KmsTwice), key()).algorithm(),
            Some(Algorithm::KmsTwice)
        );
        assert!(options(Some(Algorithm::Aes256), key()).check().is_err());
        assert!(options(Some(Algorithm::Aes256), None).check().is_ok());
    }

    #[test]
    fn other_words_are_no_algorithm_and_no_key() {
        for text in ["", "aes256", "AES-256", "kms", "aws:kms:x"] {
            assert!(text.parse::<Algorithm>().is_err(), "{text}");
        }
        for text in ["", "a b", "a\nb", "awskms:///alias/a", &"x".repeat(3000)] {
            assert!(text.parse::<KmsKey>().is_err(), "{text}");
        }
    }
}
