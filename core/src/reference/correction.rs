//! The reference that a text probably means: one whose slashes a program has joined, the path of an object, the ARN of a
//! bucket. A correction is a reference itself.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

use crate::reference::{Reference, Root, Scheme, local_component};

/// The reference that `text` probably means.
pub(super) fn correction(text: &str, schemes: &[Scheme]) -> Option<String> {
    let (scheme, rest) = split(text, schemes)?;
    let rest = rest.trim_end_matches('/');
    let rest = match scheme.root {
        Root::Bucket => bucket_of_arn(rest).unwrap_or(rest),
        Root::Directory => rest,
    };
    let rest = of_object(rest).unwrap_or_else(|| rest.to_owned());
    let corrected = format!("{scheme}://{rest}");
    let parses = Reference::parse(&corrected, schemes).is_ok();
    (parses && corrected != text).then_some(corrected)
}

/// Splits the scheme off, however many slashes are after it: `s3:/bucket`, as a join of paths leaves it. A path is in a
/// directory, and the path of an object without a scheme in a bucket.
fn split<'a>(text: &'a str, schemes: &[Scheme]) -> Option<(Scheme, &'a str)> {
    let of_kind = |root: Root| schemes.iter().find(|scheme| scheme.root == root).copied();
    if !local_component(text).0.is_empty() {
        return Some((of_kind(Root::Directory)?, text));
    }
    let named = text.split_once(':').and_then(|(name, rest)| {
        let known = schemes
            .iter()
            .find(|scheme| scheme.name.eq_ignore_ascii_case(name));
        Some((*known?, rest))
    });
    match named {
        Some((scheme, rest)) => Some((
            scheme,
            match (scheme.root, rest.strip_prefix("//")) {
                (_, Some(rest)) => rest,
                (Root::Bucket, None) => rest.trim_start_matches('/'),
                (Root::Directory, None) => rest,
            },
        )),
        None => {
            of_object(text)?;
            Some((of_kind(Root::Bucket)?, text))
        }
    }
}

/// `my-bucket/manifests/myapp/v1.0/signatures/….json`, as `sign` prints it, → `my-bucket/myapp:v1.0`.
fn of_object(path: &str) -> Option<String> {
    let (root, object) = path.split_once("/manifests/")?;
    let tag = match object.strip_suffix("/manifest.json") {
        Some(tag) => tag,
        None => {
            let (tag, record) = object.rsplit_once("/signatures/")?;
            record.ends_with(".json").then_some(tag)?
        }
    };
    let (image, tag) = tag.rsplit_once('/')?;
    Some(format!("{root}/{image}:{tag}"))
}

/// `arn:aws:s3:::my-bucket/myapp:v1.0` → `my-bucket/myapp:v1.0`.
fn bucket_of_arn(rest: &str) -> Option<&str> {
    let (partition, rest) = rest.strip_prefix("arn:")?.split_once(':')?;
    partition
        .starts_with("aws")
        .then(|| rest.strip_prefix("s3:::"))?
}

/// The access point that an ARN in the place of a bucket names: its region, its account and its name.
pub(super) fn access_point(text: &str) -> Option<[&str; 3]> {
    let (_, arn) = text.split_once("://arn:aws")?;
    let mut parts = arn.splitn(5, ':').skip(2);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("accesspoint")?.get(1..)?;
    let name = name.split(['/', ':']).next()?;
    let is_plain = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !part.is_empty() && part.bytes().all(plain)
    };
    let parts = [region, account, name];
    parts.iter().all(|part| is_plain(part)).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [Scheme; 2] = [Scheme::S3, Scheme::LOCAL];

    #[test]
    fn a_reference_that_is_a_little_off_is_corrected() {
        for (text, corrected) in [
            ("s3:/my-bucket/myapp:v1.0", "s3://my-bucket/myapp:v1.0"),
            ("s3:my-bucket/myapp:v1.0", "s3://my-bucket/myapp:v1.0"),
            ("s3:///my-bucket/myapp:v1.0", "s3:///my-bucket/myapp:v1.0"),
            ("S3://my-bucket/myapp:v1.0", "s3://my-bucket/myapp:v1.0"),
            ("./store/myapp:v1.0", "local://./store/myapp:v1.0"),
            ("../store/org/myapp:v1.0", "local://../store/org/myapp:v1.0"),
            ("/store/myapp:v1.0", "local:///store/myapp:v1.0"),
            ("local:./store/myapp:v1.0", "local://./store/myapp:v1.0"),
            ("local:/store/myapp:v1.0", "local:///store/myapp:v1.0"),
            ("s3://my-bucket/myapp:v1.0/", "s3://my-bucket/myapp:v1.0"),
            ("s3://my-bucket/myapp:v1.0//", "s3://my-bucket/myapp:v1.0"),
            (
                "s3://my-bucket/manifests/org/myapp/v1.0/manifest.json",
                "s3://my-bucket/org/myapp:v1.0",
            ),
            (
                "my-bucket/manifests/myapp/v1.0/signatures/3b780f64bd6940e1.json",
                "s3://my-bucket/myapp:v1.0",
            ),
            (
                "./store/manifests/myapp/v1.0/signatures/3b780f64bd6940e1.json",
                "local://./store/myapp:v1.0",
            ),
            (
                "s3://arn:aws:s3:::my-bucket/myapp:v1.0",
                "s3://my-bucket/myapp:v1.0",
            ),
            (
                "s3://arn:aws-cn:s3:::my-bucket/org/myapp:v1.0",
                "s3://my-bucket/org/myapp:v1.0",
            ),
        ] {
            let found = correction(text, &SCHEMES);
            assert_eq!(found.as_deref().unwrap_or(text), corrected, "{text}");
        }
    }

    #[test]
    fn what_no_reference_can_be_made_of_is_not_corrected() {
        for text in [
            "myapp:v1.0",
            "s3://my-bucket/myapp",
            "./store/myapp",
            "s3://my-bucket/manifests/manifest.json",
            "s3:///manifests/a/b/manifest.json",
            "https://my-bucket/myapp:v1.0",
            "s3://arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap/myapp:v1.0",
            "s3://arn:aws",
            "",
            ":",
        ] {
            assert_eq!(correction(text, &SCHEMES), None, "{text}");
        }
    }

    #[test]
    fn an_access_point_is_taken_out_of_its_arn() {
        let expected = Some(["us-west-2", "111122223333", "my-ap"]);
        for text in [
            "s3://arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap/myapp:v1.0",
            "s3://arn:aws-us-gov:s3:us-west-2:111122223333:accesspoint:my-ap/myapp:v1.0",
        ] {
            assert_eq!(access_point(text), expected, "{text}");
        }
        for text in [
            "s3://my-bucket/myapp:v1.0",
            "s3://arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap/myapp:v1.0",
            "s3://arn:aws:s3:us-west-2:1;id:accesspoint/my-ap/myapp:v1.0",
            "s3://arn:aws:s3:us-west-2:111122223333:accesspoint",
        ] {
            assert_eq!(access_point(text), None, "{text}");
        }
    }
}
