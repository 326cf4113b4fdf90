//! The reasons that AWS names for denied access
//! ([messages](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html)).

use crate::aws::response::ErrorResponse;

/// The reason why access was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No policy of this kind allows it; one of the role itself, where AWS names no reason.
    Missing(PolicyKind),
    /// A policy denies it explicitly.
    Explicit(Option<PolicyKind>),
}

/// A kind of policy, of which each has to allow what another one allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A policy of the user or role.
    Identity,
    /// The limit of what the policies of a user or role can allow.
    PermissionsBoundary,
    /// A resource control policy of the organization (RCP).
    ResourceControl,
    /// The policy of the resource: a key, a bucket, the trust policy of a role.
    Resource,
    /// A service control policy of the organization (SCP).
    ServiceControl,
    /// The policy of a session, passed on when the role was assumed.
    Session,
    /// The policy of a VPC endpoint.
    VpcEndpoint,
}

impl PolicyKind {
    const ALL: [Self; 7] = [
        Self::Identity,
        Self::PermissionsBoundary,
        Self::ResourceControl,
        Self::Resource,
        Self::ServiceControl,
        Self::Session,
        Self::VpcEndpoint,
    ];

    /// AWS's name for it.
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::PermissionsBoundary => "permissions boundary",
            Self::ResourceControl => "resource control policy",
            Self::Resource => "resource-based policy",
            Self::ServiceControl => "service control policy",
            Self::Session => "session policy",
            Self::VpcEndpoint => "VPC endpoint policy",
        }
    }

    /// The kind that is named after `words`.
    fn after(message: &str, words: &str) -> Option<Self> {
        let (_, rest) = message.split_once(words)?;
        let article = ["a ", "an "];
        let rest = article
            .iter()
            .find_map(|article| rest.strip_prefix(article))
            .unwrap_or(rest);
        Self::ALL
            .into_iter()
            .find(|kind| rest.starts_with(kind.name()))
    }
}

impl Denial {
    /// The reason in a response.
    pub fn of(answer: &ErrorResponse) -> Self {
        Self::in_message(answer.message.as_deref())
    }

    /// The reason in the message of a response.
    pub fn in_message(message: Option<&str>) -> Self {
        let message = message.unwrap_or_default();
        if message.contains("explicit deny") {
            return Self::Explicit(PolicyKind::after(message, "explicit deny in "));
        }
        let kind = PolicyKind::after(message, "because no ");
        Self::Missing(kind.unwrap_or(PolicyKind::Identity))
    }

    /// The advice on it, unless a policy of the role is the remedy. `of_resource` is what the resource calls its
    /// own policy.
    pub fn help(self, action: &str, of_resource: &str) -> Option<String> {
        let not_the_role = "the role's own policies are not the reason";
        Some(match self {
            Self::Missing(PolicyKind::Identity) => return None,
            Self::Explicit(None | Some(PolicyKind::Identity)) => format!(
                "a policy denies {action} explicitly, and no other policy can allow it then: remove the denial, or use a role that it does not cover"
            ),
            Self::Explicit(Some(kind)) => format!(
                "{} denies {action} explicitly, and no other policy can allow it then: have its owner exempt this role, or use a role that it does not cover",
                sentence_start(kind, of_resource)
            ),
            Self::Missing(PolicyKind::PermissionsBoundary) => {
                format!("allow {action} in the role's permissions boundary; {not_the_role}")
            }
            Self::Missing(PolicyKind::Resource) => format!(
                "allow {action} to this role, or to its account, in {of_resource}\n{not_the_role}, unless the resource belongs to another account: then both must allow it"
            ),
            Self::Missing(PolicyKind::Session) => format!(
                "assume the role with a session policy that allows {action}, or without one; {not_the_role}"
            ),
            Self::Missing(PolicyKind::VpcEndpoint) => {
                format!("allow {action} in the policy of the VPC endpoint; {not_the_role}")
            }
            Self::Missing(PolicyKind::ServiceControl) => format!(
                "allow {action} for this account in the service control policies of the organization (SCP); {not_the_role}"
            ),
            Self::Missing(PolicyKind::ResourceControl) => format!(
                "allow {action} on the resource in the resource control policies of the organization (RCP); {not_the_role}"
            ),
        })
    }
}

fn sentence_start(kind: PolicyKind, of_resource: &str) -> String {
    match kind {
        PolicyKind::Identity => "a policy of the role".to_owned(),
        PolicyKind::PermissionsBoundary => "the role's permissions boundary".to_owned(),
        PolicyKind::ResourceControl => {
            "a resource control policy of the organization (RCP)".to_owned()
        }
        PolicyKind::Resource => of_resource.to_owned(),
        PolicyKind::ServiceControl => {
            "a service control policy of the organization (SCP)".to_owned()
        }
        PolicyKind::Session => "the policy of the session".to_owned(),
        PolicyKind::VpcEndpoint => "the policy of the VPC endpoint".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(end: &str) -> Denial {
        let start = "User: arn:aws:sts::111122223333:assumed-role/signer/s3lo is not authorized to perform: kms:Sign on resource: arn:aws:kms:us-east-1:111122223333:key/1";
        Denial::of(&ErrorResponse {
            message: Some(format!("{start} {end}")),
            ..ErrorResponse::default()
        })
    }

    #[test]
    fn each_kind_of_policy_is_recognised() {
        for kind in PolicyKind::ALL {
            let name = kind.name();
            assert_eq!(
                of(&format!("because no {name} allows the kms:Sign action")),
                Denial::Missing(kind)
            );
            for article in ["a", "an"] {
                let deny = of(&format!(
                    "with an explicit deny in {article} {name}: arn:aws:x"
                ));
                assert_eq!(deny, Denial::Explicit(Some(kind)));
            }
        }
        assert_eq!(of("with an explicit deny"), Denial::Explicit(None));
        let of_the_role = Denial::Missing(PolicyKind::Identity);
        assert_eq!(of(""), of_the_role);
        assert_eq!(Denial::of(&ErrorResponse::default()), of_the_role);
    }

    #[test]
    fn the_role_is_blamed_only_where_its_policies_are_the_reason() {
        for kind in PolicyKind::ALL {
            let help = Denial::Missing(kind).help("kms:Sign", "the key's own policy");
            assert_eq!(help.is_none(), kind == PolicyKind::Identity);
            assert!(
                Denial::Explicit(Some(kind))
                    .help("kms:Sign", "the key's own policy")
                    .is_some()
            );
        }
    }
}
