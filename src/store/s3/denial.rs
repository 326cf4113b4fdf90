//! Advice where S3 refuses for want of a permission.

use serde_json::json;

use crate::aws::denial::Denial;
use crate::aws::missing_statement::MissingStatement;
use crate::option_name::option;

/// The partition of the first ARN in a message.
fn partition(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("arn:")?;
    let (name, _) = rest.split_once(':')?;
    let is_name = |name: &&str| {
        let mut letters = name.bytes();
        letters.all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    Some(name)
        .filter(|name| name.starts_with("aws"))
        .filter(is_name)
}

/// The action that the caller lacks, by S3's message.
fn missing_action(message: &str) -> Option<&'static str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let named = rest.split_whitespace().next()?;
    let known = [
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "s3express:CreateSession",
    ];
    known.into_iter().find(|action| *action == named)
}

/// The ARN of the resource in S3's message, in the alphabet of one.
fn named_resource(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("on resource: ")?;
    let named = rest.split_whitespace().next()?.trim_matches('"');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-:/_.".contains(c);
    (named.starts_with("arn:") && named.chars().all(plain)).then(|| named.to_owned())
}

/// The advice for a refusal: the missing IAM statement, or the policy that refuses.
pub(super) fn advice(
    action: &str,
    object: &str,
    message: Option<&str>,
    endpoint_is_named: bool,
    owner_is_named: bool,
) -> String {
    let path = object.strip_prefix("s3://").unwrap_or(object);
    let bucket = path.split('/').next().unwrap_or(path);
    // The missing permission may be another one: without s3:ListBucket S3 does not distinguish absent from forbidden.
    // A read never lacks the permission to write.
    let named = message.and_then(missing_action);
    let named = named.filter(|named| action == "s3:PutObject" || *named != "s3:PutObject");
    let action = named.unwrap_or(action);
    let partition = message.and_then(partition).unwrap_or("aws");
    let statement = match action {
        "s3express:CreateSession" => MissingStatement::on(
            action,
            message
                .and_then(named_resource)
                .unwrap_or_else(|| format!("arn:{partition}:s3express:*:*:bucket/{bucket}")),
        ),
        "s3:ListBucket" => MissingStatement::on(action, format!("arn:{partition}:s3:::{bucket}"))
            .if_holds(json!({"StringLike": {"s3:prefix": "manifests/*"}})),
        "s3:PutObject" => MissingStatement::on(
            action,
            format!("arn:{partition}:s3:::{bucket}/manifests/*/signatures/*"),
        ),
        _ => MissingStatement::on(action, format!("arn:{partition}:s3:::{bucket}/manifests/*")),
    };
    let denial = Denial::in_message(message);
    if let Some(mut help) = denial.help(action, "the policy of the bucket") {
        if matches!(denial, Denial::Explicit(_)) && action == "s3:PutObject" {
            help.push_str(&format!(
                "\nif that policy demands encryption, give {} or {}",
                option("sse").with("AES256"),
                option("sse").with("aws:kms")
            ));
        }
        return help;
    }
    let mut help = String::new();
    if action == "s3:GetObject" {
        help.push_str(
            "check that the image is there: without s3:ListBucket, S3 gives this answer for a missing one as well\n",
        );
    }
    if owner_is_named && message.is_none_or(|message| !message.contains("not authorized")) {
        help.push_str(&format!(
            "check that the bucket belongs to the account of {}\n",
            option("expected-bucket-owner")
        ));
    }
    // A missing permission on the bucket's KMS key is an error of S3.
    if message.is_some_and(|message| message.contains("kms:")) {
        help.push_str("allow kms:Decrypt (to read) and kms:GenerateDataKey (to write) on the KMS key that encrypts the bucket\n");
    }
    help.push_str(if endpoint_is_named {
        "add this statement to the policy of the access key on that server:\n"
    } else {
        "add this statement to the role's policy:\n"
    });
    help + &statement.lines()
}
