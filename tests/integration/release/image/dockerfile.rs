//! The Dockerfile, read as text: its first stage needs a registry, which no test asks.

use std::process::Command;

use super::root;

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The instructions with their arguments, each on one line.
fn instructions() -> Vec<(String, String)> {
    let file = text("Dockerfile");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let whole = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = whole.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, arguments) = line.split_once(' ').unwrap();
            (name.to_owned(), arguments.trim().to_owned())
        })
        .collect()
}

/// The base of a stage, its name, and its instructions.
struct Stage {
    base: String,
    name: Option<String>,
    instructions: Vec<(String, String)>,
}

/// The stages; the lines before the first are omitted.
fn stages() -> Vec<Stage> {
    let mut stages = Vec::<Stage>::new();
    for (name, arguments) in instructions() {
        if name == "FROM" {
            let (base, name) = match arguments.split_once(" AS ") {
                Some((base, name)) => (base.to_owned(), Some(name.to_owned())),
                None => (arguments, None),
            };
            stages.push(Stage {
                base,
                name,
                instructions: Vec::new(),
            });
        } else if let Some(stage) = stages.last_mut() {
            stage.instructions.push((name, arguments));
        }
    }
    stages
}

fn stage(wanted: Option<&str>) -> Vec<(String, String)> {
    let mut all = stages().into_iter();
    let found = all.find(|stage| stage.name.as_deref() == wanted);
    found.unwrap().instructions
}

fn arguments<'a>(instructions: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let of_name = instructions.iter().filter(|(known, _)| known == name);
    of_name.map(|(_, arguments)| arguments.as_str()).collect()
}

/// Dependabot raises the tag and the digest of a base together, where a FROM names both: not in an ARG.
#[test]
fn every_base_has_a_full_name_a_full_version_and_a_digest() {
    let bases: Vec<_> = stages().into_iter().map(|stage| stage.base).collect();
    let [rust, scratch, built, busybox, shell, last] = &bases[..] else {
        panic!("{bases:?}");
    };
    assert_eq!(
        [scratch, built, shell, last],
        ["scratch", "built", "busybox", "scratch"]
    );
    let tag_of = |base: &str| {
        let (tag, digest) = base.split_once("@sha256:").unwrap();
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(digest.len() == 64 && digest.bytes().all(hex), "{base}");
        tag.to_owned()
    };
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .unwrap();
    assert_eq!(
        tag_of(rust),
        format!(
            "docker.io/library/rust:{}-slim-bookworm",
            channel.trim_matches('"')
        )
    );
    let busybox = tag_of(busybox);
    let version = busybox.strip_prefix("docker.io/library/busybox:").unwrap();
    let numbers: Vec<_> = version.strip_suffix("-musl").unwrap().split('.').collect();
    assert!(numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok()));
}

#[test]
fn the_last_stage_is_the_image_without_a_shell() {
    let names: Vec<_> = stages().into_iter().map(|stage| stage.name).collect();
    let names: Vec<_> = names.iter().map(Option::as_deref).collect();
    let named = ["build", "built", "binary", "busybox", "shell"].map(Some);
    assert_eq!(names, [&named[..], &[None]].concat());
}

#[test]
fn both_images_are_made_alike_of_the_stage_that_a_release_replaces() {
    for name in [None, Some("shell")] {
        let stage = stage(name);
        // Nothing is run, so that one machine makes the images of all.
        for (instruction, _) in &stage {
            let known = ["ARG", "LABEL", "ENV", "COPY", "ENTRYPOINT", "CMD"];
            assert!(known.contains(&instruction.as_str()), "{instruction}");
        }
        assert_eq!(
            arguments(&stage, "COPY"),
            [
                "--from=binary /s3lo /usr/local/bin/s3lo",
                "--from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
            ]
        );
        let form = |instruction: &str| -> Vec<Vec<String>> {
            let arguments = arguments(&stage, instruction).into_iter();
            let forms = arguments.map(|form| serde_json::from_str(form).unwrap());
            forms.collect()
        };
        // Jenkins starts an image as `IMAGE cat`, GitLab as `IMAGE sh`: an entrypoint would take that for a command.
        let (entrypoint, command): (&[&[&str]], &str) = match name {
            Some(_) => (&[], "sh"),
            None => (&[&["/usr/local/bin/s3lo"]], "ci"),
        };
        assert_eq!(form("ENTRYPOINT"), entrypoint);
        assert_eq!(form("CMD"), [[command]]);
    }
}

#[test]
fn nothing_is_fetched_that_is_not_named_here() {
    for (instruction, arguments) in instructions() {
        // Those that fetch by themselves, and what only BuildKit understands.
        assert!(
            !["ADD", "ONBUILD", "SHELL", "USER"].contains(&instruction.as_str()),
            "{instruction}"
        );
        assert!(
            !arguments.contains("--mount") && !arguments.contains("<<"),
            "{arguments}"
        );
        assert!(
            !arguments.contains("://") || instruction == "LABEL",
            "{arguments}"
        );
        assert!(!arguments.contains("latest"), "{arguments}");
        // Empty in docker's classic builder, which a machine without its plug-in buildx has.
        assert!(
            !arguments.contains("TARGET") && !arguments.contains("PLATFORM"),
            "{arguments}"
        );
    }
    let text = text("Dockerfile");
    assert!(!text.contains("# syntax=") && !text.contains("# escape="));
}

#[test]
fn the_build_is_that_of_a_release() {
    let build = stage(Some("build"));
    let runs = arguments(&build, "RUN");
    for run in &runs {
        let shell = Command::new("sh").args(["-n", "-c", run]).output().unwrap();
        assert!(shell.status.success(), "{run}");
    }
    let cargo = runs.iter().find(|run| run.starts_with("cargo ")).unwrap();
    let line = r#"cargo build --locked --release --target "$(uname -m)-unknown-linux-musl""#;
    assert_eq!(*cargo, line);
}

#[test]
fn the_builder_is_sent_what_the_program_is_built_from_and_nothing_else() {
    let ignored = text(".dockerignore");
    let mut rules = ignored
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"));
    let mut sent: Vec<_> = rules.map(|rule| rule.strip_prefix('!').unwrap()).collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [
            ".cargo",
            "Cargo.lock",
            "Cargo.toml",
            "build.rs",
            "core",
            "src",
            "testing/servers/Cargo.toml"
        ]
    );
    for name in &sent {
        assert!(root().join(name).exists(), "{name}");
    }
    // And the files that a source includes lie beside it.
    for name in crate::support::files(&root().join("src")) {
        let source = text(&format!("src/{name}"));
        for taken in source.split("include_").skip(1) {
            assert!(!taken.contains("(\"../../"), "{name}");
        }
    }
}
