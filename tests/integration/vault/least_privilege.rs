//! The documented policy is enough, and neither of its paths is one too many; the policies
//! that errors print lead there from nothing.

use s3lo::key::vault::client::address::Product;
use serde_json::json;
use test_case::test_matrix;

use crate::cli::documentation::{blocks, text};
use crate::support::vault::Vault;
use crate::vault::logins::Job;

/// The documented policies, each path by itself.
fn documented() -> Vec<String> {
    let policies = blocks(&text("docs/vault.md"), "hcl");
    let [block] = &policies[..] else {
        panic!("there are {} policies", policies.len());
    };
    let paths = block.split_inclusive('}').map(str::trim);
    paths
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A path and its capabilities, in any spelling.
fn words(path: &str) -> Vec<String> {
    let words = path.split(|c: char| c.is_whitespace() || "{}=".contains(c));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The paths that an output asks to add.
fn paths_to_add(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    let paths = lines.filter(|line| line.starts_with("path "));
    paths.map(str::to_owned).collect()
}

/// Vault takes no policy without a letter.
fn grant(vault: &Vault, policy: &str, paths: &[String]) {
    vault.policy(policy, &format!("# As of now.\n{}", paths.join("\n")));
}

/// From now on the job may do this, and nothing else.
fn may(job: &mut Job<'_>, paths: &[String]) {
    grant(job.vault, "mine", paths);
    let token = job.vault.token(&["mine"], "5m");
    job.sandbox.set("VAULT_TOKEN", &token);
}

/// Adds the printed paths until the run ends as it should; returns all of them.
#[track_caller]
fn grant_what_is_printed(job: &mut Job<'_>, command: &str, mut paths: Vec<String>) -> Vec<String> {
    for _ in 0..4 {
        may(job, &paths);
        let anew = if command == "sign" {
            "--if-signed replace"
        } else {
            ""
        };
        let run = job.run(command, anew);
        if run.code == Some(0) {
            return paths;
        }
        let new = paths_to_add(&run.ends_with(2).err);
        assert_eq!(new.len(), 1, "{new:?}");
        assert!(!paths.contains(&new[0]), "reported again: {new:?}");
        paths.extend(new);
    }
    panic!("{paths:?} is not enough");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_policy_of_the_readme_is_enough(product: Product) {
    let vault = Vault::start(product);
    let mut job = Job::new(&vault, "ci-signer");
    may(&mut job, &documented());
    job.signs("");
    job.run("verify", "").ends_with(0);
    job.run("public-key", "").ends_with(0);
    // Of another version, too, and after a rotation.
    vault.rotate("ci-signer");
    job.signs("");
    job.run("verify", "").ends_with(0);
    let pinned = "sign local://./store/myapp:v1.0 --key hashivault://ci-signer?version=1";
    job.sandbox.s3lo(pinned).ends_with(0);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn neither_path_of_the_policy_is_one_too_many(product: Product) {
    let vault = Vault::start(product);
    let mut job = Job::new(&vault, "ci-signer");
    let paths = documented();
    assert_eq!(paths.len(), 2);
    for missing in &paths {
        let mut rest = paths.clone();
        rest.retain(|path| path != missing);
        may(&mut job, &rest);
        assert_eq!(job.refused(""), "access_denied", "{missing}");
        let granted = grant_what_is_printed(&mut job, "sign", rest.clone());
        assert_eq!(granted.len(), 2);
        assert_eq!(words(&granted[1]), words(missing));
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_policy_for_one_key_does_not_allow_another(product: Product) {
    let vault = Vault::start(product);
    let mut job = Job::new(&vault, "ci-signer");
    vault.key("other", "ecdsa-p256");
    may(&mut job, &documented());
    let line = "sign local://./store/myapp:v1.0 --key hashivault://other -o json";
    let json = job.sandbox.s3lo(line).ends_with(2).json();
    assert_eq!(json["error"]["code"], "access_denied");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn what_the_errors_print_is_enough_and_no_more(product: Product) {
    let vault = Vault::start(product);
    let mut job = Job::new(&vault, "ci-signer");
    let to_sign = grant_what_is_printed(&mut job, "sign", Vec::new());
    let documented: Vec<_> = documented().iter().map(|path| words(path)).collect();
    let granted: Vec<_> = to_sign.iter().map(|path| words(path)).collect();
    assert_eq!(granted, documented);
    // To verify takes the first of them alone.
    for command in ["verify", "public-key"] {
        let granted = grant_what_is_printed(&mut job, command, Vec::new());
        assert_eq!(granted, to_sign[..1]);
    }
    may(&mut job, &to_sign[1..]);
    for command in ["verify", "public-key"] {
        let json = job.run(command, "-o json").ends_with(2).json();
        assert_eq!(json["error"]["code"], "access_denied");
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn what_the_errors_print_names_the_engine_s_mount(product: Product) {
    let vault = Vault::start(product);
    let mut job = Job::new(&vault, "deep");
    vault.post("team/a/transit/keys/deep", &json!({"type": "ecdsa-p256"}));
    job.sandbox
        .set("TRANSIT_SECRET_ENGINE_PATH", "team/a/transit");
    let granted = grant_what_is_printed(&mut job, "sign", Vec::new());
    let paths: Vec<_> = granted.iter().map(|path| words(path)[1].clone()).collect();
    assert_eq!(
        paths,
        [
            r#""team/a/transit/keys/deep""#,
            r#""team/a/transit/sign/deep""#
        ]
    );
}

/// The job's login gets a token that is refused, and its role's policy has to be fixed.
#[test_matrix([Product::Vault, Product::OpenBao])]
fn what_the_errors_print_mends_the_policy_of_a_role(product: Product) {
    let vault = Vault::start(product);
    let (job, _ci) = Job::in_github(&vault, "ci-signer");
    let mut paths = Vec::new();
    for _ in 0..2 {
        grant(&vault, "ci-signer", &paths);
        let run = job.run("sign", "--vault-role ci-signer").ends_with(2);
        paths.extend(paths_to_add(&run.err));
    }
    grant(&vault, "ci-signer", &paths);
    job.signs("--vault-role ci-signer");
}
