//! The sources of an error, down to the first cause.

use std::error::Error;
use std::io;

use aws_smithy_types::error::ErrorMetadata;
use s3lo_core::text::clipped;

use crate::net::tls::TlsFailure;

/// The last error in the chain, in words: it tells what happened, and those before it tell where.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = find_source::<rustls::Error>(error) {
        return TlsFailure::of(error).1;
    }
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    // The SDK's own words for a service's error are its fields.
    if let Some(answer) = last.downcast_ref::<ErrorMetadata>() {
        let parts = [answer.code(), answer.message()];
        let parts: Vec<_> = parts.into_iter().flatten().map(clipped).collect();
        if !parts.is_empty() {
            return parts.join(": ");
        }
    }
    clipped(&last.to_string())
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
