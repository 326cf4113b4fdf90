//! Which way a call takes: by which proxy, and over which wire.

use super::workbench::{JWT, LOGIN, Workbench};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Kind, VaultServer};

/// Every way to name a proxy for this scheme.
const PROXIES: [&str; 4] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "VAULT_PROXY_ADDR",
];

fn key() -> Key {
    Key::of_vector("p256-pkcs8")
}

/// A desk for `https://vault.example`, which only the proxy knows.
fn behind_a_tunnel() -> Workbench {
    let authority = Authority::new();
    let config = authority.server(&["vault.example"]);
    let mut bench = Workbench::at(VaultServer::start_tunnel(config, key()));
    bench.desk.write("ca.pem", authority.pem());
    bench.desk.set("VAULT_CACERT", "ca.pem");
    bench.desk.set("VAULT_ADDR", "https://vault.example:8200");
    bench.desk.set("VAULT_MAX_RETRIES", "0");
    bench
}

/// A desk for `http://vault.example`, which only the proxy knows.
fn behind_a_relay() -> Workbench {
    let mut bench = Workbench::new();
    bench.desk.set("VAULT_ADDR", "http://vault.example:8200");
    bench.desk.set("HTTP_PROXY", &bench.vault.endpoint);
    bench.desk.set("VAULT_MAX_RETRIES", "0");
    bench
}

#[test]
fn a_vault_that_is_far_is_asked_by_the_proxy() {
    for name in PROXIES {
        let mut bench = behind_a_tunnel();
        let proxy = bench.vault.endpoint.clone();
        bench.desk.set(name, &proxy);
        bench.run("sign", "").ends_with(0);
        let calls = bench.vault.calls();
        let kinds: Vec<_> = calls.iter().map(|call| call.kind).collect();
        assert_eq!(kinds, [Kind::Connect, Kind::Key, Kind::Sign], "{name}");
        assert_eq!(calls[0].path, "vault.example:8200", "{name}");
        // It leads there, and is told nothing else.
        assert_eq!(calls[0].token(), None, "{name}");
    }
}

#[test]
fn a_vault_on_this_machine_is_asked_by_no_proxy() {
    for name in PROXIES.into_iter().chain(["HTTP_PROXY", "http_proxy"]) {
        for host in ["127.0.0.1", "localhost"] {
            let mut bench = Workbench::new();
            let proxy = bench.elsewhere.url();
            bench.desk.set(name, &proxy);
            let address = bench.vault.endpoint.replace("127.0.0.1", host);
            bench.desk.set("VAULT_ADDR", &address);
            bench.run("sign", "").ends_with(0);
            let visits = bench.elsewhere.visits();
            assert!(visits.is_empty(), "{name} {host}: {visits:?}");
        }
    }
}

#[test]
fn a_host_that_no_proxy_names_is_asked_without_one() {
    let mut bench = behind_a_tunnel();
    let proxy = bench.vault.endpoint.clone();
    bench.desk.set("HTTPS_PROXY", &proxy);
    bench.desk.set("NO_PROXY", "localhost,.example");
    // It is nowhere, and the proxy is not asked where.
    assert_eq!(bench.code("sign", ""), "unreachable");
    assert!(bench.vault.calls().is_empty());
}

#[test]
fn what_is_not_encrypted_is_not_sent_to_another_machine() {
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
            let mut bench = behind_a_relay();
            bench.desk.write("jwt", JWT);
            bench.desk.set("VAULT_ADDR", address);
            assert_eq!(bench.code("sign", flags), "configuration", "{address}");
            assert!(bench.vault.calls().is_empty(), "{address}");
        }
    }
}

#[test]
fn what_is_not_encrypted_is_sent_to_another_machine_by_whoever_says_so() {
    let bench = behind_a_relay();
    bench.run("sign", "--vault-plain-http").ends_with(0);
    let calls = bench.vault.calls();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    let wanted = ["keys", "sign"]
        .map(|what| format!("http://vault.example:8200/v1/transit/{what}/ci-signer"));
    assert_eq!(paths, wanted);
}

#[test]
fn a_host_that_the_key_names_is_asked_by_tls_whatever_its_port() {
    let bench = behind_a_relay();
    let line = "sign local://./store/myapp:v1.0 -o json --vault-plain-http";
    let line = format!("{line} --key hashivault://other.example:8200/v1/transit/keys/ci-signer");
    // The variable names another host, and does not speak for this one.
    let json = bench.desk.s3lo(&line).ends_with(2).json();
    assert_ne!(json["error"]["code"], "unreachable", "{json}");
    assert!(bench.vault.calls().is_empty());
}

#[test]
fn an_answer_is_waited_for_as_long_as_the_variable_says() {
    for patience in ["1", "1s"] {
        let mut bench = Workbench::new();
        bench.desk.set("VAULT_CLIENT_TIMEOUT", patience);
        bench.desk.set("VAULT_MAX_RETRIES", "1");
        bench
            .vault
            .fault(|call| (call.kind == Kind::Sign).then_some(Reply::Silence));
        assert_eq!(bench.code("sign", ""), "unreachable", "{patience}");
        assert_eq!(bench.vault.count(Kind::Sign), 2, "{patience}");
    }
}
