//! Tokens of a real Vault: where one is found, which of several counts, and that a run ends the ones which
//! it obtained itself, and no others.

use std::time::{Duration, Instant};

use s3lo::key::vault::client::address::Product;
use serde_json::json;
use test_case::test_matrix;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::vault::{Vault, vault};
use crate::vault::logins::Job;
use s3lo_test_servers::aws::{AwsServer, Key};
use s3lo_test_servers::vault::{Kind, VaultServer};

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_may_be_in_a_variable_in_a_file_or_at_home(product: Product) {
    let mut job = Job::new(vault(product), "places");
    let token = vault(product).token(&["places"], "5m");
    job.sandbox.set("VAULT_TOKEN", &token);
    job.signs("");
    job.run("verify", "").ends_with(0);
    job.run("public-key", "").ends_with(0);
    job.sandbox.unset("VAULT_TOKEN");
    // As the Vault Agent writes it, and as an editor leaves it.
    for contents in [token.clone(), format!("{token}\n"), format!("{token}\r\n")] {
        job.sandbox.write("run/token", &contents);
        job.sandbox.set("VAULT_TOKEN_FILE", "run/token");
        job.signs("");
        job.sandbox.unset("VAULT_TOKEN_FILE");
        job.sandbox.write("home/.vault-token", &contents);
        let home = job.sandbox.file("home");
        job.sandbox.set("HOME", home.to_str().unwrap());
        job.signs("");
        job.sandbox.unset("HOME");
    }
    assert!(vault(product).lookup(&token).is_some());
}

/// Every place from which a token can come, first the one that counts most.
const PLACES: [&str; 5] = ["flags", "variable", "file", "role", "approle"];

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_stored_token_is_for_its_configured_server(product: Product) {
    let mut job = Job::new(vault(product), "of-the-sandbox");
    let token = vault(product).token(&["of-the-sandbox"], "5m");
    job.sandbox.unset("VAULT_TOKEN");
    job.sandbox.write("home/.vault-token", token);
    let home = job.sandbox.file("home");
    job.sandbox.set("HOME", home.to_str().unwrap());
    job.signs("");
    // In CI it is that of the machine's owner.
    job.sandbox.set("CI", "true");
    assert_eq!(job.refused(""), "no_credentials");
    job.sandbox.unset("CI");
    // A reference alone does not prove that the server is ours.
    job.sandbox.unset("VAULT_ADDR");
    let line = format!(
        "sign local://./store/myapp:v1.0 --key hashivault://{}/v1/transit/keys/of-the-sandbox -o json",
        vault(product).host()
    );
    let json = job.sandbox.s3lo(&line).ends_with(2).json();
    assert_eq!(json["error"]["code"], "no_credentials");
}

/// Fills a place with a value that Vault accepts, or with one that it refuses.
fn fill(job: &mut Job<'_>, place: &str, good: bool) -> String {
    let pick = |right: &str, wrong: &str| if good { right } else { wrong }.to_owned();
    let token = pick(&job.vault.token(&["places-in-order"], "5m"), "hvs.nobody");
    let role = pick("places-in-order", "nobody");
    match place {
        "flags" => return format!("--vault-role {role}"),
        "variable" => job.sandbox.set("VAULT_TOKEN", &token),
        "file" => {
            job.sandbox.write("token", token);
            job.sandbox.set("VAULT_TOKEN_FILE", "token");
        }
        "role" => job.sandbox.set("VAULT_AUTH_ROLE", &role),
        "approle" => {
            let (role_id, secret_id) = job.vault.approle("places-in-order", &["places-in-order"]);
            job.sandbox.set("VAULT_ROLE_ID", &role_id);
            job.sandbox
                .set("VAULT_SECRET_ID", &pick(&secret_id, "of-nobody"));
        }
        other => panic!("{other}"),
    }
    String::new()
}

fn empty(job: &mut Job<'_>, place: &str) {
    let variables: &[&str] = match place {
        "variable" => &["VAULT_TOKEN"],
        "file" => &["VAULT_TOKEN_FILE"],
        "role" => &["VAULT_AUTH_ROLE"],
        "approle" => &["VAULT_ROLE_ID", "VAULT_SECRET_ID"],
        _ => &[],
    };
    for name in variables {
        job.sandbox.unset(name);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn of_several_tokens_the_first_counts_and_no_other_is_tried(product: Product) {
    let (mut job, _ci) = Job::in_github(vault(product), "places-in-order");
    for (at, place) in PLACES.iter().enumerate() {
        for good in [true, false] {
            // All that come after it are wrong where it is right, and right where it is wrong.
            let mut flags = fill(&mut job, place, good);
            for later in &PLACES[at + 1..] {
                flags += &fill(&mut job, later, !good);
            }
            if good {
                job.signs(&flags);
            } else {
                let code = job.refused(&flags);
                let codes = ["login_refused", "credentials_refused"];
                assert!(codes.contains(&code.as_str()), "{place}: {code}");
            }
        }
        empty(&mut job, place);
    }
    assert_eq!(job.refused(""), "no_credentials");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn every_login_flag_causes_a_login_despite_a_token(product: Product) {
    let (mut job, ci) = Job::in_github(vault(product), "by-any-flag");
    job.sandbox.set("VAULT_TOKEN", "hvs.nobody");
    job.sandbox.set("VAULT_AUTH_ROLE", "by-any-flag");
    let token = ci.identity_token(
        "repo:acme/app:ref:refs/heads/main",
        &vault(product).address,
        300,
    );
    job.sandbox.write("token", &token);
    job.sandbox.set("IDENTITY", &token);
    assert_eq!(job.refused(""), "credentials_refused");
    for flags in [
        "--vault-role by-any-flag",
        "--vault-auth jwt",
        "--vault-auth-mount jwt",
        &format!("--vault-audience {}", vault(product).address),
        "--vault-jwt-file token",
        "--vault-jwt-env IDENTITY",
    ] {
        job.signs(flags);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_empty_variable_is_an_unset_one(product: Product) {
    let mut job = Job::new(vault(product), "empty");
    for end in [
        "TOKEN",
        "TOKEN_FILE",
        "NAMESPACE",
        "AUTH_METHOD",
        "AUTH_ROLE",
        "AUTH_PATH",
        "ROLE_ID",
        "SECRET_ID",
        "CACERT",
        "CACERT_BYTES",
        "CAPATH",
        "CLIENT_CERT",
        "CLIENT_KEY",
        "SKIP_VERIFY",
        "TLS_SERVER_NAME",
        "MAX_RETRIES",
        "CLIENT_TIMEOUT",
        "PROXY_ADDR",
    ] {
        job.sandbox.set(&format!("VAULT_{end}"), "");
        job.sandbox.set(&format!("BAO_{end}"), "");
    }
    job.sandbox.set("BAO_ADDR", "");
    job.sandbox.set("TRANSIT_SECRET_ENGINE_PATH", "");
    job.sandbox.set("HOME", "");
    assert_eq!(job.refused(""), "no_credentials");
    job.sandbox
        .write("home/.vault-token", vault(product).token(&["empty"], "5m"));
    let home = job.sandbox.file("home");
    job.sandbox.set("HOME", home.to_str().unwrap());
    job.signs("");
    job.sandbox.set("VAULT_ADDR", "");
    assert_eq!(job.refused(""), "configuration");
    job.signs(&format!("--vault-address {}", vault(product).address));
    // An empty variable does not count; the other service's stands in.
    job.sandbox.set("BAO_ADDR", &vault(product).address);
    job.signs("");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn openbao_has_variables_of_its_own_for_which_vault_s_stand_in(product: Product) {
    let mut job = Job::new(vault(product), "bao");
    let token = vault(product).token(&["bao"], "5m");
    let nowhere = "http://127.0.0.1:1";
    let line = |scheme: &str| {
        format!("sign local://./store/myapp:v1.0 --key {scheme}://bao --if-signed replace")
    };
    for (of_bao, of_vault) in [("openbao", "hashivault"), ("hashivault", "openbao")] {
        let own = if of_bao == "openbao" { "BAO" } else { "VAULT" };
        let other = if own == "BAO" { "VAULT" } else { "BAO" };
        for name in ["ADDR", "TOKEN"] {
            job.sandbox.unset(&format!("{other}_{name}"));
        }
        job.sandbox
            .set(&format!("{own}_ADDR"), &vault(product).address);
        job.sandbox.set(&format!("{own}_TOKEN"), &token);
        job.sandbox.s3lo(&line(of_bao)).ends_with(0);
        job.sandbox.s3lo(&line(of_vault)).ends_with(0);
        // Where both are set, each has its own.
        job.sandbox.set(&format!("{other}_ADDR"), nowhere);
        job.sandbox.set(&format!("{other}_TOKEN"), "hvs.nobody");
        job.sandbox.set("VAULT_MAX_RETRIES", "0");
        job.sandbox.s3lo(&line(of_bao)).ends_with(0);
        job.sandbox.s3lo(&line(of_vault)).ends_with(2);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_that_was_given_is_never_revoked(product: Product) {
    let mut job = Job::new(vault(product), "given");
    vault(product).policy(
        "reads-given",
        r#"path "transit/keys/given" { capabilities = ["read"] }"#,
    );
    let [signer, reader] = ["given", "reads-given"].map(|name| vault(product).token(&[name], "5m"));
    job.sandbox.set("VAULT_TOKEN", &signer);
    job.signs("");
    job.run("sign", "--if-signed fail").ends_with(1);
    job.run("verify", "").ends_with(0);
    job.run("public-key", "").ends_with(0);
    job.sandbox.set("VAULT_TOKEN", &reader);
    assert_eq!(job.refused(""), "access_denied");
    for token in [signer, reader] {
        assert!(vault(product).lookup(&token).is_some());
    }
}

/// A job of GitHub at a Vault of the test's own, whose tokens are counted.
struct Counted<'a> {
    job: Job<'a>,
    ci: AwsServer,
}

impl<'a> Counted<'a> {
    fn new(vault: &'a Vault) -> Self {
        let (job, ci) = Job::in_github(vault, "signer");
        Self { job, ci }
    }

    /// The number of additional tokens after a run that logs in.
    #[track_caller]
    fn left_by(&self, command: &str, flags: &str, code: i32) -> usize {
        let vault = self.job.vault;
        let (tokens, logins) = (vault.tokens(), self.ci.calls().len());
        let flags = format!("--vault-role signer {flags}");
        self.job.run(command, &flags).ends_with(code);
        assert_eq!(self.ci.calls().len(), logins + 1, "{command} {flags}");
        vault.tokens() - tokens
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_login_ends_with_the_run_in_every_outcome(product: Product) {
    let vault = Vault::start(product);
    let counted = Counted::new(&vault);
    let pinned = format!("--digest sha256:{}", "0".repeat(64));
    for (command, flags, code) in [
        ("sign", "", 0),
        // There already: it is kept.
        ("sign", "", 0),
        ("sign", "--if-signed fail", 1),
        ("sign", "--schema-version 2 --if-signed replace", 0),
        // A guard, for which nothing is signed.
        ("sign", "--schema-version 1", 1),
        ("sign", &pinned, 1),
        ("sign", "local://./store/nothing:v1", 2),
        ("sign", "--key hashivault://nobody", 2),
        ("sign", "--key hashivault://signer?version=7", 2),
        ("sign", "--key nowhere.key", 2),
        ("verify", "", 0),
        ("verify", "--key hashivault://nobody --require all", 2),
        ("verify", &pinned, 1),
        ("public-key", "", 0),
    ] {
        assert_eq!(
            counted.left_by(command, flags, code),
            0,
            "{command} {flags}"
        );
    }
    vault.policy(
        "signer",
        r#"path "transit/keys/signer" { capabilities = ["read"] }"#,
    );
    assert_eq!(counted.left_by("sign", "--if-signed replace", 2), 0);
    vault.policy("signer", "# Nothing.");
    assert_eq!(counted.left_by("verify", "", 2), 0);
    assert_eq!(counted.left_by("public-key", "", 2), 0);
}

/// This also shows that these tests notice a token that is left behind.
#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_that_may_not_be_revoked_is_left_and_takes_nothing_from_the_result(product: Product) {
    let vault = Vault::start(product);
    let counted = Counted::new(&vault);
    vault.policy(
        "signer",
        r#"path "transit/+/signer" { capabilities = ["read", "update"] }
           path "auth/token/revoke-self" { capabilities = ["deny"] }"#,
    );
    assert_eq!(counted.left_by("sign", "", 0), 1);
    assert_eq!(counted.left_by("verify", "", 0), 1);
    let run = counted.job.run("sign", "--vault-role signer");
    let reported = run.ends_with(0).err;
    let warned = reported.starts_with("warning: the token of this run's login to Vault at ");
    assert!(warned && reported.contains("is not revoked"), "{reported}");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_batch_token_is_not_revoked_and_that_is_no_error(product: Product) {
    let vault = Vault::start(product);
    let (mut job, _ci) = Job::in_github(&vault, "signer");
    let settings = json!({
        "token_policies": ["signer"],
        "token_ttl": "5m",
        "token_type": "batch",
    });
    let (role_id, secret_id) = vault.approle_of("batch", &settings);
    job.sandbox.set("VAULT_ROLE_ID", &role_id);
    job.sandbox.set("VAULT_SECRET_ID", &secret_id);
    let of_jwt = json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [vault.address],
        "token_policies": ["signer"],
        "token_type": "batch",
    });
    vault.post("auth/jwt/role/batch", &of_jwt);
    let tokens = vault.tokens();
    for flags in ["", "--vault-role batch"] {
        let run = job.run("sign", &format!("{flags} --if-signed replace --verbose"));
        let reported = run.ends_with(0).err;
        assert!(reported.contains("logged in by"), "{reported}");
        assert!(!reported.contains("revoke"), "{reported}");
    }
    assert_eq!(vault.tokens(), tokens);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_with_too_few_uses_is_reported(product: Product) {
    let mut job = Job::new(vault(product), "used-up");
    let settings = json!({"token_policies": ["used-up"], "token_ttl": "5m", "token_num_uses": 1});
    let (role_id, secret_id) = vault(product).approle_of("used-up", &settings);
    job.sandbox.set("VAULT_ROLE_ID", &role_id);
    job.sandbox.set("VAULT_SECRET_ID", &secret_id);
    assert_eq!(job.refused(""), "credentials_refused");
    // Two are enough to sign, and nothing is left of it to revoke.
    let settings = json!({"token_policies": ["used-up"], "token_ttl": "5m", "token_num_uses": 2});
    vault(product).approle_of("used-up", &settings);
    job.signs("");
}

/// The two logins of a run are on their way at the same time, and the other one fails.
#[test]
fn a_login_that_is_on_its_way_when_the_run_ends_is_ended_too() {
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox.set("VAULT_ADDR", &vault.endpoint);
    vault.fault(|call| {
        // Vault is slow, so that STS has refused by then.
        let began = Instant::now();
        while call.kind == Kind::Login && began.elapsed() < Duration::from_secs(1) {
            std::thread::yield_now();
        }
        None
    });
    let line = format!(
        "sign s3://my-bucket/myapp:v1.0 --key hashivault://ci-signer --vault-role release \
         --role-arn {ROLE_ARN}-of-nobody -o json"
    );
    let json = aws.s3lo(&line).ends_with(2).json();
    assert_eq!(json["error"]["code"], "role_refused");
    let [token] = &vault.issued()[..] else {
        panic!("{:?}", vault.kinds());
    };
    assert!(!vault.knows(token));
}
