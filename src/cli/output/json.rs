//! Results as JSON: fields in the order of the specification, two spaces of indent.

use std::io::{self, Write};

use s3lo_core::policy::decision::Decision;
use s3lo_core::verdict::Verdict;
use serde::{Serialize, Serializer};

use crate::diagnostic::{Diagnostic, Fact};
use crate::image::Image;
use crate::key::reference::KeyRef;
use crate::policy::PolicyFile;
use crate::sign::{Signed, Status};
use crate::text::inert_json;
use crate::verify::{KeyOutcome, KeyResult, Outcome, Rejection, RequirementOutcome, RuleOutcome};
use crate::{sign, verify};

/// Writes `value` and a newline.
pub(crate) fn write(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let document = inert_json(&serde_json::to_string_pretty(value)?);
    writeln!(out, "{document}")
}

/// `{"error": {…}}`
#[derive(Serialize)]
pub(crate) struct Failed {
    error: ErrorFields,
}

#[derive(Serialize)]
pub(crate) struct ErrorFields {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    facts: Vec<Fact>,
    help: String,
    docs: String,
}

/// An object of the facts, in their order.
pub(crate) fn as_object<S: Serializer>(facts: &[Fact], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(facts.iter().map(|fact| (fact.name, &fact.value)))
}

impl From<Diagnostic> for ErrorFields {
    fn from(diagnostic: Diagnostic) -> Self {
        let docs = diagnostic.docs();
        let Diagnostic {
            code,
            message,
            facts,
            help,
        } = diagnostic;
        Self {
            code,
            message,
            facts,
            help,
            docs,
        }
    }
}

impl From<Diagnostic> for Failed {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            error: diagnostic.into(),
        }
    }
}

/// One object, or an array of them.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Results<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Results<T> {
    pub(crate) fn new(mut elements: Vec<T>, several: bool) -> Self {
        match elements.pop() {
            Some(only) if !several && elements.is_empty() => Self::One(only),
            last => {
                elements.extend(last);
                Self::Several(elements)
            }
        }
    }
}

/// One image signed by one key, or the error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignElement {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(flatten)]
    result: SignResult,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SignResult {
    #[serde(rename_all = "camelCase")]
    Signed {
        digest: String,
        #[serde(rename = "keyID")]
        key_id: String,
        key_ref: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        signed_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stored_path: Option<String>,
        /// In a dry run: the place of the record, whether there is one or not.
        #[serde(skip_serializing_if = "Option::is_none")]
        record_path: Option<String>,
        status: &'static str,
        schema_version: u64,
        #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Failed {
        #[serde(skip_serializing_if = "Option::is_none")]
        key_ref: Option<String>,
        error: ErrorFields,
    },
}

impl SignElement {
    pub(crate) fn new(
        image: &Image,
        key: &KeyRef,
        result: &Result<Signed, sign::Error>,
        several: bool,
    ) -> Self {
        let key_ref = key.as_str().to_owned();
        let path = |signed: &Signed| Some(signed.stored_path.clone());
        Self {
            reference: several.then(|| image.reference.to_string()),
            result: match result {
                Ok(signed) => SignResult::Signed {
                    digest: signed.digest.to_string(),
                    key_id: signed.key_id.to_string(),
                    key_ref,
                    signed_at: signed.signed_at.map(|time| time.to_string()),
                    stored_path: path(signed).filter(|_| !signed.status.is_dry_run()),
                    record_path: path(signed).filter(|_| signed.status.is_dry_run()),
                    status: match signed.status {
                        Status::Kept => "kept",
                        Status::Signed => "signed",
                        Status::WouldKeep => "would_keep",
                        Status::WouldSign => "would_sign",
                    },
                    schema_version: signed.schema.version(),
                    request_id: signed.request_id.clone(),
                },
                Err(error) => SignResult::Failed {
                    key_ref: several.then_some(key_ref),
                    error: Diagnostic::new(error).into(),
                },
            },
        }
    }
}

/// The outcome of one image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifyElement {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(flatten)]
    result: VerifyResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Vec<VerifyResult>>,
    #[serde(flatten)]
    policy: Option<ByPolicy>,
}

/// The policy that decided.
#[derive(Serialize)]
struct ByPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<Vec<RequirementFields>>,
    policy: PolicyFields,
}

#[derive(Serialize)]
struct RuleFields {
    pattern: String,
    line: usize,
}

#[derive(Serialize)]
struct RequirementFields {
    requires: String,
    satisfied: bool,
    by: Vec<String>,
}

#[derive(Serialize)]
struct PolicyFields {
    path: String,
    sha256: String,
}

impl ByPolicy {
    fn new(policy: &PolicyFile, rule: Option<&RuleOutcome>) -> Self {
        let requirement = |requirement: &RequirementOutcome| RequirementFields {
            requires: requirement.requires.clone(),
            satisfied: requirement.decision == Decision::Verified,
            by: requirement.by.clone(),
        };
        Self {
            rule: rule.map(|rule| RuleFields {
                pattern: rule.pattern.clone(),
                line: rule.line,
            }),
            requirements: rule.map(|rule| rule.requirements.iter().map(requirement).collect()),
            policy: PolicyFields {
                path: policy.path.clone(),
                sha256: policy.digest.hex(),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum VerifyResult {
    #[serde(rename_all = "camelCase")]
    Judged {
        verified: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key_ref: Option<String>,
        #[serde(rename = "keyID", skip_serializing_if = "Option::is_none")]
        key_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signed_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        schema_version: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        looked_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        records_beside: Option<Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Failed {
        #[serde(skip_serializing_if = "Option::is_none")]
        key_ref: Option<String>,
        error: ErrorFields,
    },
}

impl VerifyElement {
    pub(crate) fn new(
        image: &Image,
        result: &Result<Outcome, verify::Error>,
        policy: Option<&PolicyFile>,
        several: bool,
    ) -> Self {
        let outcome = result.as_ref();
        Self {
            reference: several.then(|| image.reference.to_string()),
            result: match outcome {
                Ok(outcome) => VerifyResult::of_image(image, outcome),
                Err(error) => VerifyResult::failed(None, error),
            },
            signatures: outcome
                .ok()
                .filter(|outcome| outcome.keys.len() > 1)
                .map(|outcome| outcome.keys.iter().map(VerifyResult::of_key).collect()),
            policy: policy.map(|policy| {
                let rule = outcome.ok().and_then(|outcome| outcome.rule.as_ref());
                ByPolicy::new(policy, rule)
            }),
        }
    }
}

impl VerifyResult {
    fn of_image(image: &Image, outcome: &Outcome) -> Self {
        let verified = outcome.decision == Decision::Verified;
        if outcome.decision == Decision::Undecided
            && let Some(error) = outcome.first_error()
        {
            return Self::failed(None, error);
        }
        let shown = if verified {
            outcome.first_valid()
        } else {
            outcome.first_rejected()
        };
        let (key_ref, key) = match shown {
            Some((key_ref, key)) => (Some(key_ref), Some(key)),
            None => (outcome.keys.first().map(|result| &result.key), None),
        };
        let rejection = (!verified).then(|| Rejection::new(&image.reference, outcome));
        Self::judged(
            verified,
            rejection
                .as_ref()
                .map(|rejection| rejection.reason.to_string()),
            outcome.digest.map(|digest| digest.to_string()),
            key_ref,
            key,
        )
        .explained(rejection)
    }

    /// Adds what explains a rejection.
    fn explained(mut self, rejection: Option<Rejection>) -> Self {
        if let (
            Self::Judged {
                looked_at,
                records_beside,
                help,
                ..
            },
            Some(rejection),
        ) = (&mut self, rejection)
        {
            *looked_at = rejection.looked_at;
            *records_beside = rejection.beside;
            *help = Some(rejection.help);
        }
        self
    }

    fn of_key(
        KeyResult {
            key: key_ref,
            outcome,
        }: &KeyResult,
    ) -> Self {
        match outcome {
            Err(error) => Self::failed(Some(key_ref), error),
            Ok(key) => match &key.verdict {
                Verdict::Verified(_) => Self::judged(true, None, None, Some(key_ref), Some(key)),
                Verdict::Rejected(reason) => Self::judged(
                    false,
                    Some(reason.to_string()),
                    None,
                    Some(key_ref),
                    Some(key),
                ),
            },
        }
    }

    fn judged(
        verified: bool,
        reason: Option<String>,
        digest: Option<String>,
        key_ref: Option<&KeyRef>,
        key: Option<&KeyOutcome>,
    ) -> Self {
        let valid = key.and_then(|key| match &key.verdict {
            Verdict::Verified(valid) => Some(valid),
            Verdict::Rejected(_) => None,
        });
        Self::Judged {
            verified,
            reason,
            digest,
            key_ref: key_ref.map(|key| key.as_str().to_owned()),
            key_id: key.map(|key| key.key_id.to_string()),
            signed_at: valid
                .and_then(|valid| valid.signed_at)
                .map(|time| time.to_string()),
            schema_version: valid.map(|valid| valid.schema.version()),
            note: key
                .and_then(|key| key.withheld.as_ref())
                .map(|versions| versions.note.clone()),
            looked_at: None,
            records_beside: None,
            help: None,
        }
    }

    fn failed(key_ref: Option<&KeyRef>, error: &verify::Error) -> Self {
        Self::Failed {
            key_ref: key_ref.map(|key| key.as_str().to_owned()),
            error: Diagnostic::new(error).into(),
        }
    }
}

/// The result of `generate-key-pair`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyPair<'a> {
    pub(crate) private_key: &'a str,
    pub(crate) public_key: &'a str,
    #[serde(rename = "keyID")]
    pub(crate) key_id: String,
}

/// The result of `public-key`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Public {
    pub(crate) public_key: String,
    #[serde(rename = "keyID")]
    pub(crate) key_id: String,
    pub(crate) key_type: String,
}
