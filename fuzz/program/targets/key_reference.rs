//! A text that names a key is printed as it was written, carries no user, and leads KMS and Vault to no other
//! host, region, account or path than it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo::aws::arn::Arn;
use s3lo::key::awskms::uri::KmsKeyUri;
use s3lo::key::registry;
use s3lo::key::vault::client::address::Product;
use s3lo::key::vault::uri::TransitKeyUri;

fuzz_target!(|text: &str| {
    let Ok(key) = registry::parse(text) else {
        return;
    };
    assert_eq!(key.to_string(), text);
    assert!(!text.contains(char::is_control));
    let rest = key.rest();
    if let Some(product) = Product::from_scheme(key.scheme()) {
        return transit(&TransitKeyUri::parse(product, rest).unwrap(), text);
    }
    if key.scheme() != "awskms" {
        return;
    }
    let name = KmsKeyUri::parse(rest).unwrap();
    assert!(rest.ends_with(name.id()));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    assert!(name.id().bytes().all(allowed), "{:?}", name.id());
    match name.endpoint() {
        None => assert!(rest.starts_with('/')),
        Some(endpoint) => {
            let authority = endpoint.strip_prefix("https://").unwrap();
            assert!(
                !authority.contains(['/', '@', '?', '#', '\\', ' ']),
                "{endpoint}"
            );
            assert!(rest.starts_with(&format!("{authority}/")));
        }
    }
    if let Some(arn) = name.arn() {
        assert_eq!(arn.as_str(), name.id());
        // Its region becomes part of a host's name.
        assert!(
            arn.region
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
        assert!(!arn.region.is_empty());
        assert_eq!(arn.as_str().parse::<Arn>().as_ref(), Ok(arn));
        assert_eq!(arn.account.as_str().len(), 12);
    }
});

fn transit(name: &TransitKeyUri, text: &str) {
    let (path, version) = match text.split_once("?version=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    let number = name.version.map(|version| version.to_string());
    assert_eq!(number.as_deref(), version);
    let segment = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
    };
    assert!(segment(&name.key));
    let scheme = name.product.scheme();
    match &name.location {
        None => assert_eq!(path, format!("{scheme}://{}", name.key)),
        Some((authority, mount)) => {
            // Vault takes more in the path of a mount than in a key's name.
            let of_mount = |text: &str| {
                let more = |c: char| "@+~:=,".contains(c);
                text != "." && text != ".." && !text.is_empty() && segment(&text.replace(more, "x"))
            };
            assert!(mount.as_str().split('/').all(of_mount));
            let whole = format!("{scheme}://{authority}/v1/{mount}/keys/{}", name.key);
            // A host is the same in small letters, and a port without leading zeros.
            let host = |text: &str| text.split("/v1/").next().unwrap().to_ascii_lowercase();
            let rest = |text: &str| text.split_once("/v1/").unwrap().1.to_owned();
            assert_eq!(rest(&whole), rest(path));
            let plain = |text: &str| host(text).rsplit_once(':').map(|(host, _)| host.to_owned());
            // An IPv6 address is printed in its shortest form.
            if !path.contains('[') {
                assert_eq!(plain(&whole), plain(path));
            }
            assert!(!host(path).contains(['@', '?', '#', '\\', ' ', '%']));
        }
    }
}
