//! A policy: which keys may sign which images, from one file.
//!
//! [`Draft::parse`] reads the file, and [`Draft::complete`] adds the public keys that it names by their paths. The policy
//! then [selects](Policy::select) the rule for an image, and the rule [decides](Selected::decide) over the verdicts of
//! [`crate::verdict::judge`], which stays the one verifier of signatures.

pub use self::draft::{Draft, DraftKey, Known, Source};
pub use self::error::{Error, Problem};
pub use self::pattern::Pattern;
pub use self::position::Position;

pub mod decision;
mod document;
mod draft;
mod error;
mod example;
mod pattern;
mod position;
mod table;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use self::decision::{Decision, Require, Vote, decide};
use crate::crypto::public::PublicKey;
use crate::digest::Digest;
use crate::payload::Schema;
use crate::record::Timestamp;
use crate::reference::Reference;

/// The most bytes of a policy file.
pub const MAX_BYTES: u64 = 256 * 1024;

/// A policy with its keys.
#[derive(Clone, Debug)]
pub struct Policy {
    keys: Vec<Key>,
    rules: Vec<Rule>,
}

/// A key of a policy.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name in the policy.
    pub name: String,
    /// The key, unless a service has it.
    pub public: Option<PublicKey>,
    /// The name of the key in its service.
    pub remote: Option<String>,
    not_after: Option<Timestamp>,
    revoked: Option<String>,
}

/// Whether a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It does.
    Counts,
    /// It is revoked, for this reason.
    Revoked(&'a str),
    /// It counted until then.
    Expired(Timestamp),
}

/// A rule about some images.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its place in the file.
    pub at: Position,
    images: Vec<(Position, Pattern)>,
    /// What it asks for.
    pub terms: Terms,
}

/// What a rule asks for.
#[derive(Clone, Debug)]
pub enum Terms {
    /// The images are refused, for this reason.
    Deny(String),
    /// They have to be signed.
    Require {
        /// All of these have to be met.
        requirements: Vec<Requirement>,
        /// The lowest schema of a signature that counts.
        min_schema: Schema,
        /// Manifests that are refused.
        denied: Vec<Digest>,
    },
}

/// How many of which keys must have signed.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The place of its number of keys, or its own where it has none.
    at: Position,
    require: Require,
    of: Vec<usize>,
}

/// The rule that decides about an image.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    policy: &'a Policy,
    /// The rule.
    pub rule: &'a Rule,
    /// Its pattern that matches.
    pub pattern: &'a Pattern,
    /// The place of the pattern.
    pub at: Position,
}

/// Why no rule decides about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unselected {
    /// None is about it.
    NoRule,
    /// Two are, and neither is more specific.
    Tie {
        /// The pattern of the one, and its place.
        first: (Position, Pattern),
        /// The pattern of the other.
        second: (Position, Pattern),
    },
}

impl Policy {
    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The rules, as they stand in the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Finds the most specific rule for an image.
    ///
    /// # Errors
    ///
    /// [`Unselected`] if there is none, or no one of them.
    pub fn select(&self, reference: &Reference) -> Result<Selected<'_>, Unselected> {
        let name = reference.repository();
        let mut best: Option<Selected<'_>> = None;
        let mut tie = None;
        for rule in &self.rules {
            let matching = rule
                .images
                .iter()
                .filter(|(_, pattern)| pattern.matches(&name));
            let Some((at, pattern)) = matching.max_by_key(|(_, pattern)| pattern.rank()) else {
                continue;
            };
            let other = Selected {
                policy: self,
                rule,
                pattern,
                at: *at,
            };
            match best {
                Some(best) if pattern.rank() < best.pattern.rank() => continue,
                Some(best) if pattern.rank() == best.pattern.rank() => {
                    tie.get_or_insert((best, other));
                    continue;
                }
                _ => {}
            }
            (best, tie) = (Some(other), None);
        }
        let place = |selected: Selected<'_>| (selected.at, selected.pattern.clone());
        match (best, tie) {
            (_, Some((first, second))) => Err(Unselected::Tie {
                first: place(first),
                second: place(second),
            }),
            (Some(selected), None) => Ok(selected),
            (None, None) => Err(Unselected::NoRule),
        }
    }

    /// Whether a key counts at this time, under any of its names: all keys of the policy that are this one decide. Where the
    /// clock shows no time, no key with an end counts.
    pub fn standing(&self, public: &PublicKey, now: Option<Timestamp>) -> Standing<'_> {
        let same_key = self.keys.iter().filter(|key| key.is(public));
        if let Some(reason) = same_key.clone().find_map(|key| key.revoked.as_deref()) {
            return Standing::Revoked(reason);
        }
        let end = same_key.filter_map(|key| key.not_after).min();
        match end {
            Some(end) if now.is_none_or(|now| now > end) => Standing::Expired(end),
            _ => Standing::Counts,
        }
    }

    /// Checks that as many different keys as a requirement asks for can sign, whether or not they still count: revoking a
    /// key must not break the file.
    fn check_thresholds(&self) -> Result<(), Error> {
        for requirement in self.rules.iter().flat_map(Rule::requirements) {
            let Require::AtLeast(least) = requirement.require else {
                continue;
            };
            let listed = requirement
                .of
                .iter()
                .filter_map(|number| self.keys.get(*number));
            let different: BTreeSet<_> = listed
                .map(|key| match &key.public {
                    Some(public) => (public.spki(), ""),
                    None => (&[][..], key.remote.as_deref().unwrap_or_default()),
                })
                .collect();
            if least.get() > different.len() {
                let problem = Problem::Threshold {
                    least: least.get(),
                    keys: different.len(),
                };
                return Err(Error::new(requirement.at, problem));
            }
        }
        Ok(())
    }
}

/// What a rule has decided about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Whether the image passes.
    pub decision: Decision,
    /// The digest for which the rule refuses the manifest, no matter who signed it.
    pub denied: Option<Digest>,
    /// Of each requirement, whether it is met.
    pub met: Vec<Decision>,
}

impl<'a> Selected<'a> {
    /// The keys that the rule names, as numbers of [`Policy::keys`], each once.
    pub fn keys(&self) -> Vec<usize> {
        let requirements = self.rule.requirements().iter();
        let all = requirements.flat_map(|requirement| requirement.of.iter().copied());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The key of this number.
    pub fn key(&self, number: usize) -> Option<&'a Key> {
        self.policy.keys.get(number)
    }

    /// Decides about a manifest by the `votes` of [`Self::keys`], in that order. It is refused in any case if a digest among
    /// `names`, its own and those that it names, is denied.
    pub fn decide(&self, names: &[Digest], votes: &[Vote]) -> Ruling {
        let denied = match &self.rule.terms {
            Terms::Deny(_) => None,
            Terms::Require { denied, .. } => names.iter().find(|name| denied.contains(name)),
        };
        let denied = denied.copied();
        let keys = self.keys();
        let requirements = self.rule.requirements().iter();
        let met: Vec<_> = requirements
            .map(|requirement| {
                let number = |key: &usize| keys.binary_search(key).ok();
                let of: Vec<_> = requirement.of.iter().filter_map(number).collect();
                decide(votes, &of, requirement.require)
            })
            .collect();
        let any = |wanted: Decision| met.contains(&wanted);
        let decision = if denied.is_some() || met.is_empty() || any(Decision::Failed) {
            Decision::Failed
        } else if any(Decision::Undecided) {
            Decision::Undecided
        } else {
            Decision::Verified
        };
        Ruling {
            decision,
            denied,
            met,
        }
    }

    /// The text of a requirement: `any of ci, qa`.
    pub fn text(&self, requirement: &Requirement) -> String {
        let names: Vec<_> = requirement
            .of
            .iter()
            .filter_map(|number| self.key(*number))
            .map(|key| key.name.as_str())
            .collect();
        let names = names.join(", ");
        match requirement.require {
            Require::All => format!("all of {names}"),
            Require::AtLeast(least) if least.get() == 1 => format!("any of {names}"),
            Require::AtLeast(least) => format!("{least} of {names}"),
        }
    }
}

impl Requirement {
    /// The keys that it names, as numbers of [`Policy::keys`].
    pub fn keys(&self) -> &[usize] {
        &self.of
    }
}

impl Key {
    /// Whether it is this key. One in a service is not known.
    pub fn is(&self, public: &PublicKey) -> bool {
        let own = self.public.as_ref();
        own.is_some_and(|own| own.spki() == public.spki())
    }
}

impl Rule {
    /// What it requires: nothing if it refuses the images.
    pub fn requirements(&self) -> &[Requirement] {
        match &self.terms {
            Terms::Deny(_) => &[],
            Terms::Require { requirements, .. } => requirements,
        }
    }

    /// The patterns of the images that the rule is about, with their places.
    pub fn images(&self) -> &[(Position, Pattern)] {
        &self.images
    }
}
