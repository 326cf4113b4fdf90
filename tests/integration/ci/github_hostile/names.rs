//! Hostile names of images and keys.

use std::fs;

use super::{fits_a_variable, is_shown_and_never_obeyed};
use crate::ci::github::{IMAGE, VERIFY, signer};
use crate::support::github_runner::{Runner, Step};
use crate::support::{MANIFEST, plain_key};

/// Runs a step for an image, which is in the store if a store can have it.
fn of_image(runner: Runner, name: &str) -> Option<Step> {
    let reference = format!("local://./store/{name}");
    if !fits_a_variable(&reference) {
        return None;
    }
    let (image, tag) = name.rsplit_once(':')?;
    let folder = runner.file(&format!("store/manifests/{image}/{tag}"));
    if fs::create_dir_all(&folder).is_ok() {
        fs::write(folder.join("manifest.json"), MANIFEST).unwrap();
    }
    Some(runner.with("reference", &reference).debugging().run())
}

#[test]
fn an_image_s_name_and_tag_are_texts() {
    is_shown_and_never_obeyed("a tag that is signed", |text| {
        of_image(signer(), &format!("myapp:v1{text}z"))
    });
    is_shown_and_never_obeyed("an image that is not verified", |text| {
        let gate = signer().then_uses(VERIFY).with("key", "plain.key");
        of_image(gate, &format!("my{text}app:v1"))
    });
}

#[test]
fn an_image_that_is_not_there_has_a_name_all_the_same() {
    is_shown_and_never_obeyed("one of two images, that is not there", |text| {
        let images = format!("{IMAGE}\nlocal://./store/my{text}app:v1");
        let runner = signer().with("reference", &images).debugging();
        fits_a_variable(text).then(|| runner.run())
    });
}

#[test]
fn the_names_of_the_tags_that_there_are_are_texts() {
    // Every user that may push decides what an error lists.
    is_shown_and_never_obeyed("a tag beside the one that is asked for", |text| {
        let signer = signer();
        let tag = signer.file("store/manifests/myapp");
        let tag = tag.join(text.replace('/', "-"));
        fs::create_dir(&tag).ok()?;
        fs::write(tag.join("manifest.json"), MANIFEST).unwrap();
        let other = signer.with("reference", "local://./store/myapp:v9");
        Some(other.debugging().run())
    });
}

#[test]
fn a_reference_that_is_none_is_a_text() {
    is_shown_and_never_obeyed("an invalid reference", |text| {
        let runner = signer().with("reference", &format!("{text}z")).debugging();
        fits_a_variable(text).then(|| runner.run())
    });
}

#[test]
fn a_key_s_name_is_a_text() {
    is_shown_and_never_obeyed("the name of a key file", |text| {
        let signer = signer();
        let name = format!("keys/a{text}z.key");
        if !fits_a_variable(text) {
            return None;
        }
        // Some are names that a file can have.
        let _ = fs::write(signer.file(&name), plain_key());
        Some(signer.with("key", &name).debugging().run())
    });
    is_shown_and_never_obeyed("the name of a variable", |text| {
        let runner = signer().with("key", &format!("env://A{text}Z")).debugging();
        fits_a_variable(text).then(|| runner.run())
    });
    is_shown_and_never_obeyed("the name of a key in Vault", |text| {
        // There is no request: its address is unknown.
        let runner = signer().env("VAULT_TOKEN", "hvs.canary-of-a-token");
        let runner = runner.with("key", &format!("hashivault://a{text}z"));
        fits_a_variable(text).then(|| runner.debugging().run())
    });
}
