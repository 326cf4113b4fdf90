//! IAM policies, as far as the ones that the README gives need it, so that a test can run under
//! exactly the permissions that it asks users to grant. Anything unknown panics: a policy whose
//! condition is ignored would let a test pass by accident.

use serde::Deserialize;
use serde_json::Value;

use crate::http::{Reply, Request};
use crate::s3::{S3Server, prefix, s3_error};

/// A policy that is attached to the caller.
#[derive(Clone, Debug)]
pub struct Policy(Vec<Statement>);

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    like: bool,
    key: String,
    values: Vec<String>,
}

/// A policy's decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// The condition keys that the servers here set.
const KEYS: [&str; 4] = [
    "s3:prefix",
    "kms:RequestAlias",
    "kms:SigningAlgorithm",
    "kms:MessageType",
];

impl Policy {
    /// Reads the JSON of a policy.
    pub fn parse(text: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "PascalCase")]
        struct Document {
            version: String,
            statement: Value,
        }
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(document.version, "2012-10-17");
        let statements = match document.statement {
            Value::Array(list) => list,
            one => vec![one],
        };
        Self(statements.into_iter().map(Statement::parse).collect())
    }

    /// Allows every action.
    pub(crate) fn everything() -> Self {
        Self(vec![Statement {
            allow: true,
            actions: vec!["*".to_owned()],
            resources: vec!["*".to_owned()],
            conditions: Vec::new(),
        }])
    }

    /// Decides on a request with the values that it has for condition keys.
    pub fn decide(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
        let mut decision = Decision::NotAllowed;
        for statement in &self.0 {
            if statement.applies(action, resource, context) {
                if !statement.allow {
                    return Decision::Denied;
                }
                decision = Decision::Allowed;
            }
        }
        decision
    }

    pub fn allows(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        self.decide(action, resource, context) == Decision::Allowed
    }
}

impl Statement {
    fn parse(value: Value) -> Self {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "PascalCase")]
        struct Written {
            #[serde(rename = "Sid")]
            _sid: Option<String>,
            effect: String,
            action: Value,
            resource: Value,
            condition: Option<Value>,
        }
        let written: Written = serde_json::from_value(value).unwrap();
        let mut conditions = Vec::new();
        for (operator, tests) in written.condition.iter().flat_map(entries) {
            let like = match operator.as_str() {
                "StringEquals" => false,
                "StringLike" => true,
                other => panic!("the condition operator {other} is not known here"),
            };
            for (key, values) in entries(tests) {
                assert!(
                    KEYS.contains(&key.as_str()),
                    "the condition key {key} is not known here"
                );
                conditions.push(Condition {
                    like,
                    key: key.clone(),
                    values: strings(values),
                });
            }
        }
        let resources = strings(&written.resource);
        for resource in &resources {
            assert!(!resource.contains("${"), "{resource}: no variables here");
        }
        Self {
            allow: match written.effect.as_str() {
                "Allow" => true,
                "Deny" => false,
                other => panic!("{other} is no effect"),
            },
            actions: strings(&written.action),
            resources,
            conditions,
        }
    }

    fn applies(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        let of = |patterns: &[String], text: &str| patterns.iter().any(|one| matches(one, text));
        // Only the names of actions are compared without regard to case.
        let action = action.to_lowercase();
        let actions: Vec<_> = self.actions.iter().map(|one| one.to_lowercase()).collect();
        of(&actions, &action)
            && of(&self.resources, resource)
            && self.conditions.iter().all(|condition| {
                // A key that the request does not have meets no condition.
                let value = context.iter().find(|(key, _)| *key == condition.key);
                value.is_some_and(|(_, value)| match condition.like {
                    true => of(&condition.values, value),
                    false => condition.values.iter().any(|wanted| wanted == value),
                })
            })
    }
}

/// How AWS words a refusal by the policy of the caller.
pub fn refusal(caller: &str, action: &str, resource: &str, decision: Decision) -> String {
    let why = match decision {
        Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        _ => format!("because no identity-based policy allows the {action} action"),
    };
    format!("User: {caller} is not authorized to perform: {action} on resource: {resource} {why}")
}

/// Makes an S3 server check every request against `policy`, from any caller.
pub fn enforce(server: &S3Server, policy: &Policy) {
    let (store, policy) = (server.clone(), policy.clone());
    let caller = "arn:aws:iam::111122223333:user/test";
    server.fault(move |request| refused(&store, &policy, caller, request));
}

/// The refusal of a request to S3 that `policy` does not allow.
pub fn refused(
    server: &S3Server,
    policy: &Policy,
    caller: &str,
    request: &Request,
) -> Option<Reply> {
    let (bucket, key) = bucket_and_key(&request.path);
    let bucket = format!("arn:aws:s3:::{bucket}");
    let object = format!("{bucket}/{key}");
    let no = |action: &str, resource: &str, decision| {
        // Unlike others, S3 puts the resource in quotes.
        let message = refusal(caller, action, &format!("\"{resource}\""), decision);
        Some(s3_error(403, "AccessDenied", &message))
    };
    let (action, resource, context) = match request.method.as_str() {
        "GET" if key.is_empty() => ("s3:ListBucket", &bucket, prefix(&request.query)),
        "GET" | "HEAD" => ("s3:GetObject", &object, None),
        "PUT" => ("s3:PutObject", &object, None),
        other => panic!("{other} is not known here"),
    };
    let context: Vec<_> = context
        .iter()
        .map(|prefix| ("s3:prefix", prefix.as_str()))
        .collect();
    match policy.decide(action, resource, &context) {
        Decision::Allowed => {}
        decision => return no(action, resource, decision),
    }
    // S3 reports a missing object only to callers that may list the bucket. A GetObject has no prefix,
    // so what is allowed under a condition on it does not count.
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    if action == "s3:GetObject" && server.get(&request.path).is_none() {
        match policy.decide("s3:ListBucket", &bucket, &[]) {
            Decision::Allowed => {}
            decision => return no("s3:ListBucket", &bucket, decision),
        }
    }
    None
}

fn bucket_and_key(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

/// `*` is any text, `?` any character.
pub fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), next) => {
            matches(&pattern[1..], text)
                || next.is_some_and(|next| matches(pattern, &text[next.len_utf8()..]))
        }
        (Some(wanted), Some(next)) if wanted == '?' || wanted == next => {
            matches(&pattern[wanted.len_utf8()..], &text[next.len_utf8()..])
        }
        _ => false,
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        other => panic!("{other} is no text"),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}
