//! Lists: of a folder, and of the one object whose presence is asked for.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_sdk_s3::types::EncodingType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use percent_encoding::percent_decode_str;

use crate::net::error_chain::innermost;
use crate::store;
use crate::store::s3::S3Store;
use crate::store::{Folders, Listed, Listing, Version};

/// The most names of a page. Writers of the bucket choose them, up to 3 KB each as they are encoded, and pages are
/// read for many images at once.
const MAX_NAMES: i32 = 100;

/// The action.
const LIST: &str = "ListObjectsV2";

/// A page of a list.
struct Page {
    objects: Vec<Listed>,
    folders: Vec<String>,
    /// Whether there are no more.
    is_last: bool,
    /// Whether each name is below the prefix as it is read. One that is not may be the one that is looked for, in an encoding
    /// that the server does not name.
    is_understood: bool,
    /// The token of the next page.
    next: Option<String>,
}

/// The answer of a list to whether there is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Absent,
    /// With its version, where the list gives one.
    Present(Option<Version>),
}

impl S3Store {
    fn list_request(&self, client: &Client, prefix: &str) -> ListObjectsV2FluentBuilder {
        client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_expected_bucket_owner(self.owner.clone())
            .encoding_type(EncodingType::Url)
    }

    /// Lists what lies directly below `prefix`.
    pub(super) async fn list_folder(&self, prefix: &str) -> Result<Listing, store::Error> {
        let page = self.page_of_folder(prefix, None).await?;
        Ok(Listing {
            objects: page.objects,
            folders: page.folders,
            complete: page.is_last && page.is_understood,
        })
    }

    /// Lists the folders directly below `prefix`, page by page.
    pub(super) async fn list_folders(
        &self,
        prefix: &str,
        most: usize,
    ) -> Result<Folders, store::Error> {
        let (mut names, mut after, mut listed) = (Vec::new(), None, 0_usize);
        let mut complete = true;
        loop {
            let page = self.page_of_folder(prefix, after).await?;
            let on_page = page.objects.len().saturating_add(page.folders.len());
            listed = listed.saturating_add(on_page);
            names.extend(page.folders);
            complete &= page.is_understood && listed <= most;
            after = page.next.filter(|_| !page.is_last);
            // A server that ignores the token, or gives one without a name, could go on for ever.
            if !complete || after.is_none() || on_page == 0 {
                names.sort_unstable();
                return Ok(Folders {
                    names,
                    complete: complete && page.is_last,
                });
            }
        }
    }

    /// A page of what lies directly below `prefix`.
    async fn page_of_folder(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<Page, store::Error> {
        let answer = self
            .ask(LIST, |client| {
                let request = self.list_request(&client, prefix);
                let request = request.set_continuation_token(after.clone());
                request.delimiter("/").max_keys(MAX_NAMES).send()
            })
            .await;
        let page = answer.map_err(|error| self.failed("s3:ListBucket", prefix, &error))?;
        let encoded = is_encoded(&page);
        let below = |key: &str| {
            let key = decoded(key, encoded, prefix);
            let name = key.strip_prefix(prefix)?;
            (!name.is_empty()).then(|| name.to_owned())
        };
        let mut objects: Vec<_> = page
            .contents()
            .iter()
            .filter_map(|object| {
                Some(Listed {
                    name: below(object.key()?)?,
                    version: version(object),
                })
            })
            .collect();
        objects.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut folders: Vec<_> = page
            .common_prefixes()
            .iter()
            .filter_map(|folder| below(folder.prefix()?))
            .map(|name| name.trim_end_matches('/').to_owned())
            .collect();
        folders.sort_unstable();
        let listed = page
            .contents()
            .len()
            .saturating_add(page.common_prefixes().len());
        let understood = objects.len().saturating_add(folders.len());
        Ok(Page {
            objects,
            folders,
            // An answer that broke off does not say.
            is_last: page.is_truncated() == Some(false),
            is_understood: listed == understood,
            next: page.next_continuation_token().map(str::to_owned),
        })
    }

    /// Whether there is an object of exactly this key, or `None` if that cannot be found out. No other key that begins
    /// with this one sorts before it, so that the first entry of a list with this prefix decides.
    pub(super) async fn presence(&self, key: &str) -> Option<Presence> {
        // Its lists are of folders alone, and in no order.
        if self.is_directory_bucket() {
            return None;
        }
        let answer = self
            .ask(LIST, |client| {
                self.list_request(&client, key).max_keys(1).send()
            })
            .await;
        match answer {
            Ok(page) => present(key, &page),
            Err(error) => {
                tracing::debug!(key, "no list tells of it: {}", innermost(&error));
                present_in_broken_xml(key, &error)
            }
        }
    }
}

fn present(key: &str, page: &ListObjectsV2Output) -> Option<Presence> {
    let Some(first) = page.contents().first() else {
        // A truncated answer proves neither.
        let empty = page.is_truncated() == Some(false) || page.key_count() == Some(0);
        return empty.then_some(Presence::Absent);
    };
    let name = decoded(first.key()?, is_encoded(page), key);
    if name == key {
        return Some(Presence::Present(version(first)));
    }
    // A server that does not look at the prefix does not answer this question.
    name.starts_with(key).then_some(Presence::Absent)
}

/// Reads the first key of a list that is no XML: a name may hold characters that XML cannot express, and servers that do
/// not encode names write them all the same. Of such a list only this is read: that its first key begins with `key` and
/// goes on, or ends there.
fn present_in_broken_xml(
    key: &str,
    error: &SdkError<ListObjectsV2Error, HttpResponse>,
) -> Option<Presence> {
    let response = error.raw_response()?;
    if !response.status().is_success() {
        return None;
    }
    let body = response.body().bytes()?;
    first_key(body).and_then(|first| present_as(key, first))
}

/// The text of the first `<Key>` within `<ListBucketResult>`.
fn first_key(body: &[u8]) -> Option<&[u8]> {
    let body = after(body, b"<ListBucketResult")?;
    let body = after(body, b"<Key>")?;
    let end = body.windows(6).position(|window| window == b"</Key>")?;
    body.get(..end)
}

fn after<'a>(body: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let start = body.windows(tag.len()).position(|window| window == tag)?;
    body.get(start.checked_add(tag.len())?..)
}

fn present_as(key: &str, first: &[u8]) -> Option<Presence> {
    let escaped = key
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let rest = first.strip_prefix(escaped.as_bytes())?;
    Some(if rest.is_empty() {
        Presence::Present(None)
    } else {
        Presence::Absent
    })
}

fn version(object: &aws_sdk_s3::types::Object) -> Option<Version> {
    // It becomes a header.
    let is_text =
        |etag: &&str| !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_graphic());
    let etag = object.e_tag().filter(is_text)?;
    Some(Version(etag.to_owned()))
}

fn is_encoded(page: &ListObjectsV2Output) -> bool {
    page.encoding_type() == Some(&EncodingType::Url)
}

/// A name as it was written. In the encoding of lists `+` is a space to AWS, and itself to some others: that reading is
/// right which begins with the prefix that was asked for.
fn decoded(name: &str, encoded: bool, prefix: &str) -> String {
    if !encoded {
        return name.to_owned();
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let spaced = decode(&name.replace('+', " "));
    if spaced.starts_with(prefix) {
        return spaced;
    }
    decode(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_name_is_read_by_the_prefix_that_was_asked_for() {
        for (name, prefix, read) in [
            ("manifests/a%20b/", "manifests/a b", "manifests/a b/"),
            ("manifests/a+b/", "manifests/a b", "manifests/a b/"),
            ("manifests/a+b/", "manifests/a+b", "manifests/a+b/"),
            ("manifests/a%2Bb/", "manifests/a+b", "manifests/a+b/"),
            ("manifests/a%252F", "manifests/a", "manifests/a%2F"),
        ] {
            assert_eq!(decoded(name, true, prefix), read);
        }
        assert_eq!(decoded("a%20b+c", false, "a"), "a%20b+c");
    }

    #[test]
    fn the_first_key_of_broken_xml_tells_of_presence() {
        let list = |first: &str| {
            format!("<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>{first}</Key>")
        };
        let told = |key: &str, body: &str| {
            first_key(body.as_bytes()).and_then(|first| present_as(key, first))
        };
        let key = "manifests/a&b/k.json";
        let present = Some(Presence::Present(None));
        assert_eq!(told(key, &list("manifests/a&amp;b/k.json")), present);
        assert_eq!(
            told(key, &list("manifests/a&amp;b/k.json\u{fffe}")),
            Some(Presence::Absent)
        );
        assert_eq!(
            told(key, &list("manifests/a&amp;b/k.json/x")),
            Some(Presence::Absent)
        );
        for unclear in [
            "",
            "<html><Key>manifests/a&amp;b/k.json</Key></html>",
            "<ListBucketResult><Contents><Key>manifests/a&amp;b/k.json",
            &list("manifests/another"),
            &list("manifests/a&#38;b/k.json"),
        ] {
            assert_eq!(told(key, unclear), None, "{unclear}");
        }
    }
}
