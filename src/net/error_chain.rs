//! The sources of an error, down to the first cause.

use std::error::Error;
use std::io;

use aws_smithy_types::error::ErrorMetadata;
use s3lo_core::text::clipped;

use crate::net::tls::TlsFailure;
use crate::text::os_reason;

/// The last error in the chain, in words: it is the cause, and those before it are the place.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = find_source::<rustls::Error>(error) {
        return TlsFailure::of(error).1;
    }
    let last = chain(error).last().unwrap_or(error);
    // The SDK's own words for a service's error are its fields.
    if let Some(answer) = last.downcast_ref::<ErrorMetadata>() {
        let parts = [answer.code(), answer.message()];
        let parts: Vec<_> = parts.into_iter().flatten().map(clipped).collect();
        if !parts.is_empty() {
            return parts.join(": ");
        }
    }
    if let Some(error) = last.downcast_ref::<io::Error>() {
        return clipped(&without_dumps(&os_reason(error)));
    }
    clipped(&without_dumps(&last.to_string()))
}

/// A library's text without what it prints of its own types: `404` in place of `StatusCode(404)`, and nothing from the
/// first struct on.
fn without_dumps(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut open) = (text, 0_usize);
    while let Some(c) = rest.chars().next() {
        let begins = c.is_ascii_uppercase() && !plain.ends_with(|c: char| c.is_alphanumeric());
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_type = begins && name.chars().any(|c| c.is_ascii_lowercase());
        if is_type && after.starts_with(" { ") {
            return plain.trim_end_matches([' ', '.', ':', ',']).to_owned();
        }
        if let Some(inner) = after.strip_prefix('(').filter(|_| is_type) {
            (rest, open) = (inner, open.saturating_add(1));
            continue;
        }
        if c == ')' && open > 0 {
            open = open.saturating_sub(1);
            rest = rest.strip_prefix(')').unwrap_or_default();
            continue;
        }
        let taken = if begins { name.len() } else { c.len_utf8() };
        let (head, tail) = rest.split_at(taken.max(c.len_utf8()));
        plain.push_str(head);
        rest = tail;
    }
    plain
}

/// The first error of type `T` in the chain.
pub(crate) fn find_source<'a, T: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its sources.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error stands for the error inside it, and passes that over as a source.
        let inner = error.downcast_ref().and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_prints_of_its_types_is_no_part_of_a_reason() {
        for (text, plain) in [
            ("status: StatusCode(404)", "status: 404"),
            (
                "error response from IMDS (code: 404). Response { status: 404, body: SdkBody { x: 1 } }",
                "error response from IMDS (code: 404)",
            ),
            ("Other(OtherError(Unknown)) of it", "Unknown of it"),
            (
                "Connection refused (os error 111)",
                "Connection refused (os error 111)",
            ),
            ("é Größe(x) A b", "é Größe(x) A b"),
            ("", ""),
        ] {
            assert_eq!(without_dumps(text), plain);
        }
    }

    #[test]
    fn an_error_of_a_service_is_its_code_and_its_message() {
        let error = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("no")
            .build();
        assert_eq!(innermost(&error), "AccessDenied: no");
    }
}
