//! Whom the program takes for Vault, and whom Vault takes for a client: certificates.

use super::workbench::Workbench;
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::VaultServer;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A Vault behind TLS, at a desk that does not trust it yet: `ca.pem` is its authority's, `other.pem`
/// that of another.
fn behind_tls() -> (Workbench, Authority) {
    let authority = Authority::new();
    let bench = at(VaultServer::start_tls(authority.server(&NAMES), key()));
    bench.desk.write("ca.pem", authority.pem());
    bench.desk.write("other.pem", Authority::new().pem());
    (bench, authority)
}

fn at(vault: VaultServer) -> Workbench {
    let mut bench = Workbench::at(vault);
    bench.desk.set("VAULT_MAX_RETRIES", "0");
    bench
}

fn key() -> Key {
    Key::of_vector("p256-pkcs8")
}

/// No call comes through.
#[track_caller]
fn is_not_trusted(bench: &Workbench) {
    let calls = bench.vault.calls().len();
    assert_eq!(bench.code("sign", ""), "unreachable");
    assert_eq!(bench.vault.calls().len(), calls);
}

#[track_caller]
fn is_trusted(bench: &Workbench) {
    bench.run("sign", "--if-signed replace").ends_with(0);
}

/// A mistake in the settings, before anything is asked.
#[track_caller]
fn is_a_mistake(bench: &Workbench, what: &str) {
    assert_eq!(bench.code("sign", ""), "configuration", "{what}");
    assert!(bench.vault.calls().is_empty(), "{what}");
}

#[test]
fn only_a_clear_word_turns_the_check_of_certificates_off() {
    let (mut bench, _) = behind_tls();
    is_not_trusted(&bench);
    for word in ["", "false", "0", "f", "FALSE"] {
        bench.desk.set("VAULT_SKIP_VERIFY", word);
        is_not_trusted(&bench);
    }
    for word in ["maybe", "yes", " true", "2", "tru"] {
        bench.desk.set("VAULT_SKIP_VERIFY", word);
        // Refused as a mistake or as no word at all: it is not taken for a yes.
        let code = bench.code("sign", "");
        assert!(
            ["configuration", "unreachable"].contains(&code.as_str()),
            "{word}: {code}"
        );
    }
    assert!(bench.vault.calls().is_empty());
    for word in ["true", "1"] {
        bench.desk.set("VAULT_SKIP_VERIFY", word);
        is_trusted(&bench);
    }
}

#[test]
fn the_authorities_of_a_file_are_trusted_and_no_others() {
    let (mut bench, authority) = behind_tls();
    bench.desk.set("VAULT_CACERT", "other.pem");
    is_not_trusted(&bench);
    bench.desk.set("VAULT_CACERT", "ca.pem");
    is_trusted(&bench);
    let both = format!(
        "# ours\n{}# theirs\n{}",
        Authority::new().pem(),
        authority.pem()
    );
    bench.desk.write("both.pem", both);
    bench.desk.set("VAULT_CACERT", "both.pem");
    is_trusted(&bench);
}

#[test]
fn the_authorities_of_a_folder_are_trusted_and_no_others() {
    let (mut bench, authority) = behind_tls();
    bench.desk.write("folder/other.pem", Authority::new().pem());
    bench.desk.set("VAULT_CAPATH", "folder");
    is_not_trusted(&bench);
    bench.desk.write("folder/ours.pem", authority.pem());
    is_trusted(&bench);
}

#[test]
fn the_authorities_of_a_variable_are_trusted_and_no_others() {
    let (mut bench, authority) = behind_tls();
    bench
        .desk
        .set("VAULT_CACERT_BYTES", &Authority::new().pem());
    is_not_trusted(&bench);
    bench.desk.set("VAULT_CACERT_BYTES", &authority.pem());
    is_trusted(&bench);
}

#[test]
fn authorities_that_are_none_are_named_before_anything_is_asked() {
    let garbage = pem::encode(&pem::Pem::new("CERTIFICATE", b"garbage".to_vec()));
    for (name, value) in [
        ("VAULT_CACERT", "nowhere.pem"),
        ("VAULT_CACERT", "keys"),
        ("VAULT_CACERT", "garbage.pem"),
        ("VAULT_CACERT", "text.pem"),
        ("VAULT_CAPATH", "nowhere"),
        ("VAULT_CAPATH", "ca.pem"),
        ("VAULT_CAPATH", "empty"),
        ("VAULT_CACERT_BYTES", "hello"),
        ("VAULT_CACERT_BYTES", garbage.as_str()),
        ("VAULT_CLIENT_CERT", "ca.pem"),
        ("VAULT_CLIENT_KEY", "ca.pem"),
    ] {
        let (mut bench, _) = behind_tls();
        bench.desk.write("garbage.pem", &garbage);
        bench.desk.write("text.pem", "hello");
        std::fs::create_dir(bench.desk.file("empty")).unwrap();
        bench.desk.set(name, value);
        is_a_mistake(&bench, &format!("{name}={value}"));
    }
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let authority = Authority::new();
    let config = authority.server(&["vault.example", "127.0.0.2"]);
    let mut bench = at(VaultServer::start_tls(config, key()));
    bench.desk.write("ca.pem", authority.pem());
    bench.desk.set("VAULT_CACERT", "ca.pem");
    is_not_trusted(&bench);
}

/// A Vault that demands a certificate of its `clients`, at a desk with `client.pem` and `client.key` of
/// `authority`.
fn demanding(clients: &Authority, authority: &Authority) -> Workbench {
    let servers = Authority::new();
    let config = servers.server_for(&NAMES, clients);
    let mut bench = at(VaultServer::start_tls(config, key()));
    bench.desk.write("ca.pem", servers.pem());
    bench.desk.set("VAULT_CACERT", "ca.pem");
    let (certificate, key) = authority.certificate("ci.example");
    bench.desk.write("client.pem", certificate);
    bench.desk.write("client.key", key);
    bench
}

#[test]
fn a_certificate_is_shown_to_a_vault_that_demands_one() {
    let clients = Authority::new();
    let mut bench = demanding(&clients, &clients);
    is_not_trusted(&bench);
    bench.desk.set("VAULT_CLIENT_CERT", "client.pem");
    bench.desk.set("VAULT_CLIENT_KEY", "client.key");
    is_trusted(&bench);
    let mut stranger = demanding(&clients, &Authority::new());
    stranger.desk.set("VAULT_CLIENT_CERT", "client.pem");
    stranger.desk.set("VAULT_CLIENT_KEY", "client.key");
    is_not_trusted(&stranger);
}

#[test]
fn half_a_pair_and_a_pair_that_is_none_are_mistakes() {
    let clients = Authority::new();
    for (certificate, key) in [
        ("client.pem", ""),
        ("", "client.key"),
        ("nowhere.pem", "client.key"),
        ("client.pem", "nowhere.key"),
        ("client.key", "client.key"),
        ("client.pem", "client.pem"),
        ("client.pem", "another.key"),
    ] {
        let mut bench = demanding(&clients, &clients);
        let (_, another) = clients.certificate("ci.example");
        bench.desk.write("another.key", another);
        bench.desk.set("VAULT_CLIENT_CERT", certificate);
        bench.desk.set("VAULT_CLIENT_KEY", key);
        is_a_mistake(&bench, &format!("`{certificate}` and `{key}`"));
    }
}
