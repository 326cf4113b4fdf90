//! AWS KMS: `GetPublicKey` and `Sign` (also as a dry run), and nothing else.
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::iam::{self, Decision};

use super::keys::{ALGORITHMS, Key};
use super::sigv4::Caller;
use super::{ACCOUNT, Refusal};

/// Keys by their ARN, and aliases by theirs.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) aliases: BTreeMap<String, String>,
}

impl Keys {
    /// The answer to `action`.
    pub(super) fn answer(
        &self,
        action: &str,
        body: &Value,
        caller: &Caller,
    ) -> Result<Value, Refusal> {
        match action {
            "GetPublicKey" => self.public_key(body, caller),
            "Sign" => self.sign(body, caller),
            other => Err(Refusal::new(
                "UnknownOperationException",
                format!("{other} is not served: signing does not need it"),
            )),
        }
    }

    fn public_key(&self, body: &Value, caller: &Caller) -> Result<Value, Refusal> {
        let key = self.allowed("kms:GetPublicKey", body, caller, &[])?;
        let Some(spki) = &key.spki else {
            return Err(Refusal::new(
                "UnsupportedOperationException",
                format!("{} is not an asymmetric key.", key.arn()),
            ));
        };
        key.usable()?;
        let (field, algorithms) = match key.usage.as_str() {
            "SIGN_VERIFY" => ("SigningAlgorithms", key.algorithms()),
            "ENCRYPT_DECRYPT" => (
                "EncryptionAlgorithms",
                ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"].as_slice(),
            ),
            _ => ("KeyAgreementAlgorithms", ["ECDH"].as_slice()),
        };
        Ok(json!({
            "CustomerMasterKeySpec": key.spec,
            "KeyId": key.arn(),
            "KeySpec": key.spec,
            "KeyUsage": key.usage,
            "PublicKey": STANDARD.encode(spki),
            field: algorithms,
        }))
    }

    fn sign(&self, body: &Value, caller: &Caller) -> Result<Value, Refusal> {
        let text = |field: &str| body[field].as_str();
        let algorithm = one_of("signingAlgorithm", text("SigningAlgorithm"), &ALGORITHMS)?;
        let kind = text("MessageType").unwrap_or("RAW");
        let kind = one_of("messageType", Some(kind), &["RAW", "DIGEST"])?;
        let message = STANDARD.decode(text("Message").unwrap_or_default());
        let message =
            message.map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
        if !(1..=4096).contains(&message.len()) {
            return Err(Refusal::constraint(
                "message",
                "Member must have length between 1 and 4096",
            ));
        }
        let context = [
            ("kms:SigningAlgorithm", algorithm),
            ("kms:MessageType", kind),
        ];
        let key = self.allowed("kms:Sign", body, caller, &context)?;
        key.usable()?;
        if key.usage != "SIGN_VERIFY" {
            return Err(Refusal::new(
                "InvalidKeyUsageException",
                format!(
                    "{} key usage is {} which is not valid for Sign.",
                    key.arn(),
                    key.usage
                ),
            ));
        }
        if !key.algorithms().contains(&algorithm) {
            return Err(Refusal::new(
                "InvalidKeyUsageException",
                format!(
                    "Algorithm {algorithm} and key spec {} are incompatible.",
                    key.spec
                ),
            ));
        }
        if body["DryRun"] == true {
            let message = "The request would have succeeded, but the DryRun option is set.";
            return Err(Refusal::new("DryRunOperationException", message));
        }
        let signature = key.signature(algorithm, kind == "RAW", &message)?;
        Ok(json!({
            "KeyId": key.arn(),
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": algorithm,
        }))
    }

    /// The key that is asked for, if `caller` may do `action` with it.
    fn allowed(
        &self,
        action: &str,
        body: &Value,
        caller: &Caller,
        context: &[(&str, &str)],
    ) -> Result<&Key, Refusal> {
        let name = body["KeyId"].as_str().unwrap_or_default();
        let (arn, alias) = full_name(name, &caller.region)?;
        let target = match &alias {
            None => Some(&arn),
            Some(_) => self.aliases.get(&arn),
        };
        let mut context = context.to_vec();
        context.extend(alias.as_deref().map(|alias| ("kms:RequestAlias", alias)));
        let Some(key) = target.and_then(|arn| self.keys.get(arn)) else {
            // A caller without permission does not learn that there is no key.
            if !caller.policy.allows(action, &arn, &context) {
                return Err(Refusal::new(
                    "AccessDeniedException",
                    format!(
                        "User: {} is not authorized to perform: {action} on this resource because \
                         the resource does not exist in this Region, no resource-based policies \
                         allow access, or a resource-based policy explicitly denies access",
                        caller.arn
                    ),
                ));
            }
            return Err(Refusal::new(
                "NotFoundException",
                match alias {
                    None => format!("Key '{arn}' does not exist"),
                    Some(_) => format!("Alias {arn} is not found."),
                },
            ));
        };
        match caller.policy.decide(action, &key.arn(), &context) {
            Decision::Allowed => Ok(key),
            decision => Err(Refusal::new(
                "AccessDeniedException",
                iam::refusal(&caller.arn, action, &key.arn(), decision),
            )),
        }
    }
}

/// The ARN that `name` stands for in `region`, and the alias that it is, if it is one.
fn full_name(name: &str, region: &str) -> Result<(String, Option<String>), Refusal> {
    let alias = |resource: &str| resource.starts_with("alias/").then(|| resource.to_owned());
    if name.starts_with("arn:") {
        let parts: Vec<_> = name.splitn(6, ':').collect();
        let ["arn", "aws", "kms", of, account, resource] = parts[..] else {
            return Err(Refusal::new(
                "InvalidArnException",
                format!("{name} is not a valid ARN"),
            ));
        };
        let known = resource.starts_with("key/") || resource.starts_with("alias/");
        if !known || account.is_empty() {
            return Err(Refusal::new(
                "InvalidArnException",
                format!("{name} is not a valid ARN"),
            ));
        }
        if of != region {
            return Err(Refusal::new(
                "NotFoundException",
                format!("Invalid arn {of}"),
            ));
        }
        return Ok((name.to_owned(), alias(resource)));
    }
    let is_id = name.len() == 36 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match alias(name) {
        Some(alias) => Ok((
            format!("arn:aws:kms:{region}:{ACCOUNT}:{alias}"),
            Some(alias),
        )),
        None if is_id => Ok((format!("arn:aws:kms:{region}:{ACCOUNT}:key/{name}"), None)),
        None => Err(Refusal::new(
            "NotFoundException",
            format!("Invalid keyId '{name}'"),
        )),
    }
}

fn one_of<'a>(field: &str, value: Option<&'a str>, known: &[&str]) -> Result<&'a str, Refusal> {
    match value {
        Some(value) if known.contains(&value) => Ok(value),
        _ => Err(Refusal::constraint(
            field,
            &format!("Member must satisfy enum value set: [{}]", known.join(", ")),
        )),
    }
}
