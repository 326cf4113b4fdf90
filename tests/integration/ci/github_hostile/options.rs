//! Hostile inputs.

use super::{fits_a_variable, is_shown_and_never_obeyed};
use crate::ci::github::signer;

#[test]
fn an_input_that_means_nothing_is_a_text() {
    for input in ["timeout", "summary"] {
        is_shown_and_never_obeyed(&format!("the input {input}"), |text| {
            let runner = signer().with(input, &format!("a{text}z")).debugging();
            fits_a_variable(text).then(|| runner.run())
        });
    }
}

#[test]
fn an_address_is_a_text() {
    for (input, beside, value) in [
        ("endpoint", "reference", "s3://my-bucket/myapp:v1"),
        ("vault-address", "key", "hashivault://ci-signer"),
    ] {
        is_shown_and_never_obeyed(&format!("the input {input}"), |text| {
            // No address has a path, so that none of these is asked.
            let runner = signer().with(input, &format!("http://127.0.0.1:1/?a{text}z"));
            let runner = runner
                .with(beside, value)
                .env("VAULT_TOKEN", "hvs.canary-of-a-token");
            fits_a_variable(text).then(|| runner.debugging().run())
        });
    }
}

#[test]
fn a_file_that_cannot_be_written_has_a_name_all_the_same() {
    is_shown_and_never_obeyed("the input output-file", |text| {
        let runner = signer().with("output-file", &format!("nowhere/a{text}z"));
        fits_a_variable(text).then(|| runner.debugging().run())
    });
}

#[test]
fn an_input_s_name_is_a_text() {
    is_shown_and_never_obeyed("the name of an input", |text| {
        let name = format!("a{text}z");
        let can_be = fits_a_variable(&name) && !name.contains('=');
        can_be.then(|| signer().with(&name, "x").debugging().run())
    });
}
