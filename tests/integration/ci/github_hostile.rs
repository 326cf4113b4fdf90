//! Hostile texts in a GitHub step are shown and never obeyed: no foreign command is carried out, no output is
//! injected, and the summary keeps its shape.

mod cases;
mod markdown;
mod names;
mod options;
mod reports;
mod services;
mod store;

use std::collections::BTreeMap;

use self::cases::{CASES, HARMLESS};
use self::markdown::shape;
use crate::support::github_runner::Step;

/// The outcome of a step: its exit code, and the status or the error code of each result.
type Outcome = (Option<i32>, Vec<String>);

/// The way in which a step reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Manner {
    commands: Vec<String>,
    outputs: Vec<String>,
    summary: Vec<String>,
    masks: usize,
}

/// Tries every case where a text can come from. `run` is given the text, and gives nothing where such a text
/// cannot come from there. The outcome of a hostile text has to be reported like that of a harmless one.
#[track_caller]
fn is_shown_and_never_obeyed(place: &str, mut run: impl FnMut(&str) -> Option<Step>) {
    let mut manners: BTreeMap<Outcome, Manner> = BTreeMap::new();
    for text in HARMLESS {
        if let Some(step) = run(text) {
            let (outcome, manner) = observed(step, place, text);
            manners.insert(outcome, manner);
        }
    }
    let mut tried = 0;
    for (name, text, times) in CASES {
        let text = text.repeat(times);
        let Some(step) = run(&text) else {
            continue;
        };
        tried += 1;
        let (outcome, manner) = observed(step, place, name);
        if !manners.contains_key(&outcome)
            && let Some(step) = run(&tamed(&text))
        {
            let (outcome, manner) = observed(step, place, "harmless lines");
            manners.insert(outcome, manner);
        }
        let harmless = manners.get(&outcome);
        let harmless = harmless
            .unwrap_or_else(|| panic!("{place}, {name}: nothing harmless ends in {outcome:?}"));
        assert_eq!(&manner, harmless, "{place}, {name}");
    }
    let all = CASES.len();
    println!("{place}: {tried} of {all} cases tried, none obeyed");
    assert!(tried >= 40, "{place}: {tried}");
}

/// As many lines of the same lengths, none of which means harm.
fn tamed(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').collect();
    let harmless = lines.iter().map(|line| {
        // The same for the same.
        let number = lines.iter().position(|first| first == line).unwrap();
        match line.trim() {
            "" => String::new(),
            _ => format!("x{number}{}", "x".repeat(line.len()))[..line.len()].to_owned(),
        }
    });
    harmless.collect::<Vec<_>>().join("\n")
}

/// The outcome of a step, and the way in which it was reported, which contains nothing but the program's own markup.
#[track_caller]
fn observed(step: Step, place: &str, name: &str) -> (Outcome, Manner) {
    println!("{place}, {name}");
    let code = step.code.unwrap_or_default();
    let step = step.ends_with(code);
    let kinds = step.kinds().into_iter();
    let commands: Vec<_> = kinds.filter(|kind| *kind != "debug").collect();
    let masks = step.count("add-mask");
    let mut rest = &commands[masks..];
    for ours in [
        &["group", "stop-commands", "endgroup"][..],
        &["stop-commands"],
    ] {
        rest = rest.strip_prefix(ours).unwrap_or(rest);
    }
    assert!(
        matches!(rest, ["notice" | "error"]),
        "{place}, {name}: {commands:?}"
    );
    let one = step.annotation();
    let title = one.title.as_deref().unwrap();
    assert!(!title.contains('\n'), "{place}, {name}: {title}");
    let mut lines = one.message.lines();
    let theirs = lines.find(|line| line.trim_start().starts_with("::"));
    assert_eq!(theirs, None, "{place}, {name}");
    for text in [&step.out, &step.summary, &one.message, title] {
        let found = text.chars().find(|c| moves(*c));
        assert!(found.is_none(), "{place}, {name}: {found:?} in {text:?}");
    }
    for (output, value) in &step.outputs {
        let found = value.chars().find(|c| *c < ' ');
        assert!(found.is_none(), "{place}, {name}: {found:?} in {output}");
    }
    let shape = shape(&step.summary);
    let shape = shape.unwrap_or_else(|why| panic!("{place}, {name}: {why}\n{}", step.summary));
    let results = step.results().into_iter();
    let each = |one: serde_json::Value| {
        let word = one["error"]["code"].as_str();
        let word = word.or_else(|| one["status"].as_str());
        word.unwrap_or_default().to_owned()
    };
    let manner = Manner {
        commands: commands.into_iter().map(str::to_owned).collect(),
        outputs: step.output_names().into_iter().map(str::to_owned).collect(),
        summary: shape,
        masks,
    };
    ((step.code, results.map(each).collect()), manner)
}

/// Whether a character moves what stands around it, or hides.
fn moves(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Whether a variable can hold a text.
fn fits_a_variable(text: &str) -> bool {
    !text.contains('\0')
}
