//! TLS in both directions: the server's certificate and the client's.

use super::fixture::VaultFixture;
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::VaultServer;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A Vault behind TLS, at a sandbox that does not trust it yet: `ca.pem` is its authority's, `other.pem`
/// that of another.
fn behind_tls() -> (VaultFixture, Authority) {
    let authority = Authority::generate();
    let fixture = at(VaultServer::start_tls(authority.server(&NAMES), key()));
    fixture.sandbox.write("ca.pem", authority.pem());
    fixture
        .sandbox
        .write("other.pem", Authority::generate().pem());
    (fixture, authority)
}

fn at(vault: VaultServer) -> VaultFixture {
    let mut fixture = VaultFixture::at(vault);
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    fixture
}

fn key() -> Key {
    Key::of_vector("p256-pkcs8")
}

/// No call comes through.
#[track_caller]
fn is_not_trusted(fixture: &VaultFixture) {
    let calls = fixture.vault.calls().len();
    assert_eq!(fixture.code("sign", ""), "unreachable");
    assert_eq!(fixture.vault.calls().len(), calls);
}

#[track_caller]
fn is_trusted(fixture: &VaultFixture) {
    fixture.run("sign", "--if-signed replace").ends_with(0);
}

/// A mistake in the settings, before anything is asked.
#[track_caller]
fn is_a_mistake(fixture: &VaultFixture, what: &str) {
    assert_eq!(fixture.code("sign", ""), "configuration", "{what}");
    assert!(fixture.vault.calls().is_empty(), "{what}");
}

#[test]
fn only_a_clear_word_turns_the_check_of_certificates_off() {
    let (mut fixture, _) = behind_tls();
    is_not_trusted(&fixture);
    for word in ["", "false", "0", "f", "FALSE"] {
        fixture.sandbox.set("VAULT_SKIP_VERIFY", word);
        is_not_trusted(&fixture);
    }
    for word in ["maybe", "yes", " true", "2", "tru"] {
        fixture.sandbox.set("VAULT_SKIP_VERIFY", word);
        // Refused as a mistake or as no word at all: it is not taken for a yes.
        let code = fixture.code("sign", "");
        assert!(
            ["configuration", "unreachable"].contains(&code.as_str()),
            "{word}: {code}"
        );
    }
    assert!(fixture.vault.calls().is_empty());
    for word in ["true", "1"] {
        fixture.sandbox.set("VAULT_SKIP_VERIFY", word);
        is_trusted(&fixture);
    }
}

#[test]
fn the_authorities_of_a_file_are_trusted_and_no_others() {
    let (mut fixture, authority) = behind_tls();
    fixture.sandbox.set("VAULT_CACERT", "other.pem");
    is_not_trusted(&fixture);
    fixture.sandbox.set("VAULT_CACERT", "ca.pem");
    is_trusted(&fixture);
    let both = format!(
        "# ours\n{}# theirs\n{}",
        Authority::generate().pem(),
        authority.pem()
    );
    fixture.sandbox.write("both.pem", both);
    fixture.sandbox.set("VAULT_CACERT", "both.pem");
    is_trusted(&fixture);
}

#[test]
fn the_authorities_of_a_folder_are_trusted_and_no_others() {
    let (mut fixture, authority) = behind_tls();
    fixture
        .sandbox
        .write("folder/other.pem", Authority::generate().pem());
    fixture.sandbox.set("VAULT_CAPATH", "folder");
    is_not_trusted(&fixture);
    fixture.sandbox.write("folder/ours.pem", authority.pem());
    is_trusted(&fixture);
}

#[test]
fn the_authorities_of_a_variable_are_trusted_and_no_others() {
    let (mut fixture, authority) = behind_tls();
    fixture
        .sandbox
        .set("VAULT_CACERT_BYTES", &Authority::generate().pem());
    is_not_trusted(&fixture);
    fixture.sandbox.set("VAULT_CACERT_BYTES", &authority.pem());
    is_trusted(&fixture);
}

#[test]
fn invalid_authorities_are_named_before_any_request() {
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
        let (mut fixture, _) = behind_tls();
        fixture.sandbox.write("garbage.pem", &garbage);
        fixture.sandbox.write("text.pem", "hello");
        std::fs::create_dir(fixture.sandbox.file("empty")).unwrap();
        fixture.sandbox.set(name, value);
        is_a_mistake(&fixture, &format!("{name}={value}"));
    }
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let authority = Authority::generate();
    let config = authority.server(&["vault.example", "127.0.0.2"]);
    let mut fixture = at(VaultServer::start_tls(config, key()));
    fixture.sandbox.write("ca.pem", authority.pem());
    fixture.sandbox.set("VAULT_CACERT", "ca.pem");
    is_not_trusted(&fixture);
}

/// A Vault that demands a certificate of its `clients`, at a sandbox with `client.pem` and `client.key` of
/// `authority`.
fn demanding(clients: &Authority, authority: &Authority) -> VaultFixture {
    let servers = Authority::generate();
    let config = servers.server_for(&NAMES, clients);
    let mut fixture = at(VaultServer::start_tls(config, key()));
    fixture.sandbox.write("ca.pem", servers.pem());
    fixture.sandbox.set("VAULT_CACERT", "ca.pem");
    let (certificate, key) = authority.certificate("ci.example");
    fixture.sandbox.write("client.pem", certificate);
    fixture.sandbox.write("client.key", key);
    fixture
}

#[test]
fn a_certificate_is_shown_to_a_vault_that_demands_one() {
    let clients = Authority::generate();
    let mut fixture = demanding(&clients, &clients);
    is_not_trusted(&fixture);
    fixture.sandbox.set("VAULT_CLIENT_CERT", "client.pem");
    fixture.sandbox.set("VAULT_CLIENT_KEY", "client.key");
    is_trusted(&fixture);
    let mut stranger = demanding(&clients, &Authority::generate());
    stranger.sandbox.set("VAULT_CLIENT_CERT", "client.pem");
    stranger.sandbox.set("VAULT_CLIENT_KEY", "client.key");
    is_not_trusted(&stranger);
}

#[test]
fn half_a_certificate_pair_and_an_invalid_one_are_refused() {
    let clients = Authority::generate();
    for (certificate, key) in [
        ("client.pem", ""),
        ("", "client.key"),
        ("nowhere.pem", "client.key"),
        ("client.pem", "nowhere.key"),
        ("client.key", "client.key"),
        ("client.pem", "client.pem"),
        ("client.pem", "another.key"),
    ] {
        let mut fixture = demanding(&clients, &clients);
        let (_, another) = clients.certificate("ci.example");
        fixture.sandbox.write("another.key", another);
        fixture.sandbox.set("VAULT_CLIENT_CERT", certificate);
        fixture.sandbox.set("VAULT_CLIENT_KEY", key);
        is_a_mistake(&fixture, &format!("`{certificate}` and `{key}`"));
    }
}
