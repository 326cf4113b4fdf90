//! A job's environment is understood or refused: each option once, in lines. And no text of others ends a
//! cell of a table, a line of outputs, or begins markup of its own.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use libfuzzer_sys::fuzz_target;
use s3lo::ci::inputs::{Choice, OptionSpec, UnknownPolicy, Value, ValueKind, resolve};
use s3lo::ci::{markup, outputs};

fuzz_target!(|bytes: &[u8]| {
    let known = [
        OptionSpec::new("reference", ValueKind::Several),
        OptionSpec::new("if-signed", ValueKind::One),
        OptionSpec::new("verbose", ValueKind::Flag),
        OptionSpec::new("password", ValueKind::Secret),
    ];
    let variables = bytes.split(|byte| *byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let text = |part: &[u8]| OsString::from_vec(part.to_vec());
        Some((text(&variable[..at]), text(&variable[at + 1..])))
    });
    let policy = UnknownPolicy {
        command: "sign",
        other: ("verify", &[]),
    };
    // Of some jobs the options are arguments.
    let choice = match bytes.strip_prefix(b"-") {
        None => Choice::default(),
        Some(bytes) => Choice {
            family: None,
            arguments: bytes
                .split(|byte| *byte == 0)
                .map(|argument| String::from_utf8_lossy(argument).into_owned())
                .collect(),
        },
    };
    let Ok(resolved) = resolve(&known, variables, &choice, Some(&policy)) else {
        return;
    };
    let inputs = resolved.inputs;
    let mut names: Vec<_> = inputs.iter().map(|input| input.name.clone()).collect();
    names.dedup();
    assert_eq!(names.len(), inputs.len());
    for value in inputs.into_iter().map(|input| input.value) {
        let Value::Lines(lines) = value else { continue };
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
