//! The forms of an issue are ones that GitHub shows, and ask nobody for a secret.

use std::collections::BTreeSet;

use yaml_serde::Value;

use crate::ci::examples::parsed;
use crate::cli::documentation::{root, text};

const FOLDER: &str = ".github/ISSUE_TEMPLATE";

const FORMS: [&str; 2] = ["bug.yml", "question.yml"];

fn keys(value: &Value) -> BTreeSet<&str> {
    let entries = value.as_mapping().into_iter().flatten();
    entries.map(|(name, _)| name.as_str().unwrap()).collect()
}

fn form(name: &str) -> Value {
    parsed(&text(&format!("{FOLDER}/{name}")))
}

/// <https://docs.github.com/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema>
#[test]
fn each_form_is_one_that_github_shows() {
    for name in FORMS {
        let form = form(name);
        assert_eq!(
            keys(&form),
            ["body", "description", "labels", "name"].into(),
            "{name}"
        );
        let mut ids = BTreeSet::new();
        for element in form["body"].as_sequence().unwrap() {
            let attributes = keys(&element["attributes"]);
            let kind = element["type"].as_str().unwrap();
            let (allowed, needed): (&[_], &[_]) = match kind {
                "markdown" => (&["value"], &["value"]),
                "input" => (&["label", "description"], &["label"]),
                "textarea" => (&["label", "description", "render"], &["label"]),
                "dropdown" => (&["label", "description", "options"], &["label", "options"]),
                _ => panic!("{name}: {kind}"),
            };
            assert!(
                attributes.is_subset(&allowed.iter().copied().collect()),
                "{name}: {attributes:?}"
            );
            assert!(
                needed.iter().all(|needed| attributes.contains(needed)),
                "{name}: {attributes:?}"
            );
            if kind == "markdown" {
                assert!(element["id"].is_null(), "{name}");
                continue;
            }
            let id = element["id"].as_str().unwrap();
            assert!(
                id.bytes().all(|byte| byte.is_ascii_lowercase()),
                "{name}: {id}"
            );
            assert!(ids.insert(id.to_owned()), "{name}: {id} twice");
            let validations = &element["validations"];
            assert!(
                validations.is_null() || validations["required"].is_bool(),
                "{name}: {id}"
            );
        }
        assert!(!ids.is_empty(), "{name}");
    }
}

#[test]
fn a_bug_comes_with_its_error_and_without_secrets() {
    let bug = form("bug.yml");
    let elements = bug["body"].as_sequence().unwrap();
    for id in ["error", "version", "system"] {
        let element = elements.iter().find(|element| element["id"] == id).unwrap();
        assert_eq!(element["validations"]["required"], true, "{id}");
    }
    for name in FORMS {
        let first = form(name)["body"][0]["attributes"]["value"].clone();
        assert!(
            first.as_str().unwrap().contains("Paste no secrets"),
            "{name}"
        );
    }
}

#[test]
fn vulnerabilities_are_reported_in_private_and_links_lead_to_pages() {
    let config = form("config.yml");
    assert_eq!(config["blank_issues_enabled"], false);
    let links = config["contact_links"].as_sequence().unwrap();
    for link in links {
        assert_eq!(keys(link), ["about", "name", "url"].into());
    }
    assert!(
        links[0]["url"]
            .as_str()
            .unwrap()
            .ends_with("/security/advisories/new")
    );
    let forms = FORMS.iter().chain(&["config.yml"]);
    let all: String = forms
        .map(|name| text(&format!("{FOLDER}/{name}")))
        .collect();
    let links: Vec<_> = all
        .split("https://github.com/s3lo/sign-action/blob/main/")
        .skip(1)
        .map(|rest| rest.split([')', '\n']).next().unwrap())
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        assert!(root().join(link).exists(), "{link}");
    }
}
