//! What to do about a key in KMS.

use crate::aws::arn::Arn;
use crate::aws::response::ErrorResponse;
use crate::key::awskms::signer::Error;
use crate::key::awskms::uri;
use crate::key::{KeyRef, Source};
use crate::net::ca_bundle::untrusted_certificate_help;
use crate::net::unreachable::TlsFailure;
use crate::text::quoted;
use s3lo_core::explain::Explain;

impl Explain for uri::Error {
    fn code(&self) -> &'static str {
        "bad_key_reference"
    }

    fn help(&self) -> String {
        match self {
            Self::Slashes { instead } => format!("write `{instead}`"),
            Self::Arn { .. } => "write it as KMS prints it: `awskms:///arn:aws:kms:REGION:ACCOUNT:key/KEY-ID` or `awskms:///arn:aws:kms:REGION:ACCOUNT:alias/NAME`".to_owned(),
            Self::Host { .. } => "write `awskms:///alias/NAME`, or with a server for KMS alone `awskms://HOST:PORT/alias/NAME`".to_owned(),
            Self::Id { id } => {
                let name = id.trim_start_matches('/').trim_start_matches("alias/");
                let name = name.split('?').next().unwrap_or(name);
                let name = quoted(&format!("awskms:///alias/{name}"));
                format!("write `{name}` if it is an alias, or the key's ID or ARN")
            }
            Self::NoKey => "write `awskms:///alias/NAME`, or the key's ID or ARN behind the three slashes".to_owned(),
        }
    }
}

pub(crate) fn code(error: &Error) -> &'static str {
    match error {
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

pub(crate) fn help(key: &KeyRef, error: &Error) -> String {
    match error {
        Error::Algorithm { .. }
        | Error::NotASigningKey { .. }
        | Error::Unsupported { .. }
        | Error::Usage { .. } => "make a key that signs: `aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P256`; ECC_NIST_P384, ECC_NIST_P521, ECC_NIST_EDWARDS25519 and RSA_2048 to RSA_4096 do as well".to_owned(),
        Error::Common(error) => error.help(),
        Error::Denied { action, resource, answer, .. } => denied(action, resource, answer),
        Error::NotFound { region, .. } => not_found(key, region),
        Error::NoRegion => "give `--region REGION` or set AWS_REGION, or name the key by its ARN".to_owned(),
        Error::Incomplete { .. }
        | Error::OtherKey { .. }
        | Error::OtherType { .. }
        | Error::PublicKey { .. } => {
            "nothing was stored; check AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL and HTTPS_PROXY: KMS itself does not answer this way".to_owned()
        }
        Error::Repointed { .. } => "nothing was stored; run it again, and it is signed by the key that the alias leads to now".to_owned(),
        Error::Service { answer, .. } => match answer.status {
            _ if answer.is_throttled() => "give it longer with `--timeout`, sign fewer images at once with `--concurrency 8`, or ask AWS for a higher quota of cryptographic operations on asymmetric keys".to_owned(),
            Some(500..) => "KMS failed repeatedly; run it again later".to_owned(),
            _ => "look the code up in the KMS API's list of errors, and quote the request ID to AWS".to_owned(),
        },
        Error::State { answer } => match answer.code() {
            "DisabledException" => format!("enable it if it was disabled by mistake: `aws kms enable-key {}`", named(answer)),
            _ if answer.says("deletion") => format!("take the deletion back if it was a mistake: `aws kms cancel-key-deletion {0}`, then `aws kms enable-key {0}`", named(answer)),
            _ if answer.says("import") => "import its key material, or sign with another key".to_owned(),
            _ => format!("look at its state: `aws kms describe-key {}`", named(answer)),
        },
        Error::Unreachable { reason, .. } if reason.tls == Some(TlsFailure::UnknownIssuer) => untrusted_certificate_help(),
        Error::Unreachable { .. } => "check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_KMS; a closed network needs a VPC endpoint for KMS".to_owned(),
    }
}

/// Where to look for a key that is not there.
fn not_found(key: &KeyRef, region: &str) -> String {
    let Source::AwsKms(name) = key.source() else {
        return "check the key's name".to_owned();
    };
    let list = format!("`aws kms list-aliases --region {}`", quoted(region));
    match (name.arn(), name.id().starts_with("alias/")) {
        (Some(_), _) => format!("check the ARN; {list} shows the names that there are"),
        (None, true) => format!(
            "check the name, and that it is in {region}: {list}; name another region with `--region`, and a key of another account by its ARN"
        ),
        (None, false) => format!(
            "check the ID, and that it is in {region}: {list}; if it is an alias, write `awskms:///alias/{}`; name another region with `--region`, and a key of another account by its ARN",
            name.id()
        ),
    }
}

/// The arguments that name the key that KMS speaks of.
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
    // In the alphabet of keys: what a server says may end up in somebody's shell.
    arns.find(uri::is_key)
}

/// The statement that is missing. KMS itself says who asked, and for which key.
fn denied(action: &str, resource: &str, answer: &ErrorResponse) -> String {
    let said = answer.message.as_deref().unwrap_or_default();
    if answer.says("explicit deny") {
        return format!(
            "a policy denies {action} explicitly, which no other can allow: take it out, or sign with a role that it does not name"
        );
    }
    let known = resource.parse::<Arn>().ok().map(|arn| arn.to_string());
    let arn = arn_in(said).map(|arn| arn.to_string()).or(known);
    let arn = arn.unwrap_or_else(|| "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID".to_owned());
    let mut help = format!(
        r#"add to the role's policy: `{{"Effect": "Allow", "Action": "{action}", "Resource": "{arn}"}}`"#
    );
    if answer.says("resource-based policy") || answer.says("does not exist") {
        help.push_str("; the key's own policy must allow the role, or its account, too");
    }
    help
}
