//! Systems that run the image as it is.

use yaml_serde::Value;

use super::host::Host;
use super::{as_text, pairs, parsed};
use crate::support::program::Run;

/// The issuer of Google's service accounts.
pub(crate) const GOOGLE: &str = "https://accounts.google.com";

const ROLE: &str = "arn:aws:iam::111122223333:role/signer";

fn arguments(value: &Value) -> Vec<String> {
    let words = value.as_sequence().into_iter().flatten();
    words.map(as_text).collect()
}

pub(crate) fn tekton(host: &mut Host, yaml: &str) -> Run {
    let task = parsed(yaml);
    let step = &task["spec"]["steps"][0];
    assert_eq!(step["image"], "ghcr.io/s3lo/sign-action:1");
    let mut variables = pairs(&step["env"]);
    for (_, value) in &mut variables {
        *value = value.replace("$(params.reference)", "s3://my-bucket/myapp:v1.0");
    }
    variables.extend(irsa(host));
    host.container(&arguments(&step["args"]), &variables)
}

pub(crate) fn woodpecker(host: &mut Host, yaml: &str) -> Run {
    let step = &parsed(yaml)["steps"][0];
    assert_eq!(step["image"], "ghcr.io/s3lo/sign-action:1");
    let settings = pairs(&step["settings"]).into_iter();
    let settings = settings.map(|(name, value)| (format!("PLUGIN_{}", name.to_uppercase()), value));
    let mut variables: Vec<_> = settings.collect();
    let secrets = host.secrets();
    for (name, value) in step["environment"].as_mapping().unwrap() {
        let secret = as_text(&value["from_secret"]).to_uppercase();
        let (_, value) = secrets.iter().find(|(name, _)| *name == secret).unwrap();
        variables.push((as_text(name), value.clone()));
    }
    variables.push(("CI".to_owned(), "woodpecker".to_owned()));
    host.container(&[], &variables)
}

/// <https://docs.cloud.google.com/build/docs/securing-builds/authorize-service-to-service-access>
pub(crate) fn cloud_build(host: &mut Host, yaml: &str) -> Run {
    let build = parsed(yaml);
    let account = as_text(&build["serviceAccount"]);
    assert!(account.starts_with("projects/"), "{account}");
    let token = host.issuer(GOOGLE, "sts.amazonaws.com", "104000000000000000000");
    host.aws.sandbox.write("token", token);
    let gcloud = format!(
        "#!/bin/sh\n[ \"$*\" = 'auth print-identity-token --audiences=sts.amazonaws.com' ] && cat '{}'\n",
        host.aws.sandbox.file("token").display()
    );
    host.aws.sandbox.write_program("bin/gcloud", &gcloud);
    let [identity, sign] = &build["steps"].as_sequence().unwrap()[..] else {
        panic!("two steps");
    };
    // Nothing but the volume is shared.
    assert_eq!(identity["volumes"], sign["volumes"]);
    let path = as_text(&sign["volumes"][0]["path"]);
    let folder = host.aws.sandbox.file("volume");
    std::fs::create_dir(&folder).unwrap();
    let here = |text: &str| text.replace(&path, folder.to_str().unwrap());
    let run = host.sh("bash", &here(identity["script"].as_str().unwrap()));
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(sign["name"], "ghcr.io/s3lo/sign-action:1");
    let mut variables = vec![("BUILDER_OUTPUT".to_owned(), "/builder/outputs".to_owned())];
    for line in arguments(&sign["env"]) {
        let (name, value) = line.split_once('=').unwrap();
        let value = here(&value.replace("$TAG_NAME", "v1.0"));
        variables.push((name.to_owned(), value));
    }
    host.container(&arguments(&sign["args"]), &variables)
}

/// The variables that EKS gives a pod whose service account has a role.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html>
pub(crate) fn irsa(host: &Host) -> Vec<(String, String)> {
    let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE";
    let subject = "system:serviceaccount:release:signer";
    let token = host.issuer(issuer, "sts.amazonaws.com", subject);
    host.aws.sandbox.write("pod/token", token);
    let path = host.aws.sandbox.file("pod/token").display().to_string();
    [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The container of a Job, with these variables beside its own.
fn job(host: &Host, yaml: &str, of_pod: Vec<(String, String)>) -> Run {
    let (account, job) = yaml.split_once("\n---\n").unwrap_or(("", yaml));
    let (account, job) = (parsed(account), parsed(job));
    if !account.is_null() {
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(account["metadata"]["name"], pod["serviceAccountName"]);
        let namespace = &account["metadata"]["namespace"];
        assert_eq!(*namespace, job["metadata"]["namespace"]);
        let annotations = &account["metadata"]["annotations"];
        assert_eq!(annotations["eks.amazonaws.com/role-arn"], ROLE);
    }
    let [container] = &job["spec"]["template"]["spec"]["containers"]
        .as_sequence()
        .unwrap()[..]
    else {
        panic!("one container");
    };
    assert_eq!(container["image"], "ghcr.io/s3lo/sign-action:1");
    let mut variables = pairs(&container["env"]);
    variables.extend(of_pod);
    host.container(&arguments(&container["args"]), &variables)
}

pub(crate) fn job_of_irsa(host: &mut Host, yaml: &str) -> Run {
    let of_pod = irsa(host);
    job(host, yaml, of_pod)
}

/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
pub(crate) fn job_of_pod_identity(host: &mut Host, yaml: &str) -> Run {
    let service = host.credentials_service("/v1/credentials", Some("token-of-the-pod"));
    host.aws.sandbox.write("pod/token", "token-of-the-pod");
    let token = host.aws.sandbox.file("pod/token").display().to_string();
    let of_pod = vec![
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
            format!("{service}/v1/credentials"),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token),
    ];
    job(host, yaml, of_pod)
}
