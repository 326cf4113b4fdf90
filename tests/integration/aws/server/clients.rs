//! The SDK's clients of KMS and STS, as short as the tests of the server want them.

use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Region};
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::operation::get_public_key::GetPublicKeyOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{PAYLOAD, SUBJECT};
use s3lo_test_servers::aws::{ACCOUNT, AUDIENCE, AwsServer, Credentials, REGION};

/// The SDK's clients with one set of credentials, and a thread to run them on.
pub(super) struct Client {
    pub(super) runtime: Runtime,
    pub(super) kms: aws_sdk_kms::Client,
    pub(super) sts: aws_sdk_sts::Client,
}

/// The outcome of a call: its answer, or the code, the message and the request's ID.
pub(super) type Outcome<T> = Result<T, (String, String, String)>;

impl Client {
    pub(super) fn new(server: &AwsServer, credentials: &Credentials) -> Self {
        Self::in_region(server, credentials, REGION)
    }

    pub(super) fn in_region(server: &AwsServer, credentials: &Credentials, region: &str) -> Self {
        let credentials = aws_credential_types::Credentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "test",
        );
        let trust = match server.endpoint.starts_with("https:") {
            true => TrustStore::empty().with_pem_certificate(server.ca_pem()),
            false => TrustStore::empty(),
        };
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(
                TlsContext::builder()
                    .with_trust_store(trust)
                    .build()
                    .unwrap(),
            )
            .build_https();
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&server.endpoint)
            .credentials_provider(credentials.clone())
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled());
        let sts = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&server.endpoint)
            .credentials_provider(credentials)
            .http_client(http)
            .retry_config(RetryConfig::disabled());
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            kms: aws_sdk_kms::Client::from_conf(kms.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        }
    }

    pub(super) fn public_key(&self, key: &str) -> Outcome<GetPublicKeyOutput> {
        let answer = self
            .runtime
            .block_on(self.kms.get_public_key().key_id(key).send());
        answer.map_err(refusal)
    }

    pub(super) fn sign(
        &self,
        key: &str,
        algorithm: &str,
        kind: MessageType,
        message: &[u8],
    ) -> Outcome<Vec<u8>> {
        let call = self
            .kms
            .sign()
            .key_id(key)
            .signing_algorithm(SigningAlgorithmSpec::from(algorithm))
            .message_type(kind)
            .message(Blob::new(message));
        let answer = self.runtime.block_on(call.send()).map_err(refusal)?;
        assert_eq!(answer.signing_algorithm().unwrap().as_str(), algorithm);
        Ok(answer.signature().unwrap().clone().into_inner())
    }

    pub(super) fn sign_raw(&self, key: &str) -> Outcome<Vec<u8>> {
        self.sign(key, "ECDSA_SHA_256", MessageType::Raw, PAYLOAD)
    }

    pub(super) fn identity(&self) -> Outcome<String> {
        let answer = self.runtime.block_on(self.sts.get_caller_identity().send());
        Ok(answer.map_err(refusal)?.arn().unwrap().to_owned())
    }

    pub(super) fn assume(&self, role: &str, token: &str) -> Outcome<Credentials> {
        self.assume_for(role, token, "s3lo-42", 900)
    }

    pub(super) fn assume_for(
        &self,
        role: &str,
        token: &str,
        session: &str,
        seconds: i32,
    ) -> Outcome<Credentials> {
        let call = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(role)
            .role_session_name(session)
            .web_identity_token(token)
            .duration_seconds(seconds);
        let answer = self.runtime.block_on(call.send()).map_err(refusal)?;
        let user = answer.assumed_role_user().unwrap();
        assert_eq!(
            user.arn(),
            format!("arn:aws:sts::{ACCOUNT}:assumed-role/signer/{session}")
        );
        assert!(user.assumed_role_id().ends_with(&format!(":{session}")));
        assert_eq!(answer.subject_from_web_identity_token(), Some(SUBJECT));
        assert_eq!(answer.audience(), Some(AUDIENCE));
        let provider = answer.provider().unwrap();
        assert!(provider.starts_with("arn:aws:iam::111122223333:oidc-provider/"));
        let given = answer.credentials().unwrap();
        assert!(given.access_key_id().starts_with("ASIA"));
        assert!(given.expiration().secs() > 0);
        Ok(Credentials {
            access_key_id: given.access_key_id().to_owned(),
            secret_access_key: given.secret_access_key().to_owned(),
            session_token: Some(given.session_token().to_owned()),
        })
    }
}

pub(super) fn refusal<E, R>(error: SdkError<E, R>) -> (String, String, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    SdkError<E, R>: RequestId,
    R: std::fmt::Debug,
{
    let whole = DisplayErrorContext(&error).to_string();
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let message = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::message);
    (
        code.unwrap_or_default().to_owned(),
        message.unwrap_or(&whole).to_owned(),
        error.request_id().unwrap_or_default().to_owned(),
    )
}

/// Asserts that a call was refused; the message.
#[track_caller]
pub(super) fn refused<T>(outcome: Outcome<T>, code: &str) -> String {
    let Err((found, message, _)) = outcome else {
        panic!("{code} was due, and it was answered");
    };
    assert_eq!(found, code, "{message}");
    message
}

/// Sends a request by hand; the status and the body.
pub(super) fn get(server: &AwsServer, target: &str, authorization: &str) -> (u16, Value) {
    use std::io::{Read as _, Write as _};
    let address = server.endpoint.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nauthorization: {authorization}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}
