//! The decision over all keys: how many have signed, each holder counted once.
//!
//! The holder of one version of a key holds them all, so that a key and the kept `.pub` of its older version are one
//! signer. So are two addresses of one server, and a key that is given both as a file and by a service. Keys with one ID
//! are one key: two that were made to have the same ID only count for less.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::crypto::public::KeyId;

/// The number of keys that must have a valid signature on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Require {
    /// Every one.
    All,
    /// At least this many, of different holders.
    AtLeast(NonZeroUsize),
}

/// Whether an image passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Enough keys signed it.
    Verified,
    /// Too few did, and the keys with errors could not change that.
    Failed,
    /// It depends on keys with errors.
    Undecided,
}

/// The vote of one key.
#[derive(Clone, Debug)]
pub struct Vote {
    /// Whether the key signed.
    pub answer: Answer,
    /// Who holds it.
    pub family: Family,
}

/// Whether a key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did.
    Signed,
    /// It did not, or its signature does not count.
    NotSigned,
    /// That could not be found out.
    Unknown,
}

/// The key with all its versions, as far as they are known.
#[derive(Clone, Debug)]
pub enum Family {
    /// These.
    Known(Vec<KeyId>),
    /// A key that could not be opened, and has no other version.
    Single,
    /// A key that could not be opened: any other one may be a version of it.
    Unknown,
}

/// Decides over the keys `of`, numbers of `votes`. The others count for nothing, but may show that two keys have one holder.
pub fn decide(votes: &[Vote], of: &[usize], require: Require) -> Decision {
    let answers = of.iter().filter_map(|number| votes.get(*number));
    let any = |wanted: Answer| answers.clone().any(|vote| vote.answer == wanted);
    match require {
        Require::All if any(Answer::NotSigned) || of.is_empty() => Decision::Failed,
        Require::All if any(Answer::Unknown) => Decision::Undecided,
        Require::All => Decision::Verified,
        Require::AtLeast(least) => {
            let (fewest, most) = count(votes, of);
            if fewest >= least.get() {
                Decision::Verified
            } else if most >= least.get() {
                Decision::Undecided
            } else {
                Decision::Failed
            }
        }
    }
}

/// The fewest and the most holders that may have signed.
fn count(votes: &[Vote], of: &[usize]) -> (usize, usize) {
    let holders = holders(votes);
    let distinct = |counts: fn(Answer) -> bool| {
        let each = of
            .iter()
            .filter_map(|number| holders.get(*number).zip(votes.get(*number)));
        let counted = each.filter(|(_, vote)| counts(vote.answer));
        let mut counted: Vec<_> = counted.map(|(holder, _)| *holder).collect();
        counted.sort_unstable();
        counted.dedup();
        counted.len()
    };
    let signed = distinct(|answer| answer == Answer::Signed);
    let most = distinct(|answer| answer != Answer::NotSigned);
    let is_unknown = |vote: &Vote| matches!(vote.family, Family::Unknown);
    let fewest = if votes.iter().any(is_unknown) {
        signed.min(1)
    } else {
        signed
    };
    (fewest, most)
}

/// The holder of each key, as the index of one of the holder's keys: keys that share a version have one holder.
fn holders(votes: &[Vote]) -> Vec<usize> {
    let mut holders: Vec<usize> = (0..votes.len()).collect();
    let mut first: BTreeMap<KeyId, usize> = BTreeMap::new();
    for (number, vote) in votes.iter().enumerate() {
        let Family::Known(family) = &vote.family else {
            continue;
        };
        for id in family {
            let other = *first.entry(*id).or_insert(number);
            let (Some(&from), Some(&to)) = (holders.get(number), holders.get(other)) else {
                continue;
            };
            for holder in holders.iter_mut().filter(|holder| **holder == from) {
                *holder = to;
            }
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn id(number: u8) -> KeyId {
        KeyId::of_spki(&[number])
    }

    fn vote(answer: Answer, family: &[u8]) -> Vote {
        Vote {
            answer,
            family: Family::Known(family.iter().copied().map(id).collect()),
        }
    }

    fn signed(family: &[u8]) -> Vote {
        vote(Answer::Signed, family)
    }

    fn unopened(family: Family) -> Vote {
        Vote {
            answer: Answer::Unknown,
            family,
        }
    }

    fn numbers(votes: &[Vote]) -> Vec<usize> {
        (0..votes.len()).collect()
    }

    fn count(votes: &[Vote]) -> (usize, usize) {
        super::count(votes, &numbers(votes))
    }

    fn at_least(votes: &[Vote], least: usize) -> Decision {
        decide(
            votes,
            &numbers(votes),
            Require::AtLeast(NonZeroUsize::new(least).unwrap()),
        )
    }

    #[test]
    fn keys_of_one_holder_count_once() {
        for one_holder in [
            // One key by two names.
            vec![signed(&[1]), signed(&[1])],
            // A key in Vault, and the `.pub` of an older version.
            vec![signed(&[2, 1]), signed(&[1])],
            vec![signed(&[1]), signed(&[2, 1])],
            // Two addresses of one server, one of which gives fewer versions.
            vec![signed(&[3, 2, 1]), signed(&[3, 2])],
            // Two old versions, which the key itself connects, whether or not it signed, in any order.
            vec![
                signed(&[1]),
                signed(&[2]),
                vote(Answer::NotSigned, &[3, 2, 1]),
            ],
            vec![
                vote(Answer::Unknown, &[3, 2, 1]),
                signed(&[1]),
                signed(&[2]),
            ],
            vec![signed(&[1]), signed(&[2, 1]), signed(&[3, 2]), signed(&[3])],
        ] {
            assert_eq!(
                at_least(&one_holder, 1),
                Decision::Verified,
                "{one_holder:?}"
            );
            assert_eq!(at_least(&one_holder, 2), Decision::Failed, "{one_holder:?}");
        }
        let two = [signed(&[1, 2]), signed(&[3, 4]), signed(&[2])];
        assert_eq!(at_least(&two, 2), Decision::Verified);
        assert_eq!(at_least(&two, 3), Decision::Failed);
    }

    #[test]
    fn a_key_with_versions_that_is_not_opened_may_be_the_holder_of_all() {
        let votes = [signed(&[1]), signed(&[2]), unopened(Family::Unknown)];
        assert_eq!(at_least(&votes, 1), Decision::Verified);
        assert_eq!(at_least(&votes, 2), Decision::Undecided);
        assert_eq!(at_least(&votes, 3), Decision::Undecided);
        let votes = [signed(&[1]), signed(&[2]), unopened(Family::Single)];
        assert_eq!(at_least(&votes, 2), Decision::Verified);
        assert_eq!(at_least(&votes, 3), Decision::Undecided);
    }

    /// Every vote over three versions.
    fn all_votes() -> Vec<Vote> {
        let mut all = vec![unopened(Family::Single), unopened(Family::Unknown)];
        for answer in [Answer::Signed, Answer::NotSigned, Answer::Unknown] {
            for bits in 1..8_u8 {
                let family: Vec<_> = (0..3).filter(|bit| bits & (1 << bit) != 0).collect();
                all.push(vote(answer, &family));
            }
        }
        all
    }

    #[test]
    fn the_same_key_under_another_name_never_raises_the_count() {
        let all = all_votes();
        for first in &all {
            for second in &all {
                for third in &all {
                    let votes = [first.clone(), second.clone(), third.clone()];
                    let (fewest, most) = count(&votes);
                    assert!(fewest <= most, "{votes:?}");
                    for again in votes.iter().filter(|vote| vote.answer == Answer::Signed) {
                        let mut more = votes.to_vec();
                        more.push(again.clone());
                        assert_eq!(count(&more), (fewest, most), "{more:?}");
                        // The same by one of its versions, or with one more.
                        let Family::Known(family) = &again.family else {
                            continue;
                        };
                        for version in family {
                            more.pop();
                            let family = Family::Known(vec![*version]);
                            let answer = Answer::Signed;
                            more.push(Vote { answer, family });
                            assert_eq!(count(&more), (fewest, most), "{more:?}");
                        }
                        let family = family.iter().copied().chain([id(9)]).collect();
                        more.pop();
                        more.push(Vote {
                            answer: Answer::Signed,
                            family: Family::Known(family),
                        });
                        assert_eq!(count(&more), (fewest, most), "{more:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_answer_that_comes_late_only_narrows_the_count() {
        let all = all_votes();
        for first in &all {
            for second in &all {
                for opened in all.iter().filter(|vote| vote.answer != Answer::Unknown) {
                    let before = [first.clone(), second.clone(), unopened(Family::Unknown)];
                    let after = [first.clone(), second.clone(), opened.clone()];
                    let (before, after) = (count(&before), count(&after));
                    assert!(
                        before.0 <= after.0 && after.1 <= before.1,
                        "{first:?} {second:?} {opened:?}"
                    );
                }
            }
        }
    }
}
