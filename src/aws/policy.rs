//! IAM policies as they are printed: the statements that a run takes, and no more.

use std::collections::BTreeMap;

use serde::Serialize;

/// A policy of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Policy {
    /// The policy of these statements, if there are any.
    pub fn of(statements: Vec<Statement>) -> Option<Self> {
        (!statements.is_empty()).then_some(Self {
            version: "2012-10-17",
            statement: statements,
        })
    }
}

/// A statement that allows actions on resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    effect: &'static str,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<BTreeMap<&'static str, BTreeMap<&'static str, String>>>,
}

impl Statement {
    /// Allows `actions` on `resources`.
    pub fn allow(actions: &[&'static str], resources: Vec<String>) -> Self {
        Self {
            effect: "Allow",
            action: actions.to_vec(),
            resource: resources,
            condition: None,
        }
    }

    /// The same, where the request's `key` is `value`.
    pub fn when(self, key: &'static str, value: impl Into<String>) -> Self {
        let test = BTreeMap::from([(key, value.into())]);
        Self {
            condition: Some(BTreeMap::from([("StringEquals", test)])),
            ..self
        }
    }
}

/// A name in a resource that stands for itself, with any characters
/// ([wildcards](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars)).
pub fn literal(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '*' | '?' | '$' => text.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_wildcards_stands_for_itself() {
        assert_eq!(literal("manifests/a/v1"), "manifests/a/v1");
        assert_eq!(literal("a*b?$"), "a${*}b${?}${$}");
    }

    #[test]
    fn a_policy_is_the_json_of_iam() {
        let statement = Statement::allow(&["kms:Sign"], vec!["arn:aws:kms:…".to_owned()]);
        let policy = Policy::of(vec![statement.when("kms:RequestAlias", "alias/a")]);
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Sign"],"Resource":["arn:aws:kms:…"],"Condition":{"StringEquals":{"kms:RequestAlias":"alias/a"}}}]}"#
        );
        assert_eq!(Policy::of(Vec::new()), None);
    }
}
