//! The forms in which shells, CI systems, clouds and editors hand on a text in PEM.
//!
//! Each form that can mean one thing alone is taken off: UTF-16 and byte order marks, base64 around the whole text, line
//! breaks that are written as `\n`, blank lines. None of them can make one key out of another.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// The beginning of a PEM block.
pub(crate) const BEGIN: &[u8] = b"-----BEGIN ";

/// How often base64 is taken off: the value of a Kubernetes secret is base64 of what may be base64 already.
const MAX_LAYERS: usize = 2;

/// Base64 as `base64` writes it, and as those write it who leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Takes off what is around a text in PEM. A text without PEM comes back as it is, in UTF-8.
pub(crate) fn unwrapped(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = utf8(bytes);
    for _ in 0..MAX_LAYERS {
        if contains(&text, BEGIN) {
            break;
        }
        match base64(&text) {
            Some(inner) => text = utf8(&inner),
            None => break,
        }
    }
    if !contains(&text, BEGIN) {
        return utf8(bytes);
    }
    without_blank_lines(&unescaped(&text))
}

/// Whether `text` contains `part`.
pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The bytes of base64, where the text is base64 alone, on any lines and in any quotes.
pub(crate) fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = unescaped(text);
    let dense = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace() && !b"'\"".contains(byte));
    let dense: Zeroizing<Vec<u8>> = Zeroizing::new(dense.collect());
    let bytes = BASE64.decode(dense.as_slice()).ok().map(Zeroizing::new)?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// Reads UTF-16, as PowerShell writes files, and takes off a byte order mark and the NUL bytes at the end of a string of
/// C.
fn utf8(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] | [1..=0x7f, 0, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] => u16::from_be_bytes,
        _ => {
            let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
            let end = text.iter().rposition(|byte| *byte != 0);
            let text = text.get(..=end.unwrap_or(0)).unwrap_or_default();
            return Zeroizing::new(text.to_vec());
        }
    };
    let units = bytes.chunks_exact(2);
    if !units.remainder().is_empty() {
        return Zeroizing::new(bytes.to_vec());
    }
    let units = units.filter_map(|pair| pair.try_into().ok().map(unit));
    // Not to leave copies behind: no text grows while it is read.
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for character in char::decode_utf16(units) {
        match character {
            Ok('\u{feff}' | '\0') => {}
            Ok(character) => text.push(character),
            Err(_) => return Zeroizing::new(bytes.to_vec()),
        }
    }
    Zeroizing::new(text.into_bytes())
}

/// Replaces escapes as JSON, shells and `.env` files have them. PEM has no backslash, so that none is lost.
fn unescaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'\\' {
            plain.push(*first);
            rest = behind;
            continue;
        }
        // A text that is escaped twice has two backslashes.
        let backslashes = behind.iter().take_while(|byte| **byte == b'\\').count();
        let escape = behind.get(backslashes..).unwrap_or_default();
        rest = match escape {
            [b'n' | b'r', rest @ ..] => {
                plain.push(b'\n');
                rest
            }
            [b't', rest @ ..] => {
                plain.push(b' ');
                rest
            }
            [byte @ (b'/' | b'"' | b'\'' | b'\n' | b'\r'), rest @ ..] => {
                plain.push(*byte);
                rest
            }
            [b'u', b'0', b'0', high, low, rest @ ..] => match hex(*high, *low) {
                Some(byte) if byte.is_ascii() => {
                    plain.push(byte);
                    rest
                }
                _ => escape,
            },
            _ => {
                plain.push(b'\\');
                escape
            }
        };
    }
    plain
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some((digit(high)? << 4) | digit(low)?)
}

/// Ends each line with `\n`, and leaves out blank ones, of which pasting through a form makes many. Those of a block with
/// headers separate them from its body, and stay.
fn without_blank_lines(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let has_headers = has_headers(text);
    let mut lines = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(1)));
    for line in lines_of(text) {
        let line = line.trim_ascii();
        if has_headers || !line.is_empty() {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    lines
}

/// The lines of a text, which may end with `\n`, `\r\n` or `\r`.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.flat_map(|line| line.split(|byte| *byte == b'\r'))
}

/// Whether a block has headers. Base64 has no colon.
fn has_headers(text: &[u8]) -> bool {
    let mut inside = false;
    lines_of(text).any(|line| {
        if contains(line, BEGIN) {
            inside = true;
        } else if contains(line, b"-----END ") {
            inside = false;
        }
        inside && !line.starts_with(b"-----") && line.contains(&b':')
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use base64::engine::general_purpose::STANDARD as PADDED;

    use super::*;

    const PEM: &str =
        "-----BEGIN PUBLIC KEY-----\nAAAA/AAA+AAA\nAAAA==\n-----END PUBLIC KEY-----\n";

    #[track_caller]
    fn reads(wrapped: impl AsRef<[u8]>) {
        let text = unwrapped(wrapped.as_ref());
        let text = core::str::from_utf8(&text).unwrap();
        let from = text.find("-----BEGIN").unwrap();
        assert!(text[from..].starts_with(PEM.trim_end()), "{text}");
    }

    #[test]
    fn what_shells_and_clouds_make_of_a_text_is_taken_off() {
        reads(PEM);
        reads(PEM.replace('\n', "\r\n"));
        reads(PEM.replace('\n', "\r"));
        reads(PEM.replace('\n', "\n\n"));
        reads(
            PEM.replace('\n', " \r\n\t\r\n")
                .replace("- \n", "-\n")
                .replace(" \n", "\n"),
        );
        for line_break in [r"\n", r"\r\n", r"\\n", r"\\\\n", "\\\n", r"\u000a"] {
            reads(PEM.replace('\n', line_break));
        }
        let one_line = PEM.replace('\n', r"\n");
        for wrapped in [
            format!("\"{one_line}\""),
            format!("'{one_line}'"),
            format!("$'{one_line}'"),
            format!("{{\"key\":\"{one_line}\"}}"),
            format!("COSIGN_KEY=\"{one_line}\"\n"),
            format!("\"{}\"", one_line.replace('/', r"\/")),
            format!(
                "\"{}\"",
                one_line.replace('+', r"\u002B").replace('=', r"\u003d")
            ),
            format!("\u{feff}{PEM}"),
            format!("{PEM}\0"),
            format!("{PEM}\0\0\0"),
        ] {
            reads(wrapped);
        }
    }

    #[test]
    fn base64_around_the_text_is_taken_off_twice_and_no_more() {
        let once = PADDED.encode(PEM);
        let twice = PADDED.encode(&once);
        reads(&once);
        reads(once.trim_end_matches('='));
        reads(format!(" \"{once}\" \n"));
        reads(
            once.as_bytes()
                .chunks(76)
                .collect::<Vec<_>>()
                .join(&b"\r\n"[..]),
        );
        reads(
            once.as_bytes()
                .chunks(76)
                .collect::<Vec<_>>()
                .join(&br"\n"[..]),
        );
        reads(PADDED.encode(PEM.replace('\n', r"\n")));
        reads(&twice);
        let thrice = PADDED.encode(&twice);
        assert_eq!(unwrapped(thrice.as_bytes()).as_slice(), thrice.as_bytes());
    }

    #[test]
    fn utf_16_is_read_in_either_order() {
        let units = |mark: &str| format!("{mark}{PEM}").encode_utf16().collect::<Vec<_>>();
        for mark in ["", "\u{feff}"] {
            reads(
                units(mark)
                    .iter()
                    .flat_map(|unit| unit.to_le_bytes())
                    .collect::<Vec<_>>(),
            );
            reads(
                units(mark)
                    .iter()
                    .flat_map(|unit| unit.to_be_bytes())
                    .collect::<Vec<_>>(),
            );
        }
        // Neither half a unit nor half a pair of surrogates.
        for broken in [vec![0xff, 0xfe, b'-'], vec![0xff, 0xfe, 0, 0xd8]] {
            assert_eq!(unwrapped(&broken).as_slice(), broken);
        }
    }

    #[test]
    fn a_text_without_pem_stays_as_it_is() {
        for text in ["", "no key", r"C:\new\key.pem", "AAAA", "LS0tLS0="] {
            assert_eq!(unwrapped(text.as_bytes()).as_slice(), text.as_bytes());
        }
        assert_eq!(unwrapped(b"\0").as_slice(), b"\0");
    }

    #[test]
    fn headers_keep_their_blank_line() {
        let text = "-----BEGIN A-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\nAAAA\r\n-----END A-----\r\n";
        let read = unwrapped(text.as_bytes());
        assert!(contains(&read, b"ENCRYPTED\n\n"), "{read:?}");
    }
}
