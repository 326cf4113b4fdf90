//! The documentation as a whole: every page is in the contents, every block is of its language, and the website that
//! mdBook makes of the pages has no link that leads nowhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::cli::documentation::{blocks, pages, root, text};
use crate::support::files;
use crate::support::program::Sandbox;
use crate::support::tools::tool;

#[test]
fn every_page_is_in_the_contents() {
    let listed: BTreeSet<_> = pages().into_iter().collect();
    for name in files(&root().join("docs")) {
        let page = format!("docs/{name}");
        if page.ends_with(".md") && page != "docs/SUMMARY.md" {
            assert!(listed.contains(&page), "{page}");
        }
    }
}

/// A door, not a book.
#[test]
fn the_readme_is_short() {
    let lines = text("README.md").lines().count();
    assert!(lines <= 200, "{lines} lines");
}

#[test]
fn every_block_is_of_its_language() {
    let (mut json, mut yaml) = (0, 0);
    for page in pages() {
        let text = text(&page);
        for block in blocks(&text, "json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block);
            parsed.unwrap_or_else(|error| panic!("{page}: {error}: {block}"));
            json += 1;
        }
        for block in blocks(&text, "yaml") {
            let parsed: Result<Vec<yaml_serde::Value>, _> =
                yaml_serde::Deserializer::from_str(&block)
                    .map(serde::Deserialize::deserialize)
                    .collect();
            parsed.unwrap_or_else(|error| panic!("{page}: {error}: {block}"));
            yaml += 1;
        }
        let of_none = text.lines().filter(|line| *line == "```").count();
        let fences = text.lines().filter(|line| line.starts_with("```")).count();
        assert_eq!(of_none * 2, fences, "{page}: a block without a language");
    }
    println!("{json} blocks of JSON, {yaml} of YAML");
}

/// The page for newcomers, command by command.
#[test]
fn what_the_page_for_newcomers_prints_runs_as_printed() {
    let mut sandbox = Sandbox::new();
    let bin = sandbox.file("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s3lo"), bin.join("s3lo")).unwrap();
    sandbox.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    let page = text("docs/try.md");
    let commands = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ "));
    let commands: Vec<_> = commands.collect();
    let (last, before) = commands.split_last().unwrap();
    assert_eq!(before.len(), 5);
    let run = |script: &str| {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(sandbox.path())
            .env_clear()
            .envs(sandbox.environment())
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).unwrap())
    };
    let (code, printed) = run(&before.join("\n"));
    assert_eq!(code, Some(0), "{printed}");
    let (code, printed) = run(last);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("manifest changed"), "{printed}");
    let listed = "s3lo inspect local://./demo/hello:v1";
    assert!(page.contains(listed));
    assert_eq!(run(listed).0, Some(0));
}

#[test]
fn no_link_of_the_website_leads_nowhere() {
    let folder = tempfile::TempDir::new().unwrap();
    let mdbook = tool("mdbook");
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(root().join("scripts/book"))
        .arg(folder.path())
        .env(
            "PATH",
            format!("{}:{path}", mdbook.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(
        !printed.contains("WARN") && !printed.contains("ERROR"),
        "{printed}"
    );
    let site = folder.path().join("book");
    let mut followed = 0;
    for name in files(&site).iter().filter(|name| name.ends_with(".html")) {
        // The chapters in one, whose links are those of the chapters.
        if ["print.html", "404.html", "toc.html"].contains(&name.as_str()) {
            continue;
        }
        let page = std::fs::read_to_string(site.join(name)).unwrap();
        let (_, main) = page.split_once("<main>").unwrap();
        let (main, _) = main.split_once("</main>").unwrap();
        for attribute in ["href=\"", "src=\""] {
            for link in main.split(attribute).skip(1) {
                let target = link.split('"').next().unwrap();
                if !target.contains("://") && !target.starts_with("mailto:") {
                    check(&site, name, target);
                    followed += 1;
                }
            }
        }
    }
    assert!(followed > 300, "{followed}");
}

fn check(site: &Path, page: &str, target: &str) {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() { page } else { file };
    let there = std::fs::read_to_string(site.join(file));
    if anchor.is_empty() {
        assert!(site.join(file).exists(), "{page}: {target}");
    } else {
        let there = there.unwrap_or_else(|error| panic!("{page}: {target}: {error}"));
        assert!(
            there.contains(&format!("id=\"{anchor}\"")),
            "{page}: {target}"
        );
    }
}

/// The names of all fields in a document.
fn fields(json: &serde_json::Value, names: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                // Those are named by what they are about.
                if name != "facts" {
                    fields(value, names);
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn every_field_of_json_is_documented() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COSIGN_PASSWORD", "secret");
    sandbox.write("eks.toml", include_str!("../gate/configs/eks.toml"));
    let mut names = BTreeSet::new();
    for (line, code) in [
        ("demo", 0),
        ("gate check --config eks.toml --gate-config none.toml", 1),
        ("doctor local://./demo/hello:v1 --key cosign.key", 0),
        ("sign local://./demo/hello:v1 --key cosign.key --dry-run", 0),
        ("sign local://./demo/hello:v1 --key cosign.key", 0),
        (
            "verify local://./demo/hello:v1 --key cosign.pub --key keys/p384.pub",
            0,
        ),
        ("verify local://./demo/hello:v1 --key keys/p384.pub", 1),
        ("verify local://./demo/hello:v2 --key cosign.pub", 2),
        ("inspect local://./demo/hello:v1 --key cosign.pub", 0),
        ("public-key --key cosign.pub", 0),
        ("generate-key-pair --output-key-prefix other", 0),
        ("version", 0),
    ] {
        let run = sandbox
            .s3lo(&format!("{line} --output json"))
            .ends_with(code);
        fields(&run.json(), &mut names);
    }
    let page = text("docs/json.md");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

/// The variables of AWS, of the network and of keys, as the source names them.
#[test]
fn every_variable_is_documented() {
    let page = text("docs/environment.md");
    let mut found = 0;
    for name in files(&root().join("src")) {
        let source = text(&format!("src/{name}"));
        let (source, _) = source.split_once("mod tests").unwrap_or((&source, ""));
        for word in source.split('"').skip(1).step_by(2) {
            let of_ours = ["AWS_", "SSL_CERT_", "COSIGN_", "TRANSIT_"];
            let is_name = word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            // One of GitLab's, and prefixes.
            let is_other = word == "AWS_ID_TOKEN" || word.ends_with('_');
            if is_name && !is_other && of_ours.iter().any(|prefix| word.starts_with(prefix)) {
                assert!(page.contains(word), "{name}: {word}");
                found += 1;
            }
        }
    }
    assert!(found > 30, "{found}");
}
