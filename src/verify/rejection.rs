//! A failed verification for a person: where was looked, what lies beside it, and what to do.

use s3lo_core::crypto::public::KeyId;
use s3lo_core::digest::Digest;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Reason, Verdict};

use super::{KeyOutcome, Outcome};
use crate::image::RecordIds;
use crate::option_name::option;

/// The most records beside the manifest that are named.
const MAX_BESIDE: usize = 10;

/// Why an image is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason, that of the first key if there are several.
    pub reason: Reason,
    /// The digest under the tag, if the object could be read in full.
    pub digest: Option<Digest>,
    /// The ID of that key.
    pub key_id: Option<KeyId>,
    /// `<bucket or root>/<object key>` of that key's record, unless the manifest alone decided.
    pub looked_at: Option<String>,
    /// The IDs of other records beside the manifest, at most ten. They are not verified: the names are those that were
    /// written there. `None` if they could not be listed.
    pub beside: Option<Vec<String>>,
    /// The next action.
    pub help: String,
}

impl Rejection {
    /// The rejection of the image that `reference` names.
    pub fn new(reference: &Reference, outcome: &Outcome) -> Self {
        let key = outcome.first_rejected().map(|(_, key)| key);
        let looked_for = key.filter(|key| outcome.rejected.is_none() && is_looked_for(key));
        let reason = outcome.reason();
        let looked_at = |id: &KeyId| reference.stored_path(&reference.record_key(id));
        let beside = outcome.beside.as_ref().map(|all| beside(all, outcome));
        let is_valid = |key: &KeyOutcome| matches!(key.verdict, Verdict::Verified(_));
        let help = match outcome.judged().filter(|key| is_valid(key)).count() {
            _ if outcome.rule.is_some() => match &reason {
                Reason::NoSignature { .. } => format!(
                    "{}\na policy requires schema 2 unless its rule accepts less: sign with {}",
                    help(&reason, reference, beside.as_deref()),
                    option("schema-version").with("2")
                ),
                _ => help(&reason, reference, beside.as_deref()),
            },
            0 => help(&reason, reference, beside.as_deref()),
            valid => format!(
                "{valid} of the {} keys signed it, and more are required: have the others sign it too, or ask for fewer with {}\na key counts once, however many files hold it",
                outcome.keys.len(),
                option("require")
            ),
        };
        Self {
            digest: outcome.digest,
            key_id: key.map(|key| key.key_id),
            looked_at: looked_for.map(|key| looked_at(&key.key_id)),
            beside,
            help,
            reason,
        }
    }
}

/// Whether a record of the key was looked for: a policy need not count it.
fn is_looked_for(key: &KeyOutcome) -> bool {
    !matches!(
        key.verdict,
        Verdict::Rejected(Reason::KeyRevoked { .. } | Reason::KeyExpired { .. })
    )
}

/// The IDs of the records that are for none of the keys.
fn beside(all: &RecordIds, outcome: &Outcome) -> Vec<String> {
    let own: Vec<_> = outcome.judged().map(|key| key.key_id.to_string()).collect();
    let others = all.ids.iter().filter(|id| !own.contains(id));
    others.take(MAX_BESIDE).cloned().collect()
}

fn help(reason: &Reason, reference: &Reference, beside: Option<&[String]>) -> String {
    let name = reference.name();
    match reason {
        Reason::NoSignature { .. } => match beside {
            Some([_, ..]) => "other keys may have signed it: check that this is the right key, or sign the image with it".to_owned(),
            Some([]) => "nobody has signed this image: check that the job that signs it has run, for exactly this reference".to_owned(),
            None => "check that the job that signs it has run, for exactly this reference and with this key".to_owned(),
        },
        Reason::ManifestChanged { signed, .. } => format!(
            "the manifest of {name} changed after it was signed, by a push or by a change of the store: find out which\nthen sign the new image, or deploy the signed one, {signed}"
        ),
        Reason::Pinned { pinned, .. } => format!(
            "another push moved {name} since that digest was taken: find out which\nthen verify the new digest, or push {pinned} again"
        ),
        Reason::InvalidSignature { .. } => {
            "find out where the record comes from: it may be a copy of another tag's or bucket's, or the directory is spelled differently (`./store` is not `store`), since schema 2 covers bucket or directory, image and tag as written\nthen sign the image under this reference".to_owned()
        }
        Reason::SchemaTooLow { .. } => format!(
            "sign the image again with {}",
            option("schema-version").with("2")
        ),
        Reason::UnsupportedSchema { .. } => {
            "verify with a newer release of s3lo, which signed this, or sign the image again".to_owned()
        }
        Reason::MalformedRecord(_) | Reason::Encoding(_) => {
            "find out what damaged the record, or who stored another one under its name\nthen sign the image again, which replaces it".to_owned()
        }
        Reason::MalformedManifest(_) => {
            "push the image again, and sign it: the object under this tag is not a manifest".to_owned()
        }
        Reason::NoRule => {
            "add a rule for this image to the policy, or check the name: a rule is about SCHEME://ROOT/IMAGE".to_owned()
        }
        Reason::Denied(_) | Reason::DeniedDigest { .. } => {
            "deploy another image; if this one is to be deployed, the policy must be changed by those who review it".to_owned()
        }
        Reason::KeyRevoked { .. } | Reason::KeyExpired { .. } => {
            "have a key that still counts sign the image, or have those who review the policy name one".to_owned()
        }
        Reason::Unmet { .. } => format!(
            "have more of the keys that the policy names sign the image, with {}\na key that is revoked or expired does not count, and a key counts once under all its names",
            option("schema-version").with("2")
        ),
        Reason::TooFewKeys => format!(
            "have the others sign it too, or ask for fewer with {}",
            option("require")
        ),
    }
}

/// Whether the record of some key is missing: only then is a list worth a request.
pub(super) fn is_worth_a_listing(outcome: &Outcome) -> bool {
    let is_missing = |key: &Verdict| matches!(key, Verdict::Rejected(Reason::NoSignature { .. }));
    outcome.rejected.is_none() && outcome.judged().any(|key| is_missing(&key.verdict))
}
