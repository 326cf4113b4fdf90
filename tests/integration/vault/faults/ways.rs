//! The way of a call: through which proxy, and over which protocol.

use super::fixture::{JWT, LOGIN, VaultFixture};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Kind, VaultServer};

/// Every way to name a proxy for this scheme.
const PROXIES: [&str; 5] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "VAULT_HTTP_PROXY",
    "VAULT_PROXY_ADDR",
];

fn key() -> Key {
    Key::of_vector("p256-pkcs8")
}

/// A sandbox for `https://vault.example`, which only the proxy knows.
fn behind_a_tunnel() -> VaultFixture {
    let authority = Authority::generate();
    let config = authority.server(&["vault.example"]);
    let mut fixture = VaultFixture::at(VaultServer::start_tunnel(config, key()));
    fixture.sandbox.write("ca.pem", authority.pem());
    fixture.sandbox.set("VAULT_CACERT", "ca.pem");
    fixture
        .sandbox
        .set("VAULT_ADDR", "https://vault.example:8200");
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    fixture
}

/// A sandbox for `http://vault.example`, which only the proxy knows.
fn behind_a_relay() -> VaultFixture {
    let mut fixture = VaultFixture::new();
    fixture
        .sandbox
        .set("VAULT_ADDR", "http://vault.example:8200");
    fixture.sandbox.set("HTTP_PROXY", &fixture.vault.endpoint);
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    fixture
}

#[test]
fn a_vault_that_is_far_is_asked_by_the_proxy() {
    for name in PROXIES {
        let mut fixture = behind_a_tunnel();
        let proxy = fixture.vault.endpoint.clone();
        fixture.sandbox.set(name, &proxy);
        fixture.run("sign", "").ends_with(0);
        let calls = fixture.vault.calls();
        let kinds: Vec<_> = calls.iter().map(|call| call.kind).collect();
        assert_eq!(kinds, [Kind::Connect, Kind::Key, Kind::Sign], "{name}");
        assert_eq!(calls[0].path, "vault.example:8200", "{name}");
        // It leads there, and gets nothing else.
        assert_eq!(calls[0].token(), None, "{name}");
    }
}

/// As Vault's own client has it.
#[test]
fn of_several_proxies_the_one_that_is_most_vault_s_is_asked() {
    for (asked, other) in [
        ("VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"),
        ("VAULT_PROXY_ADDR", "HTTPS_PROXY"),
        ("VAULT_HTTP_PROXY", "HTTPS_PROXY"),
    ] {
        let mut fixture = behind_a_tunnel();
        let (proxy, nowhere) = (fixture.vault.endpoint.clone(), fixture.elsewhere.url());
        fixture.sandbox.set(asked, &proxy);
        fixture.sandbox.set(other, &nowhere);
        fixture.run("sign", "").ends_with(0);
        assert!(fixture.elsewhere.visits().is_empty(), "{asked} {other}");
    }
}

#[test]
fn a_vault_on_this_machine_is_asked_by_no_proxy() {
    for name in PROXIES.into_iter().chain(["HTTP_PROXY", "http_proxy"]) {
        for host in ["127.0.0.1", "localhost"] {
            let mut fixture = VaultFixture::new();
            let proxy = fixture.elsewhere.url();
            fixture.sandbox.set(name, &proxy);
            let address = fixture.vault.endpoint.replace("127.0.0.1", host);
            fixture.sandbox.set("VAULT_ADDR", &address);
            fixture.run("sign", "").ends_with(0);
            let visits = fixture.elsewhere.visits();
            assert!(visits.is_empty(), "{name} {host}: {visits:?}");
        }
    }
}

#[test]
fn a_host_that_no_proxy_names_is_asked_without_one() {
    let mut fixture = behind_a_tunnel();
    let proxy = fixture.vault.endpoint.clone();
    fixture.sandbox.set("HTTPS_PROXY", &proxy);
    fixture.sandbox.set("NO_PROXY", "localhost,.example");
    // It is nowhere, and the proxy is not asked where.
    assert_eq!(fixture.code("sign", ""), "unreachable");
    assert!(fixture.vault.calls().is_empty());
}

#[test]
fn plain_http_to_another_host_is_refused() {
    for address in [
        "http://vault.example:8200",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://10.0.0.7:8200",
        "http://[fd00::7]:8200",
        "http://169.254.169.254",
        "http://0.0.0.0:8200",
    ] {
        for flags in ["", LOGIN] {
            let mut fixture = behind_a_relay();
            fixture.sandbox.write("jwt", JWT);
            fixture.sandbox.set("VAULT_ADDR", address);
            assert_eq!(fixture.code("sign", flags), "configuration", "{address}");
            assert!(fixture.vault.calls().is_empty(), "{address}");
        }
    }
}

#[test]
fn plain_http_to_another_host_requires_a_flag() {
    let fixture = behind_a_relay();
    fixture.run("sign", "--vault-plain-http").ends_with(0);
    let calls = fixture.vault.calls();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    let wanted = ["keys", "sign"]
        .map(|what| format!("http://vault.example:8200/v1/transit/{what}/ci-signer"));
    assert_eq!(paths, wanted);
}

#[test]
fn a_host_named_by_the_key_is_asked_over_tls_on_any_port() {
    let fixture = behind_a_relay();
    let line = "sign local://./store/myapp:v1.0 -o json --vault-plain-http";
    let line = format!("{line} --key hashivault://other.example:8200/v1/transit/keys/ci-signer");
    // The variable names another host, and does not speak for this one.
    let json = fixture.sandbox.s3lo(&line).ends_with(2).json();
    assert_ne!(json["error"]["code"], "unreachable", "{json}");
    assert!(fixture.vault.calls().is_empty());
}

#[test]
fn the_client_timeout_variable_limits_the_wait() {
    for patience in ["1", "1s"] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.set("VAULT_CLIENT_TIMEOUT", patience);
        fixture.sandbox.set("VAULT_MAX_RETRIES", "1");
        fixture
            .vault
            .fault(|call| (call.kind == Kind::Sign).then_some(Reply::Silence));
        assert_eq!(fixture.code("sign", ""), "unreachable", "{patience}");
        assert_eq!(fixture.vault.count(Kind::Sign), 2, "{patience}");
    }
}
