//! AWS STS: `AssumeRoleWithWebIdentity` and `GetCallerIdentity`, with the identity providers and roles
//! of one account.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::http::escaped;
use crate::iam::{Policy, matches};
use crate::vectors;

use super::sigv4::{Caller, Credentials, Issued};
use super::{ACCOUNT, AwsServer, GITHUB, REQUEST_ID, Refusal, hex, now, random, uuid};

/// An issuer of identity tokens.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    /// The key's ID in the tokens.
    kid: String,
    key: Arc<TokenKey>,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug)]
pub enum TokenAlgorithm {
    Rs256,
    Es256,
}

enum TokenKey {
    Rs256(rsa::KeyPair),
    Es256(EcdsaKeyPair),
}

/// The subjects that a role trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    pub issuer: String,
    pub audience: String,
    pub subject: Subject,
}

/// The condition on `sub`.
#[derive(Clone, Debug)]
pub enum Subject {
    /// `StringEquals`.
    Equals(String),
    /// `StringLike`.
    Like(String),
}

impl Issuer {
    /// One with a key of its own.
    pub fn new(url: &str, algorithm: TokenAlgorithm) -> Self {
        let key = match algorithm {
            TokenAlgorithm::Rs256 => {
                TokenKey::Rs256(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap())
            }
            TokenAlgorithm::Es256 => {
                TokenKey::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
            }
        };
        Self::with_key(url, key)
    }

    /// GitHub's, with a key of the vectors: making one of RSA takes longer than most tests.
    pub fn github() -> Self {
        let pem = std::fs::read(vectors().join("plain-keys/rsa2048-pkcs8.key")).unwrap();
        let pair = rsa::KeyPair::from_pkcs8(pem::parse(pem).unwrap().contents()).unwrap();
        Self::with_key(GITHUB, TokenKey::Rs256(pair))
    }

    fn with_key(url: &str, key: TokenKey) -> Self {
        Self {
            url: url.to_owned(),
            kid: uuid(),
            key: Arc::new(key),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The public key of its tokens, as PEM.
    pub fn public_key(&self) -> String {
        let spki = match &*self.key {
            TokenKey::Rs256(pair) => pair.public_key().as_der(),
            TokenKey::Es256(pair) => pair.public_key().as_der(),
        };
        pem::encode(&pem::Pem::new("PUBLIC KEY", spki.unwrap().as_ref()))
    }

    /// A token of the usual claims; one with a `lifetime` below zero has expired.
    pub fn identity_token(&self, sub: &str, aud: &str, lifetime: i64) -> String {
        let now = now();
        self.token(&json!({
            "iss": self.url,
            "sub": sub,
            "aud": aud,
            "jti": uuid(),
            "nbf": now - 600,
            "iat": now,
            "exp": now.saturating_add_signed(lifetime),
        }))
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        let alg = self.key.name();
        let header = json!({"typ": "JWT", "alg": alg, "kid": self.kid});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

impl TokenKey {
    fn name(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256(pair) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
                    .verify(message, signature)
            }
            Self::Es256(pair) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())
                    .verify(message, signature)
            }
        }
        .is_ok()
    }
}

/// The identity providers and roles of the account.
#[derive(Default)]
pub(super) struct Roles {
    /// With the audiences that are registered, by the issuer's URL.
    pub(super) providers: BTreeMap<String, (Issuer, Vec<String>)>,
    /// By ARN.
    pub(super) roles: BTreeMap<String, (Trust, Policy)>,
    /// By ARN: roles that a user or role of the account may assume.
    pub(super) chained: BTreeMap<String, Chained>,
}

/// A role that credentials may assume.
pub(super) struct Chained {
    /// The name of the user or role that is trusted.
    pub(super) trusted: String,
    pub(super) external_id: Option<String>,
    pub(super) policy: Policy,
}

impl Roles {
    /// Answers with credentials, which the caller of this remembers.
    pub(super) fn assume(&self, form: &Value) -> Result<(Issued, String), Refusal> {
        let field = |name: &str| form[name].as_str().unwrap_or_default();
        let (arn, session) = (field("RoleArn"), field("RoleSessionName"));
        if arn.len() < 20 {
            return Err(Refusal::constraint(
                "roleArn",
                "Member must have length greater than or equal to 20",
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session.len()) || !session.chars().all(allowed) {
            return Err(Refusal::constraint(
                "roleSessionName",
                "Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}",
            ));
        }
        let seconds: u64 = match form["DurationSeconds"].as_str() {
            None => 3600,
            Some(text) => text.parse().unwrap_or_default(),
        };
        if !(900..=43200).contains(&seconds) {
            return Err(Refusal::constraint(
                "durationSeconds",
                "Member must have value between 900 and 43200",
            ));
        }
        let claims = self.claims(field("WebIdentityToken"))?;
        let claim = |name: &str| claims[name].as_str().unwrap_or_default();
        let denied = || {
            Refusal::new(
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            )
        };
        let (trust, policy) = self.roles.get(arn).ok_or_else(denied)?;
        let subject = match &trust.subject {
            Subject::Equals(wanted) => wanted == claim("sub"),
            Subject::Like(pattern) => matches(pattern, claim("sub")),
        };
        if trust.issuer != claim("iss") || trust.audience != claim("aud") || !subject {
            return Err(denied());
        }
        if seconds > 3600 {
            return Err(Refusal::new(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let (issued, session) = give(arn, session, seconds, policy);
        let host = claim("iss").trim_start_matches("https://");
        let mut fields = vec![
            ("SubjectFromWebIdentityToken", claim("sub").to_owned()),
            ("Audience", claim("aud").to_owned()),
            (
                "Provider",
                format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"),
            ),
        ];
        fields.extend(session);
        Ok((issued, xml("AssumeRoleWithWebIdentity", &fields)))
    }

    /// Answers AssumeRole.
    pub(super) fn assume_by(
        &self,
        caller: &Caller,
        form: &Value,
    ) -> Result<(Issued, String), Refusal> {
        let field = |name: &str| form[name].as_str().unwrap_or_default();
        let arn = field("RoleArn");
        let denied = || {
            let user = &caller.arn;
            let message = format!(
                "User: {user} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            );
            Refusal::new("AccessDenied", message)
        };
        let role = self.chained.get(arn).ok_or_else(denied)?;
        let external_id = form["ExternalId"].as_str().map(str::to_owned);
        let trusted = caller.arn.split('/').nth(1) == Some(&role.trusted);
        if !trusted || (role.external_id.is_some() && role.external_id != external_id) {
            return Err(denied());
        }
        let seconds = field("DurationSeconds").parse().unwrap_or(3600);
        let (issued, fields) = give(arn, field("RoleSessionName"), seconds, &role.policy);
        Ok((issued, xml("AssumeRole", &fields)))
    }

    /// The claims of a token that a provider of the account signed.
    fn claims(&self, token: &str) -> Result<Value, Refusal> {
        let invalid = |message: &str| Refusal::new("InvalidIdentityToken", message);
        let malformed = || {
            invalid(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an \
                 Access Token)",
            )
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let json = |part: &str| -> Result<Value, Refusal> {
            serde_json::from_slice(&decoded(part)?).map_err(|_| malformed())
        };
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(malformed());
        };
        let signed = format!("{header}.{claims}");
        let (header, claims, signature) = (json(header)?, json(claims)?, decoded(signature)?);
        let (Some(issuer), Some(expires)) = (claims["iss"].as_str(), claims["exp"].as_u64()) else {
            return Err(malformed());
        };
        let Some((provider, audiences)) = self.providers.get(issuer) else {
            return Err(invalid(&format!(
                "No OpenIDConnect provider found in your account for {issuer}"
            )));
        };
        if header["kid"] != provider.kid || header["alg"] != provider.key.name() {
            return Err(invalid(
                "Couldn't retrieve verification key from your identity provider, please reference \
                 AssumeRoleWithWebIdentity documentation for requirements",
            ));
        }
        if !provider.key.verifies(signed.as_bytes(), &signature) {
            return Err(invalid("Token signature invalid"));
        }
        if !audiences.iter().any(|known| claims["aud"] == **known) {
            return Err(invalid("Incorrect token audience"));
        }
        if expires <= now() {
            return Err(Refusal::new(
                "ExpiredTokenException",
                format!(
                    "Token expired: current date/time {} must be before the expiration date/time \
                     {expires}",
                    now()
                ),
            ));
        }
        Ok(claims)
    }
}

impl AwsServer {
    /// Every secret that was given out: keys and session tokens.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let issued = state.issued.values().map(|issued| &issued.credentials);
        let both = issued.flat_map(|one| {
            [
                Some(one.secret_access_key.clone()),
                one.session_token.clone(),
            ]
        });
        both.flatten().collect()
    }

    /// Credentials of a session, as an instance or a login gives them; they do not expire.
    pub fn session(&self, name: &str, policy: &str) -> Credentials {
        let id = self.user(name, policy).access_key_id;
        let mut state = self.state.lock().unwrap();
        let issued = state.issued.get_mut(&id).unwrap();
        issued.credentials.session_token = Some(session_token());
        issued.credentials.clone()
    }

    /// Registers one more audience with GitHub's provider.
    pub fn register_audience(&self, audience: &str) {
        let mut state = self.state.lock().unwrap();
        let (_, audiences) = state.roles.providers.get_mut(GITHUB).unwrap();
        audiences.push(audience.to_owned());
    }

    /// Removes GitHub's provider from the account.
    pub fn forget_github(&self) {
        self.state.lock().unwrap().roles.providers.remove(GITHUB);
    }
}

/// Credentials of a session, and the fields of the answer that holds them.
fn give(
    arn: &str,
    session: &str,
    seconds: u64,
    policy: &Policy,
) -> (Issued, Vec<(&'static str, String)>) {
    let role = arn.rsplit('/').next().unwrap_or_default();
    let user_id = format!("AROA{}:{session}", letters());
    let caller = Caller {
        arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
        user_id: user_id.clone(),
        policy: policy.clone(),
        region: String::new(),
    };
    let credentials = Credentials {
        access_key_id: format!("ASIA{}", letters()),
        secret_access_key: STANDARD.encode(random(30)),
        session_token: Some(session_token()),
    };
    let expires = now() + seconds;
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(expires).unwrap()).unwrap();
    let token = credentials.session_token.clone().unwrap_or_default();
    let fields = vec![
        ("AssumedRoleUser/Arn", caller.arn.clone()),
        ("AssumedRoleUser/AssumedRoleId", user_id),
        ("Credentials/AccessKeyId", credentials.access_key_id.clone()),
        (
            "Credentials/SecretAccessKey",
            credentials.secret_access_key.clone(),
        ),
        ("Credentials/SessionToken", token),
        ("Credentials/Expiration", at.format(&Rfc3339).unwrap()),
    ];
    let issued = Issued {
        credentials,
        caller,
        expires: Some(expires),
    };
    (issued, fields)
}

/// The answer to GetCallerIdentity.
pub(super) fn identity(caller: &Caller) -> String {
    xml(
        "GetCallerIdentity",
        &[
            ("Arn", caller.arn.clone()),
            ("UserId", caller.user_id.clone()),
            ("Account", ACCOUNT.to_owned()),
        ],
    )
}

/// An answer of `action`; fields of one structure stand together, under `Structure/Field`.
fn xml(action: &str, fields: &[(&str, String)]) -> String {
    let mut result = String::new();
    let mut open = None;
    for (name, value) in fields {
        let (structure, name) = match name.split_once('/') {
            Some((structure, name)) => (Some(structure), name),
            None => (None, *name),
        };
        if structure != open {
            result.extend(open.map(|open| format!("</{open}>")));
            result.extend(structure.map(|new| format!("<{new}>")));
            open = structure;
        }
        result.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
    }
    result.extend(open.map(|open| format!("</{open}>")));
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\
         </{action}Response>"
    )
}

/// The end of an ID as IAM gives them.
fn letters() -> String {
    hex(&random(8)).to_uppercase()
}

/// A token as AWS makes them: all of a region begin alike.
fn session_token() -> String {
    format!(
        "IQoJb3JpZ2luX2VjEHoaCXVzLWVhc3QtMSJH{}",
        STANDARD.encode(random(300))
    )
}
