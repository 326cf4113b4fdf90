use super::*;

const START: &str = "policy = \"p.toml\"\nother-images = \"deny\"\n";

fn parse(text: &str) -> Result<Config, String> {
    let parsed = Config::parse(text, Path::new("/etc/s3lo"));
    parsed.map_err(|(position, problem)| format!("{position}: {problem}"))
}

fn with(rest: &str) -> Result<Config, String> {
    parse(&format!("{START}{rest}"))
}

#[test]
fn every_field_is_read() {
    let config = parse(
        "policy = \"/srv/policy.toml\"\nother-images = \"allow\"\nby-digest = \"any-tag\"\n\
         [[hosts]]\nhost = \"s3.local\"\nlayout = \"bucket-first\"\n\
         [[hosts]]\nhost = \"registry.example:5000\"\nbucket = \"prod\"\n\
         [[hosts]]\nhost = \"127.0.0.1:5001\"\nstore = \"local://./store\"\n\
         [s3]\nendpoint = \"http://minio.example:9000\"\nregion = \"eu-central-1\"\nexpected-bucket-owner = \"111122223333\"\n\
         role-arn = \"arn:aws:iam::111122223333:role/gate\"\nexternal-id = \"node\"\n",
    )
    .unwrap();
    assert_eq!(config.policy, Path::new("/srv/policy.toml"));
    assert_eq!(config.other_images, OtherImages::Allow);
    assert_eq!(config.by_digest, ByDigest::AnyTag);
    let reference = |name: &str| {
        let name = ImageName::parse(name).unwrap();
        let entry = config.entry(&name.host)?;
        let reference = entry.reference(&name, name.tag.as_deref().unwrap());
        Some(reference.unwrap().to_string())
    };
    for (name, expected) in [
        (
            "s3.local/my-bucket/team/app:v1",
            Some("s3://my-bucket/team/app:v1"),
        ),
        (
            "S3.LOCAL:443/my-bucket/app:v1",
            Some("s3://my-bucket/app:v1"),
        ),
        (
            "registry.example:5000/team/app:v1",
            Some("s3://prod/team/app:v1"),
        ),
        ("127.0.0.1:5001/app:v1", Some("local://./store/app:v1")),
        ("registry.example/app:v1", None),
        ("docker.io/library/app:v1", None),
    ] {
        assert_eq!(reference(name).as_deref(), expected, "{name}");
    }
    assert_eq!(config.stores.endpoint(), Some("http://minio.example:9000"));
    assert_eq!(config.aws.region.as_deref(), Some("eu-central-1"));
    assert_eq!(config.aws.role.external_id.as_deref(), Some("node"));
    assert!(config.aws.of_machine);
}

#[test]
fn what_is_left_out_is_strict_and_a_path_is_relative_to_the_file() {
    let config = with("[[hosts]]\nhost = \"a\"\nbucket = \"prod\"").unwrap();
    assert_eq!(config.policy, Path::new("/etc/s3lo/p.toml"));
    assert_eq!(config.by_digest, ByDigest::Deny);
}

#[test]
fn a_bucket_that_no_store_can_have_is_refused_where_the_name_has_it() {
    let config = with("[[hosts]]\nhost = \"s3.local\"\nlayout = \"bucket-first\"").unwrap();
    for name in ["s3.local/app:v1", "s3.local/a--b/app:v1"] {
        let name = ImageName::parse(name).unwrap();
        let reference = config.hosts[0].reference(&name, "v1");
        assert_eq!(reference.is_ok(), name.repository.contains('/'), "{name:?}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let host = "[[hosts]]\nhost = \"a\"\n";
    for (text, expected) in [
        (String::new(), "1:1: missing field `policy`"),
        (
            "policy = \"p\"\n".to_owned(),
            "1:1: missing field `other-images`",
        ),
        (START.to_owned(), "1:1: there is no `[[hosts]]`"),
        (format!("{START}hosts = []"), "1:1: there is no `[[hosts]]`"),
        (
            format!("{START}{host}"),
            "4:8: nothing says where the images of `a` are",
        ),
        (
            format!("{START}{host}bucket = \"b\"\nlayout = \"bucket-first\""),
            "4:8: more than one field says where the images of `a` are",
        ),
        (
            format!("{START}{host}bucket = \"b\"\nstore = \"s3://b\""),
            "4:8: more than one field says where the images of `a` are",
        ),
        (
            format!("{START}{host}bucket = \"a b\""),
            "5:10: `a b` is not the name of a bucket",
        ),
        (
            format!("{START}{host}bucket = \"a/b\""),
            "5:10: `a/b` is not the name of a bucket",
        ),
        (
            format!("{START}{host}bucket = \"\""),
            "5:10: `` is not the name of a bucket",
        ),
        (
            format!("{START}{host}store = \"gs://b\""),
            "5:9: `gs://b` is not a store",
        ),
        (
            format!("{START}{host}store = \"local:///srv/store\""),
            "5:9: `local:///srv/store` is not a store",
        ),
        (
            format!("{START}{host}bucket = \"b\"\n[[hosts]]\nhost = \"A:443\"\nbucket = \"c\""),
            "7:8: `a` appears twice",
        ),
        (
            format!("{START}[[hosts]]\nhost = \"https://a\"\nbucket = \"b\""),
            "4:8: `https://a` is not a host that the name of an image can begin with",
        ),
        (
            format!("{START}{host}bucket = \"b\"\nport = 1"),
            "6:1: unknown field `port`, expected one of `host`, `layout`, `bucket`, `store`",
        ),
        (
            format!("by_digest = \"deny\"\n{START}"),
            "1:1: unknown field `by_digest`, expected one of `policy`, `other-images`, `by-digest`, `hosts`, `s3`",
        ),
        (
            "policy = \"p\"\nother-images = \"warn\"".to_owned(),
            "2:16: unknown variant `warn`, expected `allow` or `deny`",
        ),
        (
            "policy = 1".to_owned(),
            "1:10: invalid type: integer `1`, expected a string",
        ),
        (format!("policy = \"q\"\n{START}"), "2:1: duplicate key"),
        (
            format!("policy = \"env://POLICY\"\nother-images = \"deny\"\n{host}bucket = \"b\""),
            "1:10: `env://POLICY` is not the path of a policy",
        ),
        (
            format!("{START}{host}bucket = \"b\"\n[s3]\nendpoint = \"minio\""),
            "7:12: `endpoint` has an invalid value",
        ),
        (
            format!("{START}{host}bucket = \"b\"\n[s3]\nregion = \"\""),
            "7:10: `region` has an invalid value",
        ),
        (
            format!("{START}{host}bucket = \"b\"\n[s3]\nrole-arn = \"gate\""),
            "7:12: `role-arn` has an invalid value",
        ),
        (
            format!("{START}{host}bucket = \"b\"\n[s3]\nsecret = \"x\""),
            "7:1: unknown field `secret`, expected one of `endpoint`, `region`, `expected-bucket-owner`, `role-arn`, `external-id`",
        ),
    ] {
        assert_eq!(parse(&text).map(|_| ()), Err(expected.to_owned()), "{text}");
    }
}
