//! Errors of keys in AWS KMS, with their advice.

use s3lo_core::crypto::algorithm::KeyType;
use s3lo_core::crypto::public;
use s3lo_core::explain::{Explain, Fact};

use crate::aws;
use crate::aws::arn::Arn;
use crate::aws::denial::Denial;
use crate::aws::missing_statement::MissingStatement;
use crate::aws::response::ErrorResponse;
use crate::key::awskms::uri::{KmsKeyUri, is_key};
use crate::key::reference::KeyRef;
use crate::net::unreachable;
use crate::net::unreachable::{AWS_CLIENT_CERTIFICATE, AWS_TRUST, Unreachable};
use crate::option_name::option;
use crate::text::{printable, quoted};

/// Why a key in KMS does not open, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the key `{key}`")]
pub struct KeyError {
    /// The reference.
    pub key: KeyRef,
    /// The parsed reference.
    pub uri: KmsKeyUri,
    /// The reason.
    pub source: Box<Error>,
}

/// An error of KMS, or an unusable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key does not offer the signing algorithm of its type.
    #[error("the key does not sign with {wanted}")]
    Algorithm {
        /// KMS's name of the algorithm.
        wanted: &'static str,
    },
    /// An error of credentials or the clock.
    #[error(transparent)]
    Common(aws::Error),
    /// The caller has no permission.
    #[error("KMS in {region} refused {action} on `{resource}`")]
    Denied {
        /// `kms:GetPublicKey` or `kms:Sign`.
        action: &'static str,
        /// The key.
        resource: String,
        /// The region.
        region: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// The response lacks a field.
    #[error("KMS answered without {missing}")]
    Incomplete {
        /// The field.
        missing: &'static str,
    },
    /// There is no such key.
    #[error("KMS has no such key in {region}")]
    NotFound {
        /// The region.
        region: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// The key is for encryption or key agreement, or is symmetric.
    #[error("the key is not for signing")]
    NotASigningKey {
        /// The response.
        answer: ErrorResponse,
    },
    /// No region is set.
    #[error("no region is set for KMS")]
    NoRegion,
    /// The response is for another key.
    #[error("KMS answered for another key, `{}`", printable(key))]
    OtherKey {
        /// The key that the response names.
        key: String,
    },
    /// The public key is not of the type that KMS names.
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
        /// The reason.
        source: public::Error,
    },
    /// The alias was pointed at another key between the two calls.
    #[error("the alias was pointed at another key during the run")]
    Repointed {
        /// The key of the first call.
        from: String,
        /// The key that signed.
        to: String,
    },
    /// Any other error response.
    #[error("{action} failed")]
    Service {
        /// The action.
        action: &'static str,
        /// The response.
        answer: ErrorResponse,
    },
    /// The key is disabled, pending deletion or import, or its key store is not connected.
    #[error("KMS refuses the key in its current state")]
    State {
        /// The response.
        answer: ErrorResponse,
    },
    /// There was no readable response.
    #[error("cannot connect to KMS {}: {reason}", server.as_ref().map_or_else(|| format!("in {region}"), |url| format!("at {url}")))]
    Unreachable {
        /// The server that the key or the environment names.
        server: Option<String>,
        /// The region.
        region: String,
        /// The reason.
        reason: Unreachable,
    },
    /// The key type is not supported.
    #[error("keys of the type {} are not supported", printable(spec))]
    Unsupported {
        /// KMS's key spec.
        spec: String,
    },
    /// The key has another purpose.
    #[error("the key is for {}, not for SIGN_VERIFY", printable(usage))]
    Usage {
        /// KMS's key usage.
        usage: String,
    },
}

impl Error {
    /// The error response of KMS, if there was one.
    pub(crate) fn response(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Denied { answer, .. }
            | Self::NotASigningKey { answer }
            | Self::NotFound { answer, .. }
            | Self::Service { answer, .. }
            | Self::State { answer } => Some(answer),
            _ => None,
        }
    }
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        match &*self.source {
            Error::Algorithm { .. }
            | Error::NotASigningKey { .. }
            | Error::Unsupported { .. }
            | Error::Usage { .. } => "unsupported_key",
            Error::Common(error) => error.code(),
            Error::Denied { .. } => "access_denied",
            Error::NotFound { .. } => "key_not_found",
            Error::NoRegion => "no_region",
            Error::Incomplete { .. }
            | Error::OtherKey { .. }
            | Error::OtherType { .. }
            | Error::PublicKey { .. } => "signer_answered_nonsense",
            Error::Repointed { .. } => "alias_repointed",
            Error::Service { answer, .. } if answer.is_throttled() => "throttled",
            Error::Service { .. } => "service_error",
            Error::State { .. } => "key_unusable",
            Error::Unreachable { .. } => "unreachable",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match &*self.source {
            Error::Common(error) => error.facts(),
            Error::Repointed { from, to } => {
                vec![Fact::new("first", from), Fact::new("then", to)]
            }
            error => error
                .response()
                .map(ErrorResponse::facts)
                .unwrap_or_default(),
        }
    }

    fn help(&self) -> String {
        match &*self.source {
        Error::Algorithm { .. }
        | Error::NotASigningKey { .. }
        | Error::Unsupported { .. }
        | Error::Usage { .. } => "create a key that signs: `aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P256`\nECC_NIST_P384, ECC_NIST_P521, ECC_NIST_EDWARDS25519 and RSA_2048 to RSA_4096 work as well".to_owned(),
        Error::Common(error) => error.help(),
        Error::Denied { action, resource, answer, .. } => denied(action, resource, answer),
        Error::NotFound { region, .. } => not_found(&self.uri, region),
        Error::NoRegion => format!("give {region} or set AWS_REGION, or name the key by its ARN", region = option("region").with("REGION")),
        Error::Incomplete { .. }
        | Error::OtherKey { .. }
        | Error::OtherType { .. }
        | Error::PublicKey { .. } => {
            "check AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL and HTTPS_PROXY: KMS itself does not answer this way\nnothing was stored".to_owned()
        }
        Error::Repointed { .. } => "run it again to sign with the key that the alias names now\nnothing was stored".to_owned(),
        Error::Service { answer, .. } => match answer.status {
            _ if answer.is_throttled() => format!("sign fewer images at once with {concurrency}, or give it longer with {timeout}\nAWS raises the quota of cryptographic operations on asymmetric keys on request", timeout = option("timeout").with("10m"), concurrency = option("concurrency").with("8")),
            Some(500..) => "run it again later: KMS failed each time it was asked".to_owned(),
            _ if ["OptInRequired", "SubscriptionRequiredException"].contains(&answer.code()) => "enable the region for the account, or complete the account's registration; no policy is the reason".to_owned(),
            _ => "look the code up in the KMS API's list of errors, and quote the request ID to AWS".to_owned(),
        },
        Error::State { answer } => match answer.code() {
            "DisabledException" => format!("enable it if it was disabled by mistake: `aws kms enable-key {}`", named(answer)),
            _ if answer.says("deletion") => format!("if its deletion was a mistake, cancel it: `aws kms cancel-key-deletion {0}`, then `aws kms enable-key {0}`", named(answer)),
            _ if answer.says("import") => "import its key material, or sign with another key".to_owned(),
            _ => format!("look at its state: `aws kms describe-key {}`", named(answer)),
        },
        Error::Unreachable { reason, .. } => reason.help(&SETTINGS, || "check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_KMS\na closed network needs a VPC endpoint for KMS".to_owned()),
    }
    }
}

/// The settings of KMS.
const SETTINGS: unreachable::Settings<'_> = unreachable::Settings {
    trust: AWS_TRUST,
    address: "AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL",
    client_certificate: AWS_CLIENT_CERTIFICATE,
};

/// Advice for a key that does not exist.
fn not_found(uri: &KmsKeyUri, region: &str) -> String {
    let list = format!("`aws kms list-aliases --region {}`", quoted(region));
    match (uri.arn(), uri.id().starts_with("alias/")) {
        (Some(_), _) => format!("check the ARN; {list} lists the aliases"),
        (None, true) => format!(
            "check the name, and that it is in {region}: {list}\nname another region with {other}, and a key of another account by its ARN",
            other = option("region")
        ),
        (None, false) => format!(
            "check the ID, and that it is in {region}: {list}\nif it is an alias, write `awskms:///alias/{}`\nname another region with {other}, and a key of another account by its ARN",
            uri.id(),
            other = option("region")
        ),
    }
}

/// The arguments that name the key of a response.
fn named(answer: &ErrorResponse) -> String {
    let said = answer.message.as_deref().unwrap_or_default();
    match arn_in(said) {
        Some(arn) => format!("--region {} --key-id {arn}", arn.region),
        None => "--key-id KEY-ID".to_owned(),
    }
}

fn arn_in(text: &str) -> Option<Arn> {
    let words = text.split(|c: char| c.is_whitespace() || "'\"`".contains(c));
    let mut arns = words.filter_map(|word| word.trim_end_matches(['.', ',']).parse::<Arn>().ok());
    // The text of a server may end up in a shell, so only ARNs of keys count.
    arns.find(is_key)
}

/// The policy statement that is missing, by the ARN in KMS's message.
fn denied(action: &str, resource: &str, answer: &ErrorResponse) -> String {
    let said = answer.message.as_deref().unwrap_or_default();
    if let Some(help) = Denial::of(answer).help(action, "the key's own policy") {
        return help;
    }
    let known = resource.parse::<Arn>().ok();
    // The message names the key behind an alias; another one than the known key is not believed.
    let arn = known
        .clone()
        .filter(is_key)
        .or_else(|| arn_in(said))
        .or(known)
        .map(|arn| arn.to_string());
    let arn = arn.unwrap_or_else(|| "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID".to_owned());
    let both = match answer.says("does not exist") {
        true => "the key's own policy must allow the role, or its account, as well\n",
        false => "",
    };
    let statement = MissingStatement::on(action, arn).lines();
    format!("{both}add this statement to the role's policy:\n{statement}")
}
