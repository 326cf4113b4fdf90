//! Of URLs, where they lead: no more is asked of them here, and the HTTP client reads the rest.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

/// Whether `url` is `http://` or `https://` and something behind it.
pub(crate) fn is_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty() && !rest.contains(' '))
}

/// Scheme and authority of a URL.
pub(crate) fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |scheme| scheme.saturating_add(3));
    let rest = url.get(begin..).unwrap_or_default();
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..begin.saturating_add(length)).unwrap_or(url)
}

/// Whether what is sent to `url` is read by nobody on the way: by HTTPS, or to this machine.
pub(crate) fn is_guarded(url: &str) -> bool {
    let origin = origin(url);
    let host = origin.split_once("://").map(|(_, host)| host);
    let host = host.unwrap_or_default();
    let plain = origin.starts_with("http://") && is_loopback(host);
    (origin.starts_with("https://") || plain) && !host.is_empty() && !host.contains('@')
}

/// Whether a URL without TLS leads to this machine, or to the services of its host: metadata of instances
/// and credentials of containers.
pub(crate) fn is_near(url: &str) -> bool {
    let Some(authority) = origin(url).strip_prefix("http://") else {
        return false;
    };
    is_loopback(authority)
        || is_one_of(
            authority,
            &["169.254.169.254", "169.254.170.2", "169.254.170.23"],
        )
        || authority.to_ascii_lowercase().starts_with("[fd00:ec2:")
}

/// Whether an authority is this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    is_one_of(authority, &["localhost", "127.0.0.1", "[::1]"])
}

/// Whether an authority is one of `hosts`, with a port or without.
fn is_one_of(authority: &str, hosts: &[&str]) -> bool {
    let is_port = |rest: &str| {
        let digits = rest.strip_prefix(':').unwrap_or_default();
        rest.is_empty() || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    hosts
        .iter()
        .any(|host| authority.strip_prefix(host).is_some_and(is_port))
}
