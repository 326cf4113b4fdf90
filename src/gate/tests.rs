use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";

fn config(rest: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.toml");
    let text = format!(
        "policy = \"p.toml\"\n{rest}\n[[hosts]]\nhost = \"r.example:5000\"\nbucket = \"prod\"\n\
         [[hosts]]\nhost = \"s3.local\"\nlayout = \"bucket-first\"\n"
    );
    std::fs::write(&path, text).unwrap();
    Config::read(&path).unwrap()
}

fn examined(name: &str, digest: &str, config: &Config) -> Result<Examined, Error> {
    let request = Request {
        name: name.to_owned(),
        digest: digest.to_owned(),
    };
    examine(&request, config)
}

#[test]
fn an_image_of_a_host_in_the_list_has_to_pass_and_others_are_as_the_file_says() {
    let (allow, deny) = (
        config("other-images = \"allow\""),
        config("other-images = \"deny\""),
    );
    for (name, reference) in [
        ("r.example:5000/team/app:v1", "s3://prod/team/app:v1"),
        ("R.example:05000/app:v1", "s3://prod/app:v1"),
        ("s3.local/dev/app:v1", "s3://dev/app:v1"),
        (&format!("s3.local:80/dev/app:v1@{D}"), "s3://dev/app:v1"),
    ] {
        for config in [&allow, &deny] {
            let Ok(Examined::Subject(subject)) = examined(name, D, config) else {
                panic!("{name}");
            };
            assert_eq!(subject.reference.to_string(), reference);
            assert!(!subject.any_tag);
        }
    }
    for name in [
        "r.example/app:v1",
        "docker.io/library/app:v1",
        &format!("s3.local.example/a@{D}"),
    ] {
        let host = ImageName::parse(name).unwrap().host;
        let passed = Examined::Passed(Passed::OtherImage(host.clone()));
        assert_eq!(examined(name, D, &allow), Ok(passed), "{name}");
        assert_eq!(
            examined(name, D, &deny),
            Err(Error::OtherImage { host }),
            "{name}"
        );
    }
}

#[test]
fn a_name_that_none_can_have_is_refused_whatever_its_host() {
    let allow = config("other-images = \"allow\"");
    for (name, digest, code) in [
        ("docker.io/%61pp:v1", D, "bad_image_name"),
        ("u@s3.local/dev/app:v1", D, "bad_image_name"),
        ("app:v1", D, "bad_image_name"),
        ("s3.local/dev/app", D, "bad_image_name"),
        (
            &format!("docker.io/library/app:v1@{D}"),
            OTHER,
            "bad_image_name",
        ),
        (&format!("s3.local/dev/app:v1@{D}"), OTHER, "bad_image_name"),
        ("s3.local/dev/app:v1", "sha512:0", "bad_digest"),
        ("s3.local/dev/app:v1", &D.to_uppercase(), "bad_digest"),
        ("s3.local/dev/app:v1", "", "bad_digest"),
        ("s3.local/app:v1", D, "no_image"),
    ] {
        use crate::diagnostic::Explain as _;
        let error = examined(name, digest, &allow).unwrap_err();
        assert_eq!(error.code(), code, "{name}");
        assert!(error.is_refusal(), "{name}");
    }
    assert!(examined("docker.io/library/app:v1", "sha512:0", &allow).is_ok());
}

#[test]
fn by_digest_alone_an_image_is_refused_unless_any_tag_will_do() {
    let name = format!("r.example:5000/app@{D}");
    let deny = config("other-images = \"deny\"");
    let image = "r.example:5000/app".to_owned();
    assert_eq!(examined(&name, D, &deny), Err(Error::ByDigest { image }));
    let any = config("other-images = \"deny\"\nby-digest = \"any-tag\"");
    let Ok(Examined::Subject(subject)) = examined(&name, D, &any) else {
        panic!();
    };
    assert!(subject.any_tag);
    assert_eq!(subject.digest.to_string(), D);
}
