//! Keys in AWS KMS: two calls, `GetPublicKey` and `Sign`; a rehearsal makes the second as a dry run.
//!
//! `DescribeKey` adds nothing to `GetPublicKey`, and would need another permission. Only the payload's digest is sent,
//! so KMS sees neither the image nor its name.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::operation::RequestId as _;
use aws_sdk_kms::operation::get_public_key::GetPublicKeyOutput;
use aws_sdk_kms::operation::sign::SignOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use s3lo_core::crypto::algorithm::{Algorithm, KeyType};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::text::clipped;

use crate::aws;
use crate::aws::account::check_allowed;
use crate::aws::arn::Arn;
use crate::aws::config::{Aws, configured_endpoint};
use crate::aws::error::Failure;
use crate::aws::policy::Statement;
use crate::aws::preconnect;
use crate::aws::retry::ClockCorrection;
use crate::key;
use crate::key::awskms::error::{Error, KeyError};
use crate::key::awskms::uri;
use crate::key::awskms::uri::KmsKeyUri;
use crate::key::reference::KeyRef;
use crate::key::signer::{Rehearsal, Signature, Signer};
use crate::net::calls;
use crate::net::calls::{Answer, Awaited};
use crate::net::retry::{Backoff, Retry, Throttle, TryError};
use crate::net::url;

/// A client of KMS for one key: in its region, and under its endpoint.
#[derive(Clone)]
pub struct Kms {
    aws: Aws,
    reference: KeyRef,
    uri: KmsKeyUri,
    client: Client,
    throttle: Throttle,
}

impl Kms {
    /// A client for the key `reference`, which has this URI.
    ///
    /// # Errors
    ///
    /// An account that is not allowed, or [`Error::NoRegion`] if neither the key nor anything else names a region.
    pub fn new(aws: &Aws, reference: &KeyRef, uri: &KmsKeyUri) -> Result<Self, KeyError> {
        let with_key = |source| KeyError {
            key: reference.clone(),
            uri: uri.clone(),
            source: Box::new(source),
        };
        // The account of an ARN is known before a request.
        if let Some(arn) = uri.arn() {
            let allowed = check_allowed(&aws.allowed_accounts, arn);
            allowed.map_err(|error| with_key(Error::Common(error)))?;
        }
        let config = config(&aws.config, aws, uri).ok_or_else(|| with_key(Error::NoRegion))?;
        Ok(Self {
            aws: aws.clone(),
            reference: reference.clone(),
            uri: uri.clone(),
            client: Client::from_conf(config.build()),
            throttle: Throttle::default(),
        })
    }

    /// Opens a connection, while the credentials are on their way.
    pub fn preconnect(&self) {
        if let Some(config) = config(&self.aws.anonymous, &self.aws, &self.uri) {
            preconnect::kms(config);
        }
    }

    /// Gets the public key, and makes a signer of it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if KMS refuses, or the key is not supported.
    pub async fn open_signer(self) -> Result<KmsSigner, KeyError> {
        match self.public_key().await {
            Ok((public, arn)) => Ok(KmsSigner {
                kms: self,
                public,
                arn,
            }),
            Err(error) => Err(self.with_key(error)),
        }
    }

    /// The IAM statement that lets `caller` sign, as far as the URI alone shows: an alias may lead to any key of its
    /// account, so it becomes a condition
    /// ([kms:RequestAlias](https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-request-alias)).
    pub(crate) fn statement(&self, caller: Option<&Arn>) -> Option<Statement> {
        let arn = self.uri.arn();
        let Arn {
            partition, account, ..
        } = arn.or(caller)?;
        // That of the ARN, if there is one.
        let place = format!("arn:{partition}:kms:{}:{account}", self.region());
        let resource = arn.map_or_else(|| self.uri.id(), |arn| arn.resource.as_str());
        let allow = |resource: String| Statement::allow(&TO_SIGN, vec![resource]);
        Some(if resource.starts_with("alias/") {
            allow(format!("{place}:key/*")).when("kms:RequestAlias", resource)
        } else {
            let id = resource.strip_prefix("key/").unwrap_or(resource);
            allow(format!("{place}:key/{id}"))
        })
    }

    async fn public_key(&self) -> Result<(PublicKey, Arn), Error> {
        let id = self.uri.id();
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
        let name = action.trim_start_matches("kms:");
        let backoff = backoff.of(calls::begin(Awaited::service("KMS", name)));
        let mut retry = KmsRetry {
            inconsistent: MAX_INCONSISTENT,
            fresh_session: self.aws.assumes_a_role(),
            clock: ClockCorrection::default(),
        };
        let attempt = || {
            let sent = call();
            async move { sent.await.map_err(|error| self.failed(action, key, &error)) }
        };
        backoff.run(attempt, |error| retry.classify(error)).await
    }

    /// The key of a response, if it may be the requested one.
    fn answered_for(&self, id: Option<&str>) -> Result<Arn, Error> {
        let id = require_field(id, "KeyId")?;
        let other = || Error::OtherKey { key: clipped(id) };
        let arn: Arn = id.parse().map_err(|_| other())?;
        if self.uri.may_be(&arn) && uri::is_key(&arn) {
            Ok(arn)
        } else {
            Err(other())
        }
    }

    fn region(&self) -> String {
        let region = self.client.config().region();
        region.map(ToString::to_string).unwrap_or_default()
    }

    fn with_key(&self, error: Error) -> KeyError {
        KeyError {
            key: self.reference.clone(),
            uri: self.uri.clone(),
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
                let named = self.uri.endpoint().map(str::to_owned);
                let named = named.or_else(|| configured_endpoint(&self.aws.config, "KMS"));
                let url = named.and_then(|url| url::parse(&url));
                return Error::Unreachable {
                    server: url.map(|url| url.origin().ascii_serialization()),
                    region: self.region(),
                    reason,
                };
            }
            Failure::Denied(answer) if answer.is_access_denied() => {
                return Error::Denied {
                    action,
                    resource: key.to_owned(),
                    region: self.region(),
                    answer,
                };
            }
            Failure::Denied(answer) | Failure::Refused(answer) => answer,
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

/// The client's configuration, if the key, an option or the environment names a region.
fn config(
    shared: &aws_config::SdkConfig,
    aws: &Aws,
    uri: &KmsKeyUri,
) -> Option<aws_sdk_kms::config::Builder> {
    let of_key = uri.arn().map(|arn| arn.region.clone());
    let region = of_key.or_else(|| aws.named_region.clone())?;
    let config =
        aws_sdk_kms::config::Builder::from(shared).region(aws_sdk_kms::config::Region::new(region));
    Some(match uri.endpoint() {
        Some(endpoint) => config.endpoint_url(endpoint),
        None => config,
    })
}

/// A field of a response, which must not be missing or empty.
fn require_field<'a>(field: Option<&'a str>, name: &'static str) -> Result<&'a str, Error> {
    let present = field.filter(|text| !text.is_empty());
    present.ok_or(Error::Incomplete { missing: name })
}

/// The public key of a response, checked against the table of key types.
fn public_key(output: &GetPublicKeyOutput) -> Result<PublicKey, Error> {
    let usage = require_field(output.key_usage().map(KeyUsageType::as_str), "KeyUsage")?;
    if usage != KeyUsageType::SignVerify.as_str() {
        return Err(Error::Usage {
            usage: clipped(usage),
        });
    }
    let spec = require_field(output.key_spec().map(|spec| spec.as_str()), "KeySpec")?;
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

/// A key in KMS whose public half is known.
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

    async fn sign(&self, payload: &[u8]) -> Result<Signature, key::error::Error> {
        let signed = self.ask(payload).await;
        signed.map_err(|error| key::error::Error::new(self.kms.with_key(error)))
    }

    /// Asks KMS for a dry run, which it answers with an error where it would sign
    /// ([testing permissions](https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html)).
    async fn rehearse(&self) -> Result<Rehearsal, key::error::Error> {
        match self.send(NO_PAYLOAD, true).await {
            // KMS answers with an error that means success.
            Ok(_) => Ok(Rehearsal::Unknown(
                "the server does not know DryRun, and may have signed a test message, which is no payload".to_owned(),
            )),
            Err(Error::Service { answer, .. }) if answer.code() == "DryRunOperationException" => {
                Ok(Rehearsal::Allowed)
            }
            Err(error) => Err(key::error::Error::new(self.kms.with_key(error))),
        }
    }

    fn statement(&self) -> Option<Statement> {
        Some(Statement::allow(&TO_SIGN, vec![self.arn.to_string()]))
    }
}

/// The actions that a signature takes.
const TO_SIGN: [&str; 2] = ["kms:GetPublicKey", "kms:Sign"];

/// The message of a rehearsal: no payload of an image, so that a signature of it would prove nothing.
const NO_PAYLOAD: &[u8] = b"s3lo asks whether it may sign";

impl KmsSigner {
    async fn send(&self, payload: &[u8], dry_run: bool) -> Result<SignOutput, Error> {
        let algorithm = self.public.key_type().algorithm();
        // A digest must be declared as one, or KMS hashes it again.
        let (kind, message) = match algorithm.hash() {
            Some(hash) => (MessageType::Digest, hash.digest(payload)),
            None => (MessageType::Raw, payload.to_vec()),
        };
        let call = || {
            let sign = self.kms.client.sign().key_id(self.kms.uri.id());
            sign.message_type(kind.clone())
                .message(Blob::new(message.clone()))
                .signing_algorithm(SigningAlgorithmSpec::from(kms_name(algorithm)))
                .set_dry_run(dry_run.then_some(true))
                .send()
        };
        self.kms.call("kms:Sign", self.arn.as_str(), call).await
    }

    async fn ask(&self, payload: &[u8]) -> Result<Signature, Error> {
        let output = self.send(payload, false).await?;
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

impl TryError for Error {
    fn answer(&self) -> Answer {
        match (self, self.response()) {
            (_, Some(answer)) => Answer::Was(answer.in_short()),
            (Self::Common(error), None) => error.answer(),
            (Self::Unreachable { reason, .. }, None) => Answer::none(reason.to_string()),
            (error, None) => Answer::none(error.to_string()),
        }
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
    clock: ClockCorrection,
}

impl KmsRetry {
    fn classify(&mut self, error: &Error) -> Retry {
        let may_be_new = match error {
            Error::Unreachable { reason, .. } if reason.is_permanent() => return Retry::No,
            Error::Unreachable { .. } => return Retry::Transient,
            Error::Service { answer, .. } if answer.is_throttled() => return Retry::Throttled,
            Error::Service { answer, .. } if answer.is_transient() => return Retry::Transient,
            Error::Common(
                aws::Error::ClockSkewed { answer, .. } | aws::Error::Credentials { answer, .. },
            ) if self.clock.is_worth_a_try(answer) => return Retry::Transient,
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
