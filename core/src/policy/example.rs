//! Examples of each part of a policy, as TOML and as JSON, for advice.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::document::Form;

/// A part of a policy as it is written in a file of this form.
pub(super) fn example(part: &str, form: Form) -> String {
    let (toml, json) = match part {
        "version" => ("version = 1", "\"version\": 1"),
        "keys" => (
            "[keys.ci]",
            "\"keys\": {\"ci\": {\"public\": \"keys/ci.pub\"}}",
        ),
        KEY => (
            "{ public = \"keys/ci.pub\" }",
            "{\"public\": \"keys/ci.pub\"}",
        ),
        "public" => ("public = \"keys/ci.pub\"", "\"public\": \"keys/ci.pub\""),
        "allow-remote" => ("allow-remote = true", "\"allow-remote\": true"),
        "not-after" => (
            "not-after = 2027-01-31T00:00:00Z",
            "\"not-after\": \"2027-01-31T00:00:00Z\"",
        ),
        "revoked" => (
            "revoked = \"runner compromised on 2026-11-03\"",
            "\"revoked\": \"runner compromised on 2026-11-03\"",
        ),
        "rules" => (
            "[[rules]]",
            "\"rules\": [{\"images\": [\"**\"], \"require\": [{\"any\": [\"ci\"]}]}]",
        ),
        RULE => (
            "[[rules]]",
            "{\"images\": [\"**\"], \"require\": [{\"any\": [\"ci\"]}]}",
        ),
        "images" => (
            "images = [\"s3://my-bucket/**\"]",
            "\"images\": [\"s3://my-bucket/**\"]",
        ),
        "require" => (
            "require = [{ any = [\"ci\"] }]",
            "\"require\": [{\"any\": [\"ci\"]}]",
        ),
        REQUIREMENT => ("{ any = [\"ci\"] }", "{\"any\": [\"ci\"]}"),
        "any" => ("any = [\"ci\", \"qa\"]", "\"any\": [\"ci\", \"qa\"]"),
        "all" => ("all = [\"ci\", \"qa\"]", "\"all\": [\"ci\", \"qa\"]"),
        "at-least" => ("at-least = 2", "\"at-least\": 2"),
        "of" => ("of = [\"ci\", \"qa\"]", "\"of\": [\"ci\", \"qa\"]"),
        "min-schema" => ("min-schema = 2", "\"min-schema\": 2"),
        "deny-digests" => (
            "deny-digests = [\"sha256:…\"]",
            "\"deny-digests\": [\"sha256:…\"]",
        ),
        "deny" => (
            "deny = \"only releases are deployed\"",
            "\"deny\": \"only releases are deployed\"",
        ),
        other => (other, other),
    };
    match form {
        Form::Toml => toml,
        Form::Json => json,
    }
    .to_owned()
}

/// A key, as messages call it.
pub(super) const KEY: &str = "a key";

/// A rule, as messages call it.
pub(super) const RULE: &str = "a rule";

/// A requirement, as messages call it.
pub(super) const REQUIREMENT: &str = "a requirement";
