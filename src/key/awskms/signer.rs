//! Keys in AWS KMS: two calls, `GetPublicKey` and `Sign`.
//!
//! `DescribeKey` tells nothing that `GetPublicKey` does not, and would need another permission. What is
//! sent is the payload's digest, so that KMS sees neither the image nor its name.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::operation::RequestId as _;
use aws_sdk_kms::operation::get_public_key::GetPublicKeyOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use s3lo_core::crypto::algorithm::{Algorithm, KeyType};
use s3lo_core::crypto::public;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::text::clipped;

use crate::aws;
use crate::aws::account::check_allowed;
use crate::aws::arn::Arn;
use crate::aws::config::Aws;
use crate::aws::error::Failure;
use crate::aws::preconnect;
use crate::aws::response::ErrorResponse;
use crate::key::awskms::uri;
use crate::key::awskms::uri::Name;
use crate::key::{KeyRef, Signature, Signer};
use crate::net::retry::{Backoff, Retry, Throttle};
use crate::net::unreachable::Unreachable;

/// KMS in the region, and under the endpoint, of one key.
#[derive(Clone)]
pub struct Kms {
    aws: Aws,
    reference: KeyRef,
    name: Name,
    client: Client,
    throttle: Throttle,
}

impl Kms {
    /// KMS as the key `reference`, which is called `name` there, has to be asked.
    ///
    /// # Errors
    ///
    /// [`Error::NoRegion`] if neither the key nor anything else names a region.
    pub fn new(aws: &Aws, reference: &KeyRef, name: &Name) -> Result<Self, crate::key::Error> {
        // What an ARN says of its account is known before anything is asked.
        if let Some(arn) = name.arn() {
            check_allowed(&aws.allowed_accounts, arn).map_err(|error| crate::key::Error::Kms {
                key: reference.clone(),
                source: Box::new(Error::Common(error)),
            })?;
        }
        let Some(config) = config(&aws.config, aws, name) else {
            return Err(crate::key::Error::Kms {
                key: reference.clone(),
                source: Box::new(Error::NoRegion),
            });
        };
        Ok(Self {
            aws: aws.clone(),
            reference: reference.clone(),
            name: name.clone(),
            client: Client::from_conf(config.build()),
            throttle: Throttle::default(),
        })
    }

    /// Opens a connection, while the credentials are on their way.
    pub fn preconnect(&self) {
        if let Some(config) = config(&self.aws.anonymous, &self.aws, &self.name) {
            preconnect::kms(config);
        }
    }

    /// Asks for the public key, which is all that `verify` needs.
    ///
    /// # Errors
    ///
    /// [`crate::key::Error::Kms`] if KMS refuses, or the key is none that this program verifies with.
    pub async fn open_public(self) -> Result<PublicKey, crate::key::Error> {
        Ok(self.open_signer().await?.public)
    }

    /// Asks for the public key, and makes a signer of it.
    ///
    /// # Errors
    ///
    /// As [`open_public`](Self::open_public).
    pub async fn open_signer(self) -> Result<KmsSigner, crate::key::Error> {
        let opened = self.public_key().await;
        match opened {
            Ok((public, arn)) => Ok(KmsSigner {
                kms: self,
                public,
                arn,
            }),
            Err(error) => Err(self.because(error)),
        }
    }

    async fn public_key(&self) -> Result<(PublicKey, Arn), Error> {
        let id = self.name.id();
        let call = || self.client.get_public_key().key_id(id).send();
        let output = self.call("kms:GetPublicKey", id, call).await?;
        let arn = self.answered_for(output.key_id())?;
        check_allowed(&self.aws.allowed_accounts, &arn).map_err(Error::Common)?;
        Ok((public_key(&output)?, arn))
    }

    /// Runs a call to `action` on `key` until it succeeds or another try is in vain.
    async fn call<T, E, F>(
        &self,
        action: &'static str,
        key: &str,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let backoff = Backoff::new(self.aws.attempts, self.aws.deadline, self.throttle.clone());
        let mut retry = KmsRetry {
            inconsistent: MAX_INCONSISTENT,
            fresh_session: self.aws.assumes_a_role(),
        };
        let attempt = || {
            let sent = call();
            async move { sent.await.map_err(|error| self.failed(action, key, &error)) }
        };
        backoff.run(attempt, |error| retry.classify(error)).await
    }

    /// The key that an answer is for, if it can be the one that was asked for.
    fn answered_for(&self, id: Option<&str>) -> Result<Arn, Error> {
        let id = there(id, "KeyId")?;
        let other = || Error::OtherKey { key: clipped(id) };
        let arn: Arn = id.parse().map_err(|_| other())?;
        if self.name.may_be(&arn) && uri::is_key(&arn) {
            Ok(arn)
        } else {
            Err(other())
        }
    }

    fn region(&self) -> String {
        let region = self.client.config().region();
        region.map(ToString::to_string).unwrap_or_default()
    }

    fn because(&self, error: Error) -> crate::key::Error {
        crate::key::Error::Kms {
            key: self.reference.clone(),
            source: Box::new(error),
        }
    }

    fn failed<E>(&self, action: &'static str, key: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = match Failure::of("KMS", error) {
            Failure::Common(error) => return Error::Common(error),
            Failure::Unreachable(reason) => {
                return Error::Unreachable {
                    region: self.region(),
                    reason,
                };
            }
            Failure::Denied(answer) => {
                return Error::Denied {
                    action,
                    resource: key.to_owned(),
                    region: self.region(),
                    answer,
                };
            }
            Failure::Refused(answer) => answer,
        };
        match answer.code() {
            "NotFoundException" => Error::NotFound {
                region: self.region(),
                answer,
            },
            "DisabledException" | "KMSInvalidStateException" => Error::State { answer },
            "InvalidKeyUsageException" | "UnsupportedOperationException" => {
                Error::NotASigningKey { answer }
            }
            _ => Error::Service { action, answer },
        }
    }
}

/// The client's configuration, if there is a region for it: the key's, or the one that is named.
fn config(
    shared: &aws_config::SdkConfig,
    aws: &Aws,
    name: &Name,
) -> Option<aws_sdk_kms::config::Builder> {
    let of_key = name.arn().map(|arn| arn.region.clone());
    let region = of_key.or_else(|| aws.named_region.clone())?;
    let config =
        aws_sdk_kms::config::Builder::from(shared).region(aws_sdk_kms::config::Region::new(region));
    Some(match name.endpoint() {
        Some(endpoint) => config.endpoint_url(endpoint),
        None => config,
    })
}

/// A field of an answer, if it is there.
fn there<'a>(field: Option<&'a str>, name: &'static str) -> Result<&'a str, Error> {
    let present = field.filter(|text| !text.is_empty());
    present.ok_or(Error::Incomplete { missing: name })
}

/// What a key says of itself, held against the table.
fn public_key(output: &GetPublicKeyOutput) -> Result<PublicKey, Error> {
    let usage = there(output.key_usage().map(KeyUsageType::as_str), "KeyUsage")?;
    if usage != KeyUsageType::SignVerify.as_str() {
        return Err(Error::Usage {
            usage: clipped(usage),
        });
    }
    let spec = there(output.key_spec().map(|spec| spec.as_str()), "KeySpec")?;
    let unsupported = || Error::Unsupported {
        spec: clipped(spec),
    };
    let key_type = key_type(spec).ok_or_else(unsupported)?;
    let wanted = kms_name(key_type.algorithm());
    let offered = output.signing_algorithms();
    if !offered.iter().any(|offered| offered.as_str() == wanted) {
        return Err(Error::Algorithm { wanted });
    }
    let spki = output.public_key().map_or(&[][..], |blob| blob.as_ref());
    let public = PublicKey::from_spki(spki).map_err(|source| Error::PublicKey { source })?;
    if public.key_type() != key_type {
        return Err(Error::OtherType {
            spec: clipped(spec),
            key_type: public.key_type(),
        });
    }
    Ok(public)
}

/// A key in KMS that has told its public half.
pub struct KmsSigner {
    kms: Kms,
    public: PublicKey,
    arn: Arn,
}

#[async_trait]
impl Signer for KmsSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, payload: &[u8]) -> Result<Signature, crate::key::Error> {
        let signed = self.ask(payload).await;
        signed.map_err(|error| self.kms.because(error))
    }
}

impl KmsSigner {
    async fn ask(&self, payload: &[u8]) -> Result<Signature, Error> {
        let algorithm = self.public.key_type().algorithm();
        // A digest must be declared as one: KMS would hash it once more.
        let (kind, message) = match algorithm.hash() {
            Some(hash) => (MessageType::Digest, hash.digest(payload)),
            None => (MessageType::Raw, payload.to_vec()),
        };
        let call = || {
            let sign = self.kms.client.sign().key_id(self.kms.name.id());
            sign.message_type(kind.clone())
                .message(Blob::new(message.clone()))
                .signing_algorithm(SigningAlgorithmSpec::from(kms_name(algorithm)))
                .send()
        };
        let output = self.kms.call("kms:Sign", self.arn.as_str(), call).await?;
        let by = self.kms.answered_for(output.key_id())?;
        if by != self.arn {
            return Err(Error::Repointed {
                from: self.arn.to_string(),
                to: by.to_string(),
            });
        }
        let request_id = output.request_id().map(clipped);
        if let Some(id) = &request_id {
            tracing::debug!("signed by {}, request ID {id}", self.arn);
        }
        Ok(Signature {
            bytes: output.signature.map(Blob::into_inner).unwrap_or_default(),
            request_id,
        })
    }
}

/// The number of tries that follow on errors of a KMS that does not show yet what was made just now.
const MAX_INCONSISTENT: u32 = 2;

/// Which errors are worth another try: transient ones, and for a moment those about a new key or session. KMS
/// and IAM show what is new with a delay
/// ([eventual consistency](https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency)).
struct KmsRetry {
    inconsistent: u32,
    fresh_session: bool,
}

impl KmsRetry {
    fn classify(&mut self, error: &Error) -> Retry {
        let may_be_new = match error {
            Error::Unreachable { .. } => return Retry::Transient,
            Error::Service { answer, .. } if answer.is_throttled() => return Retry::Throttled,
            Error::Service { answer, .. } if answer.is_transient() => return Retry::Transient,
            Error::NotFound { .. } => true,
            Error::State { answer } => answer.says("reating"),
            Error::Common(aws::Error::Credentials { .. }) => self.fresh_session,
            _ => false,
        };
        if !may_be_new || self.inconsistent == 0 {
            return Retry::No;
        }
        self.inconsistent = self.inconsistent.saturating_sub(1);
        Retry::Transient
    }
}

/// The key type that KMS calls `spec`
/// ([KeySpec](https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html)).
fn key_type(spec: &str) -> Option<KeyType> {
    match spec {
        "ECC_NIST_P256" => Some(KeyType::P256),
        "ECC_NIST_P384" => Some(KeyType::P384),
        "ECC_NIST_P521" => Some(KeyType::P521),
        "ECC_NIST_EDWARDS25519" => Some(KeyType::Ed25519),
        "RSA_2048" => Some(KeyType::Rsa2048),
        "RSA_3072" => Some(KeyType::Rsa3072),
        "RSA_4096" => Some(KeyType::Rsa4096),
        _ => None,
    }
}

/// The name of an algorithm in KMS
/// ([SigningAlgorithm](https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html)).
fn kms_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EcdsaSha256 => "ECDSA_SHA_256",
        Algorithm::EcdsaSha384 => "ECDSA_SHA_384",
        Algorithm::EcdsaSha512 => "ECDSA_SHA_512",
        Algorithm::RsaPkcs1Sha256 => "RSASSA_PKCS1_V1_5_SHA_256",
        Algorithm::Ed25519 => "ED25519_SHA_512",
    }
}

/// Why KMS does not open a key, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key does not sign in the way that its type does here.
    #[error("the key does not sign with {wanted}")]
    Algorithm {
        /// What KMS calls the algorithm.
        wanted: &'static str,
    },
    /// Credentials, or the clock.
    #[error(transparent)]
    Common(aws::Error),
    /// The caller may not.
    #[error("{action} on `{resource}` in {region} was refused: {answer}")]
    Denied {
        /// `kms:GetPublicKey` or `kms:Sign`.
        action: &'static str,
        /// The key.
        resource: String,
        /// The region that was asked.
        region: String,
        /// What KMS said.
        answer: ErrorResponse,
    },
    /// The answer lacks something.
    #[error("KMS answered without {missing}")]
    Incomplete {
        /// What is not there.
        missing: &'static str,
    },
    /// There is no such key.
    #[error("KMS has no such key in the region {region}: {answer}")]
    NotFound {
        /// The region that was asked.
        region: String,
        /// What KMS said.
        answer: ErrorResponse,
    },
    /// The key is for encryption or key agreement, or is symmetric.
    #[error("the key does not sign: {answer}")]
    NotASigningKey {
        /// What KMS said.
        answer: ErrorResponse,
    },
    /// Nothing names a region.
    #[error("no region is named in which to ask KMS")]
    NoRegion,
    /// The answer is for another key.
    #[error("KMS answered for another key, `{}`", key.escape_debug())]
    OtherKey {
        /// The key that the answer names.
        key: String,
    },
    /// The public key is not of the type that KMS says.
    #[error("KMS calls the key {spec}, and its public key is {key_type}")]
    OtherType {
        /// KMS's key spec.
        spec: String,
        /// The public key's type.
        key_type: KeyType,
    },
    /// The public key cannot be read.
    #[error("KMS answered with a public key that cannot be used")]
    PublicKey {
        /// What is wrong with it.
        source: public::Error,
    },
    /// Between the two calls the alias was pointed at another key.
    #[error("the alias led to {from} at first, and to {to} when it signed")]
    Repointed {
        /// The key whose public half is known.
        from: String,
        /// The key that signed.
        to: String,
    },
    /// An error without a meaning of its own here.
    #[error("{action} failed: {answer}")]
    Service {
        /// The action.
        action: &'static str,
        /// What KMS said.
        answer: ErrorResponse,
    },
    /// The key is disabled, pending deletion or import, or its key store is not connected.
    #[error("the key cannot be used now: {answer}")]
    State {
        /// What KMS said.
        answer: ErrorResponse,
    },
    /// KMS could not be reached, or answered nothing that could be read.
    #[error("cannot reach KMS in {region}: {reason}")]
    Unreachable {
        /// The region.
        region: String,
        /// What failed.
        reason: Unreachable,
    },
    /// A key type that is not in the table.
    #[error("keys of the type {} are not supported", spec.escape_debug())]
    Unsupported {
        /// KMS's key spec.
        spec: String,
    },
    /// The key is for something else.
    #[error("the key is for {}, not for SIGN_VERIFY", usage.escape_debug())]
    Usage {
        /// KMS's key usage.
        usage: String,
    },
}
