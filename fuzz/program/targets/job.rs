//! A job's environment is understood or refused: each option once, in lines. And no foreign text ends a cell of a
//! table or a line of outputs, or begins markup of its own.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use libfuzzer_sys::fuzz_target;
use s3lo::ci::inputs::{Kind, OptionSpec, UnknownPolicy, Value, resolve};
use s3lo::ci::{markup, outputs};

fuzz_target!(|bytes: &[u8]| {
    let known = [
        OptionSpec::new("reference", Kind::Several),
        OptionSpec::new("if-signed", Kind::One),
        OptionSpec::new("verbose", Kind::Flag),
        OptionSpec::new("password", Kind::Secret),
    ];
    let variables = bytes.split(|byte| *byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let text = |part: &[u8]| OsString::from_vec(part.to_vec());
        Some((text(&variable[..at]), text(&variable[at + 1..])))
    });
    let strict = UnknownPolicy {
        command: "sign",
        other: ("verify", &[]),
        inputs: true,
    };
    let Ok(given) = resolve(&known, variables, Some(&strict)) else {
        return;
    };
    let mut names: Vec<_> = given.iter().map(|given| given.name.clone()).collect();
    names.dedup();
    assert_eq!(names.len(), given.len());
    for said in given.into_iter().map(|given| given.said) {
        let Value::Lines(lines) = said else { continue };
        for line in lines {
            assert!(!line.is_empty() && !line.contains('\n') && line.trim() == line);
            let code = markup::code(&line);
            let inside = code
                .strip_prefix("<code>")
                .and_then(|code| code.strip_suffix("</code>"));
            let inside = inside.expect("its own tags").replace("<wbr>", "");
            assert!(
                !inside.contains(['|', '`', '<', '>', '\n', '\r', '[', '*', '_', '\\']),
                "{inside}"
            );
            let variables = outputs::dotenv(&vec![("digest", line)], "SIGN");
            assert!(variables.lines().count() <= 1 && !variables.contains(['$', ' ', ';', '"']));
        }
    }
});
