//! The manual pages of the packages, a page for each command.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command as Process;

use clap::Command;
use clap_mangen::Man;
use s3lo::cli::command_line;

/// The folder of the pages.
const FOLDER: &str = "docs/man";

/// Adds the page of a command, and of each of its subcommands. No page names a version: it would have to change with each.
fn add(command: &Command, pages: &mut BTreeMap<String, String>) {
    for command in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        add(command, pages);
    }
    let command = command.clone().version(None).long_version(None);
    let man = Man::new(command).source("s3lo").manual("s3lo");
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    pages.insert(man.get_filename(), String::from_utf8(page).unwrap());
}

fn pages() -> BTreeMap<String, String> {
    let mut program = command_line().disable_help_subcommand(true);
    program.build();
    let mut pages = BTreeMap::new();
    add(&program, &mut pages);
    pages
}

#[test]
fn the_manual_pages_are_what_the_declarations_give() {
    let (folder, wanted) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER), pages());
    if std::env::var_os("UPDATE_OPTIONS").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, page) in &wanted {
            std::fs::write(folder.join(name), page).unwrap();
        }
    }
    let there = std::fs::read_dir(&folder).unwrap();
    let there: BTreeMap<_, _> = there
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let differ = wanted.keys().chain(there.keys());
    let differ = differ.filter(|name| wanted.get(*name) != there.get(*name));
    let differ: Vec<_> = differ.collect();
    assert!(
        differ.is_empty(),
        "these pages are not what the commands' declarations give: run scripts/options\n{differ:#?}"
    );
    println!("{} pages", wanted.len());
}

#[test]
fn the_manual_pages_are_shown_without_a_warning() {
    let folder = tempfile::TempDir::new().unwrap();
    for (name, page) in pages() {
        let file = folder.path().join(&name);
        std::fs::write(&file, page).unwrap();
        let output = Process::new("man")
            .args(["--warnings", "-E", "UTF-8", "--local-file"])
            .arg(file)
            .env("LC_ALL", "C.UTF-8")
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .output()
            .expect("man is missing: `./test` installs it");
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && warnings.is_empty(),
            "{name}: {warnings}"
        );
        assert!(output.stdout.len() > 500, "{name}");
    }
}
