//! The pictures of the documentation: each is on a page, in words too, and those that are drawn by hand are readable on a
//! dark page as on a light one.

use crate::cli::documentation::{pages, root, text};
use crate::support::files;

/// Those of which a script draws each on a light ground: `scripts/pictures`.
const SUMMARY: &str = "summary-";

fn pictures() -> Vec<String> {
    files(&root().join("docs/pictures"))
}

#[test]
fn every_picture_is_on_a_page_and_described_there() {
    let pages: String = pages().iter().map(|page| text(page)).collect();
    for name in pictures() {
        let shown = pages.split("![").skip(1).find_map(|image| {
            let (description, rest) = image.split_once("](")?;
            let (target, _) = rest.split_once(')')?;
            target
                .ends_with(&format!("pictures/{name}"))
                .then_some(description)
        });
        let description = shown.unwrap_or_else(|| panic!("no page shows {name}"));
        assert!(description.split(' ').count() > 20, "{name}: {description}");
    }
}

#[test]
fn a_drawing_is_named_and_has_the_colours_of_a_dark_page() {
    let mut drawn = 0;
    for name in pictures() {
        if name.starts_with(SUMMARY) {
            continue;
        }
        let picture = text(&format!("docs/pictures/{name}"));
        let (head, body) = picture.split_once("</style>").unwrap();
        assert!(head.contains(" role=\"img\" aria-label=\""), "{name}");
        assert!(head.contains("<title>"), "{name}");
        let (light, dark) = head
            .split_once("@media(prefers-color-scheme:dark){")
            .unwrap();
        // Every colour is one of a class, and every class has another in the dark.
        for attribute in [" fill=", " stroke="] {
            assert!(!body.contains(attribute), "{name}: {attribute}");
        }
        let (_, light) = light.split_once("<style>").unwrap();
        for rule in light.split('}').filter(|rule| rule.contains('#')) {
            let class = rule.split('{').next().unwrap().trim();
            assert!(dark.contains(&format!("{class}{{")), "{name}: {class}");
        }
        drawn += 1;
    }
    assert!(drawn >= 5, "{drawn}");
}

/// A tree whose leaves are the rows of its page.
#[test]
fn the_tree_for_those_on_call_has_the_lines_of_the_page() {
    let page = text("docs/on-call.md");
    let (_, table) = page.split_once("\n| the log says |").unwrap();
    let tree = text("docs/pictures/on-call.svg");
    let mut lines = 0;
    for part in tree.split("<text class=\"mono\"").skip(1) {
        let (_, line) = part.split_once('>').unwrap();
        let (line, _) = line.split_once('<').unwrap();
        for word in line.split(", ").flat_map(|line| line.split(" … ")) {
            let word = word.trim_start_matches("any other ");
            assert!(table.contains(word), "{word}");
            lines += 1;
        }
    }
    assert!(lines > 10, "{lines}");
}
