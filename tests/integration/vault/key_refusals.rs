//! Keys of Vault that are forbidden or cannot sign are answered with the change to make.

use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use test_case::test_matrix;

use crate::support::program::Sandbox;
use crate::support::tools::openssl;
use crate::support::vault::{ROOT, Service, Vault};
use crate::vault::refusals::{Page, assert_reported, on};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Kind, TOKEN, VaultServer, json_answer, vault_errors};

const IMAGE: &str = "local://./store/myapp:v1.0";

/// A sandbox with a token that may do everything.
fn sandbox(vault: &Vault) -> Sandbox {
    Sandbox::with_image()
        .with("VAULT_ADDR", &vault.address)
        .with("VAULT_TOKEN", ROOT)
}

fn page() -> Page {
    let mut page = Page::new();
    page.keep_secret(ROOT);
    page
}

fn sign(key: &str) -> String {
    format!("sign {IMAGE} --key {key} --if-signed replace")
}

fn verify(key: &str) -> String {
    format!("verify {IMAGE} --key {key}")
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_missing_key_comes_with_commands_to_list_and_create_keys(product: Product) {
    let (mut page, vault) = (page(), Vault::start(product));
    let mut sandbox = sandbox(&vault);
    let host = vault.host();
    vault.mount("kv", "kv");
    for (what, key) in [
        ("no such key", "hashivault://ci-singer".to_owned()),
        ("of OpenBao", "openbao://ci-singer".to_owned()),
        (
            "by its version",
            "hashivault://ci-singer?version=2".to_owned(),
        ),
        (
            "no such mount",
            format!("hashivault://{host}/v1/team/b/transit/keys/k"),
        ),
        (
            "another engine",
            format!("hashivault://{host}/v1/kv/keys/k"),
        ),
        ("the system", format!("hashivault://{host}/v1/sys/keys/k")),
        ("a login", format!("hashivault://{host}/v1/auth/jwt/keys/k")),
    ] {
        page.report(what, &sandbox, &sign(&key));
    }
    page.report("to verify", &sandbox, &verify("hashivault://ci-singer"));
    sandbox.set("TRANSIT_SECRET_ENGINE_PATH", "team/a/transit");
    page.report(
        "at another mount",
        &sandbox,
        &sign("hashivault://ci-singer"),
    );
    sandbox.set("TRANSIT_SECRET_ENGINE_PATH", "nowhere");
    page.report("at no mount", &sandbox, &sign("hashivault://ci-singer"));
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_forbidden_token_is_shown_the_missing_policy(product: Product) {
    let (mut page, vault) = (page(), Vault::start(product));
    vault.key("ci-signer", "ecdsa-p256");
    vault.policy(
        "reads",
        r#"path "transit/keys/ci-signer" { capabilities = ["read"] }"#,
    );
    vault.policy(
        "creates",
        r#"path "transit/keys/ci-signer" { capabilities = ["read"] }
           path "transit/sign/ci-signer" { capabilities = ["create"] }"#,
    );
    let sandbox = |token: &str| sandbox(&vault).with("VAULT_TOKEN", token);
    let of = |policy: &str| vault.token(&[policy], "5m");
    let (nothing, reads, creates) = (of("default"), of("reads"), of("creates"));
    for token in [&nothing, &reads, &creates] {
        page.keep_secret(token);
    }
    let key = "hashivault://ci-signer";
    page.report("may nothing", &sandbox(&nothing), &sign(key));
    page.report("may nothing, to verify", &sandbox(&nothing), &verify(key));
    page.report(
        "may nothing, for a public key",
        &sandbox(&nothing),
        &format!("public-key --key {key}"),
    );
    page.report("may not sign", &sandbox(&reads), &sign(key));
    page.report(
        "may create a signature and not update one",
        &sandbox(&creates),
        &sign(key),
    );
    let deep = format!(
        "openbao://{}/v1/team/a/transit/keys/ci-signer",
        vault.host()
    );
    page.report("at another mount", &sandbox(&nothing), &sign(&deep));
    let nowhere = format!("hashivault://{}/v1/nowhere/keys/ci-signer", vault.host());
    page.report("at no mount", &sandbox(&nothing), &sign(&nowhere));
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_wrapping_token_is_thought_of_before_and_after_its_one_use(product: Product) {
    let vault = Vault::start(product);
    vault.key("ci-signer", "ecdsa-p256");
    let wrapping = vault.wrapped(&json!({"policies": ["root"]}));
    let sandbox = sandbox(&vault).with("VAULT_TOKEN", &wrapping);
    for (code, words) in [
        ("access_denied", "unwrap it first: `vault unwrap`"),
        (
            "credentials_refused",
            "as a wrapping token is after one use",
        ),
    ] {
        let line = format!("{} -o json", sign("hashivault://ci-signer"));
        let error = sandbox.s3lo(&line).ends_with(2).json()["error"].take();
        assert_eq!(error["code"], code);
        let help = error["help"].as_str().unwrap();
        assert!(help.contains(words), "{help}");
        assert!(!error.to_string().contains(&wrapping));
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_invalid_token_is_reported_with_its_origin(product: Product) {
    let (mut page, vault) = (page(), Vault::start(product));
    vault.key("ci-signer", "ecdsa-p256");
    vault.signer_policy("ci-signer");
    let key = "hashivault://ci-signer";
    let revoked = vault.token(&["ci-signer"], "5m");
    vault.revoke(&revoked);
    let used_up = vault.token_of(&json!({"policies": ["ci-signer"], "num_uses": 1}));
    let of_a_namespace = format!("{revoked}.abcde");
    for (what, token) in [
        ("an unknown one", "hvs.canary-of-the-token"),
        ("one of no known form", "canary-of-the-token"),
        ("one that was revoked", &revoked),
        ("one that is used up meanwhile", &used_up),
        ("one of a namespace", &of_a_namespace),
    ] {
        page.keep_secret(token);
        let mut sandbox = sandbox(&vault).with("VAULT_TOKEN", token);
        sandbox.set("VAULT_MAX_RETRIES", "0");
        page.report(what, &sandbox, &sign(key));
    }
    let mut sandbox = sandbox(&vault).without("VAULT_TOKEN");
    sandbox.set("BAO_TOKEN", "hvs.canary-of-the-token");
    page.report(
        "in BAO_TOKEN, beside VAULT_ADDR",
        &sandbox,
        &sign("openbao://ci-signer"),
    );
    sandbox.set("BAO_ADDR", &vault.address);
    page.report("in BAO_TOKEN", &sandbox, &sign("openbao://ci-signer"));
    sandbox.unset("BAO_ADDR");
    sandbox.unset("BAO_TOKEN");
    sandbox.write("token", "hvs.canary-of-the-token");
    sandbox.set("VAULT_TOKEN_FILE", "token");
    page.report("in a file", &sandbox, &sign(key));
    sandbox.unset("VAULT_TOKEN_FILE");
    sandbox.write(".vault-token", "hvs.canary-of-the-token");
    let home = sandbox.path().to_str().unwrap().to_owned();
    sandbox.set("HOME", &home);
    page.report("at home", &sandbox, &verify(key));
    let settings = json!({"token_policies": ["ci-signer"], "token_num_uses": 1});
    let (role_id, secret_id) = vault.approle_of("ci", &settings);
    sandbox.set("VAULT_ROLE_ID", &role_id);
    sandbox.set("VAULT_SECRET_ID", &secret_id);
    page.report("of a login, for one use", &sandbox, &sign(key));
    // OpenBao has namespaces, and its errors give less detail on a token of one.
    assert_reported!(page, on(product));
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_key_that_cannot_sign_is_reported_with_the_types_that_can(product: Product) {
    let (mut page, vault) = (page(), Vault::start(product));
    let sandbox = sandbox(&vault);
    vault.derived_key("derived");
    for kind in ["aes256-gcm96", "chacha20-poly1305", "hmac"] {
        vault.key(kind, kind);
    }
    let pem = std::fs::read_to_string(sandbox.file("keys/cosign.pub")).unwrap();
    vault.public_key("imported", "ecdsa-p256", &pem);
    for name in ["derived", "aes256-gcm96", "chacha20-poly1305", "hmac"] {
        let key = format!("hashivault://{name}");
        page.report(name, &sandbox, &sign(&key));
        page.report(&format!("{name}, to verify"), &sandbox, &verify(&key));
    }
    page.report("imported", &sandbox, &sign("hashivault://imported"));
    let deep = format!(
        "hashivault://{}/v1/team/a/transit/keys/secret",
        vault.host()
    );
    vault.post(
        "team/a/transit/keys/secret",
        &json!({"type": "aes256-gcm96"}),
    );
    page.report("at another mount", &sandbox, &sign(&deep));
    // A signature by the private half from elsewhere is verified all the same.
    sandbox.s3lo(&sign("keys/cosign.key")).ends_with(0);
    sandbox.s3lo(&verify("hashivault://imported")).ends_with(0);
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_unavailable_version_is_reported_with_the_available_ones(product: Product) {
    let (mut page, vault) = (page(), Vault::start(product));
    let sandbox = sandbox(&vault);
    let deep = self::sandbox(&vault).with("TRANSIT_SECRET_ENGINE_PATH", "team/a/transit");
    vault.post("team/a/transit/keys/once", &json!({"type": "ecdsa-p256"}));
    page.report(
        "at another mount",
        &deep,
        &sign("hashivault://once?version=2"),
    );
    let key = "hashivault://rotated";
    vault.key("rotated", "ecdsa-p256");
    for _ in 2..=4 {
        vault.rotate("rotated");
    }
    let report = |page: &mut Page, what: &str, version: &str| {
        page.report(what, &sandbox, &sign(&format!("{key}?version={version}")));
    };
    report(&mut page, "above the latest", "5");
    report(&mut page, "far above it", "18446744073709551615");
    vault.configure("rotated", &json!({"min_encryption_version": 3}));
    report(&mut page, "below min_encryption_version", "2");
    vault.configure("rotated", &json!({"min_decryption_version": 2}));
    report(&mut page, "below min_decryption_version", "1");
    let old = verify(&format!("{key}?version=1"));
    page.report("below min_decryption_version, to verify", &sandbox, &old);
    vault.configure("rotated", &json!({"min_decryption_version": 3}));
    vault.trim("rotated", 3);
    report(&mut page, "trimmed", "2");
    assert_reported!(page);
}

/// The only message here that is no error: without the version's public key the program cannot know who
/// signed.
#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_signature_by_a_withheld_version_comes_with_a_note(product: Product) {
    let vault = Vault::start(product);
    let mut sandbox = sandbox(&vault);
    vault.key("held", "ecdsa-p256");
    vault.post(
        "team/a/transit/keys/by-variable",
        &json!({"type": "ecdsa-p256"}),
    );
    let deep = format!("hashivault://{}/v1/team/a/transit/keys/held", vault.host());
    vault.post("team/a/transit/keys/held", &json!({"type": "ecdsa-p256"}));
    let mut text = String::new();
    for (key, mount, name) in [
        ("hashivault://held", "transit", "held"),
        (&deep, "team/a/transit", "held"),
        ("hashivault://by-variable", "team/a/transit", "by-variable"),
    ] {
        sandbox.set("TRANSIT_SECRET_ENGINE_PATH", mount);
        sandbox.s3lo(&sign(key)).ends_with(0);
        vault.post(&format!("{mount}/keys/{name}/rotate"), &json!({}));
        sandbox.s3lo(&verify(key)).ends_with(0);
        let config = format!("{mount}/keys/{name}/config");
        vault.post(&config, &json!({"min_decryption_version": 2}));
        let run = sandbox.s3lo(&verify(key)).ends_with(1);
        text.push_str(&format!("# {key}\n{}{}\n", run.out, run.err));
        let json = sandbox.s3lo(&format!("{} -o json", verify(key)));
        let json = json.ends_with(1).json();
        let note = json["note"].as_str().unwrap();
        assert!(run.err.contains(&format!("note: {note}")), "{json}");
        assert!(
            note.contains(&format!("`vault read {mount}/keys/{name}`")),
            "{note}"
        );
        vault.post(&config, &json!({"min_decryption_version": 1}));
        let json = sandbox.s3lo(&format!("{} -o json", verify(key)));
        assert_eq!(json.ends_with(0).json()["note"], Value::Null);
    }
    let text = text.replace(vault.host(), "127.0.0.1:PORT");
    insta::with_settings!({filters => vec![(r"\b[0-9a-f]{16}\b", "KEY-ID")]}, {
        insta::assert_snapshot!("a_signature_by_a_withheld_version_comes_with_a_note", text);
    });
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_unavailable_vault_is_reported(product: Product) {
    let mut page = page();
    page.keep_secret("of-the-secret-id");
    let key = "hashivault://ci-signer";
    let vault = Vault::start(product);
    vault.key("ci-signer", "ecdsa-p256");
    let hasty = |sandbox: Sandbox| sandbox.with("VAULT_MAX_RETRIES", "0");
    let mut at = hasty(sandbox(&vault));
    vault.seal();
    page.report("sealed", &at, &sign(key));
    at.unset("VAULT_TOKEN");
    at.set("VAULT_ROLE_ID", "ci");
    at.set("VAULT_SECRET_ID", "of-the-secret-id");
    page.report("sealed, and to log in", &at, &verify(key));
    vault.unseal();
    let quota = json!({"rate": 1, "interval": "1h", "path": "transit/sign/ci-signer"});
    vault.post("sys/quotas/rate-limit/ci", &quota);
    let at = hasty(sandbox(&vault));
    at.s3lo(&sign(key)).ends_with(0);
    page.report("throttled", &at, &format!("{} --timeout 2s", sign(key)));
    let absent = at.with("VAULT_ADDR", "http://127.0.0.1:1");
    page.report("not there", &absent, &sign(key));
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_untrusted_connection_is_reported_with_the_setting_that_trusts_it(product: Product) {
    let mut page = page();
    let (ours, clients) = (Authority::generate(), Authority::generate());
    let vault = Vault::start_with(
        product,
        &Service {
            authority: Some(&ours),
            clients: Some(&clients),
            ..Service::default()
        },
    );
    vault.key("ci-signer", "ecdsa-p256");
    let mut sandbox = sandbox(&vault).with("VAULT_MAX_RETRIES", "0");
    sandbox.write("ours.pem", ours.pem());
    sandbox.write("clients.pem", clients.pem());
    let line = sign("hashivault://ci-signer");
    let others = sandbox.file("others.pem");
    let made = openssl(&[
        "req",
        "-x509",
        "-nodes",
        "-subj",
        "/CN=another",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-keyout",
        "/dev/null",
        "-out",
        others.to_str().unwrap(),
    ]);
    assert!(made.status.success());
    sandbox.set("VAULT_CACERT", "others.pem");
    page.report("an authority that is not trusted", &sandbox, &line);
    sandbox.set("VAULT_CACERT", "clients.pem");
    page.report("another authority of the same name", &sandbox, &line);
    sandbox.set("VAULT_CACERT", "ours.pem");
    page.report("a client certificate is demanded", &sandbox, &line);
    let (certificate, key) = ours.certificate("client.example");
    sandbox.write("client.pem", certificate);
    sandbox.write("client.key", key);
    sandbox.set("VAULT_CLIENT_CERT", "client.pem");
    sandbox.set("VAULT_CLIENT_KEY", "client.key");
    page.report("one of another authority", &sandbox, &line);
    let (certificate, key) = clients.certificate("client.example");
    sandbox.write("client.pem", certificate);
    sandbox.write("client.key", key);
    sandbox.s3lo(&line).ends_with(0);
    let named = vault.address.replace("127.0.0.1", "localhost");
    sandbox.set("VAULT_ADDR", &named);
    page.report("another name", &sandbox, &line);
    let plain = vault.address.replace("https", "http");
    sandbox.set("VAULT_ADDR", &plain);
    page.report("TLS is served, and none is spoken", &sandbox, &line);
    let other = Vault::start(product);
    sandbox.set("VAULT_ADDR", &other.address.replace("http", "https"));
    page.report("TLS is spoken, and none is served", &sandbox, &line);
    assert_reported!(page);
}

#[test]
fn an_answer_that_is_not_vaults_is_reported() {
    let mut page = Page::new();
    page.keep_secret(TOKEN);
    let cases: [Case; 12] = [
        ("a page of a proxy", Kind::Key, || {
            Reply::Answer(200, vec![], "<html>".into())
        }),
        ("the page of a failure", Kind::Key, || {
            Reply::Answer(502, vec![], "<html>".into())
        }),
        ("a refusal of a proxy", Kind::Key, || {
            Reply::Answer(403, vec![], "<html>".into())
        }),
        ("a redirect", Kind::Key, || {
            let to = "https://vault-2.example/v1/transit/keys/ci-signer";
            Reply::Answer(307, vec![], vec![]).header("location", to)
        }),
        ("a redirect to nowhere", Kind::Sign, || {
            Reply::Answer(301, vec![], vec![])
        }),
        ("an internal error", Kind::Sign, || {
            vault_errors(500, &["internal error"])
        }),
        ("a request that it does not like", Kind::Sign, || {
            vault_errors(400, &["unsupported hash algorithm"])
        }),
        ("a key without versions", Kind::Key, || {
            json_answer(&json!({"data": {"type": "ecdsa-p256", "keys": {}, "latest_version": 1}}))
        }),
        ("a public key that is none", Kind::Key, || {
            let keys = json!({"1": {"public_key": "hello"}});
            json_answer(&json!({"data": {"type": "ecdsa-p256", "keys": keys, "latest_version": 1}}))
        }),
        ("a signature of another version", Kind::Sign, || {
            json_answer(&json!({"data": {"signature": "vault:v2:AAAA"}}))
        }),
        ("a signature that is none", Kind::Sign, || {
            json_answer(&json!({"data": {"signature": "vault:v1:AAAA"}}))
        }),
        ("more than any key takes", Kind::Key, || Reply::Flood {
            bytes: 8 << 20,
            length: None,
        }),
    ];
    report_each(&mut page, &cases, "VAULT_MAX_RETRIES", "0");
    assert_reported!(page);
}

/// A case: its name, the call that is answered, and the function that makes the answer.
type Case = (&'static str, Kind, fn() -> Reply);

/// Signs by a server that gives the answer of each case, with one variable more.
fn report_each(page: &mut Page, cases: &[Case], name: &str, value: &str) {
    for (what, kind, answer) in cases.iter().copied() {
        let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
        vault.fault(move |call| (call.kind == kind).then(answer));
        let sandbox = Sandbox::at_vault(&vault).with(name, value);
        page.report(what, &sandbox, &sign("hashivault://ci-signer"));
    }
}

/// Answers of Vault Enterprise, HCP and OpenBao that no server here gives.
#[test]
fn an_answer_that_names_its_cause_is_explained() {
    const SENTINEL: &str = "2 errors occurred:\n\t* egp standard policy \"admin/office-hours\" evaluation resulted in denial.\n\nThe specific error was:\n<nil>\n\t* permission denied\n\n";
    const LOCKED: &str = "API access to this namespace has been locked by an administrator - \"admin/\" must be unlocked to gain access.";
    const QUOTA: &str = "request path \"transit/sign/ci-signer\": lease count quota exceeded";
    let mut page = Page::new();
    page.keep_secret(TOKEN);
    page.keep_secret("hvs.canary-of-a-wrapping-token");
    let cases: [Case; 8] = [
        ("no such namespace", Kind::Key, || {
            vault_errors(404, &["namespace not found"])
        }),
        ("a namespace that is locked", Kind::Key, || {
            vault_errors(503, &[LOCKED])
        }),
        ("a policy of Sentinel", Kind::Sign, || {
            vault_errors(403, &[SENTINEL])
        }),
        ("a control group", Kind::Sign, || {
            json_answer(&json!({
                "data": null,
                "wrap_info": {"token": "hvs.canary-of-a-wrapping-token", "ttl": 86400},
            }))
        }),
        ("a quota of leases", Kind::Sign, || {
            vault_errors(429, &[QUOTA])
        }),
        ("a secondary for disaster recovery", Kind::Key, || {
            vault_errors(400, &["path disabled in replication DR secondary mode"])
        }),
        ("a secondary that stores nothing", Kind::Sign, || {
            vault_errors(
                500,
                &["1 error occurred:\n\t* cannot write to readonly storage\n\n"],
            )
        }),
        ("a managed key", Kind::Key, || {
            json_answer(&json!({"data": {"type": "managed_key", "latest_version": 1}}))
        }),
    ];
    report_each(&mut page, &cases, "VAULT_NAMESPACE", "admin/team");
    assert_reported!(page);
}
