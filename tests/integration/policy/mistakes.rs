//! Mistakes in a policy, each with its place and the remedy.

use super::{FILE, policy, requires, sandbox, shown};

const ANY: &str = "{ any = [\"ci\"] }";

/// A policy with one rule, written as this.
fn rule(text: &str) -> String {
    policy(&format!("[[rules]]\n{text}\n"))
}

/// A policy whose key `ci` is written as this.
fn key(text: &str) -> String {
    requires(ANY).replacen("public = \"keys/ci.pub\"", text, 1)
}

/// A policy with a rule for these patterns.
fn images(patterns: &str) -> String {
    rule(&format!("images = [{patterns}]\nrequire = [{ANY}]"))
}

fn in_the_file() -> Vec<(&'static str, String)> {
    let good = requires(ANY);
    vec![
        ("no TOML", "version = \n".to_owned()),
        ("no JSON", "{\"version\": 1,\n \"keys\": }".to_owned()),
        ("no version", good.replace("version = 1\n", "")),
        (
            "another version",
            good.replace("version = 1", "version = 2"),
        ),
        (
            "a text as version",
            good.replace("version = 1", "version = \"1\""),
        ),
        ("an unknown field", format!("policy = 1\n{good}")),
        ("the same field twice", format!("version = 1\n{good}")),
        (
            "the same field twice in JSON",
            "{\"version\": 1,\n\"version\": 1}".to_owned(),
        ),
        (
            "no keys",
            "version = 1\n[[rules]]\nimages = [\"**\"]\ndeny = \"no\"\n".to_owned(),
        ),
        (
            "keys that are empty",
            "version = 1\n[keys]\n[[rules]]\nimages = [\"**\"]\ndeny = \"no\"\n".to_owned(),
        ),
        ("no rules", policy("")),
        (
            "rules that are empty",
            policy("").replacen("version = 1", "version = 1\nrules = []", 1),
        ),
        ("rules as one table", policy("[rules]\nimages = [\"**\"]\n")),
    ]
}

fn in_keys() -> Vec<(&'static str, String)> {
    let named = |name: &str| requires(ANY).replacen("[keys.ci]", &format!("[keys.{name}]"), 1);
    vec![
        ("a name with a blank", named("\"the ci\"")),
        ("a name that begins with a dash", named("-ci")),
        ("an empty name", named("\"\"")),
        ("no public key", key("not-after = 2027-01-31T00:00:00Z")),
        (
            "a misspelt field",
            key("public = \"keys/ci.pub\"\nrevokd = \"x\""),
        ),
        ("an absolute path", key("public = \"/etc/s3lo/ci.pub\"")),
        ("a path that leads out", key("public = \"../ci.pub\"")),
        ("an empty path", key("public = \"\"")),
        ("a URL", key("public = \"https://example.com/ci.pub\"")),
        ("a variable", key("public = \"env://CI_KEY\"")),
        (
            "a PEM that is cut",
            key("public = \"-----BEGIN PUBLIC KEY-----\\nMC\""),
        ),
        (
            "a key service that is not allowed",
            key("public = \"awskms:///alias/release\""),
        ),
        (
            "a key service that is not allowed, in so many words",
            key("public = \"awskms:///alias/release\"\nallow-remote = false"),
        ),
        (
            "a file that is allowed to be remote",
            key("public = \"keys/ci.pub\"\nallow-remote = true"),
        ),
        (
            "a malformed name of a key in a service",
            key("public = \"awskms://\"\nallow-remote = true"),
        ),
        (
            "a revoked name",
            key("public = \"awskms:///alias/release\"\nallow-remote = true\nrevoked = \"lost\""),
        ),
        (
            "a name that ends",
            key(
                "public = \"hashivault://ci\"\nallow-remote = true\nnot-after = 2027-01-31T00:00:00Z",
            ),
        ),
        (
            "a revocation without a reason",
            key("public = \"keys/ci.pub\"\nrevoked = \" \""),
        ),
        (
            "a revocation by true",
            key("public = \"keys/ci.pub\"\nrevoked = true"),
        ),
        (
            "a day as an end",
            key("public = \"keys/ci.pub\"\nnot-after = 2027-01-31"),
        ),
        (
            "a time without its offset",
            key("public = \"keys/ci.pub\"\nnot-after = 2027-01-31T00:00:00"),
        ),
        (
            "a text as an end",
            key("public = \"keys/ci.pub\"\nnot-after = \"tomorrow\""),
        ),
    ]
}

fn in_rules() -> Vec<(&'static str, String)> {
    let with = |line: &str| requires(ANY) + line + "\n";
    let requirement = |text: &str| requires(text);
    vec![
        ("no images", rule(&format!("require = [{ANY}]"))),
        ("images that are empty", images("")),
        (
            "a text as images",
            rule(&format!("images = \"**\"\nrequire = [{ANY}]")),
        ),
        (
            "the same pattern twice",
            images("\"s3://b/a\", \"s3://b/a\""),
        ),
        (
            "the same pattern in two rules",
            images("\"s3://b/*\"")
                + &images("\"s3://b/*\"")["version = 1\n".len()..]
                    .split_once("[[rules]]")
                    .map(|(_, rule)| format!("[[rules]]{rule}"))
                    .unwrap(),
        ),
        ("a tag in a pattern", images("\"s3://b/a:v1\"")),
        ("a digest in a pattern", images("\"s3://b/a@sha256:00\"")),
        ("no scheme in a pattern", images("\"b/a\"")),
        ("a star alone", images("\"*\"")),
        ("three stars", images("\"s3://b/***\"")),
        ("a character of a glob", images("\"s3://b/[ab]\"")),
        ("a pattern that nothing matches", images("\"s3://b\"")),
        ("no requirement", rule("images = [\"**\"]")),
        (
            "requirements that are empty",
            rule("images = [\"**\"]\nrequire = []"),
        ),
        (
            "a name in the place of a requirement",
            requirement("\"ci\""),
        ),
        (
            "a requirement of no kind",
            requirement("{ some = [\"ci\"] }"),
        ),
        (
            "a requirement of two kinds",
            requirement("{ any = [\"ci\"], all = [\"ci\"] }"),
        ),
        ("a number without a list", requirement("{ at-least = 1 }")),
        ("a list without a number", requirement("{ of = [\"ci\"] }")),
        ("an empty list", requirement("{ any = [] }")),
        ("a key that there is not", requirement("{ any = [\"cl\"] }")),
        (
            "a key twice in one list",
            requirement("{ any = [\"ci\", \"ci\"] }"),
        ),
        (
            "a number of zero",
            requirement("{ at-least = 0, of = [\"ci\"] }"),
        ),
        (
            "a number below zero",
            requirement("{ at-least = -1, of = [\"ci\"] }"),
        ),
        (
            "a number that cannot be reached",
            requirement("{ at-least = 3, of = [\"ci\", \"qa\"] }"),
        ),
        (
            "a fraction",
            requirement("{ at-least = 1.5, of = [\"ci\", \"qa\"] }"),
        ),
        ("another schema", with("min-schema = 3")),
        ("a text as schema", with("min-schema = \"2\"")),
        (
            "a digest that is none",
            with("deny-digests = [\"sha256:abc\"]"),
        ),
        ("deny beside requirements", with("deny = \"no\"")),
        (
            "deny without a reason",
            rule("images = [\"**\"]\ndeny = \"\""),
        ),
        ("deny by true", rule("images = [\"**\"]\ndeny = true")),
        (
            "deny beside the schema",
            rule("images = [\"**\"]\ndeny = \"no\"\nmin-schema = 2"),
        ),
    ]
}

/// Every answer, in the order of the cases.
fn answers(cases: Vec<(&str, String)>) -> String {
    let mut page = String::new();
    for (title, policy) in cases {
        let sandbox = sandbox(&policy);
        let run = sandbox.s3lo(&format!("policy check {FILE}"));
        page += &format!("# {title}\n{}\n", shown(&run));
        let json = sandbox.s3lo(&format!("policy check {FILE} -o json"));
        let json = json.json();
        assert_eq!(json["error"]["code"], "bad_policy", "{title}: {json}");
    }
    page
}

#[test]
fn the_file() {
    insta::assert_snapshot!(answers(in_the_file()));
}

#[test]
fn keys() {
    insta::assert_snapshot!(answers(in_keys()));
}

#[test]
fn rules() {
    insta::assert_snapshot!(answers(in_rules()));
}
