//! Addresses in every form that Vault's own client takes: below a path, by a socket, under another name.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::fixture::{IMAGE, JWT, LOGIN, VaultFixture};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::{Kind, TOKEN, VaultServer};

fn paths(fixture: &VaultFixture) -> Vec<String> {
    let calls = fixture.vault.calls().into_iter();
    calls.map(|call| call.path).collect()
}

#[test]
fn a_vault_below_a_path_is_asked_there() {
    for (written, path) in [
        ("/vault", "/vault"),
        ("/vault/", "/vault"),
        ("/a/b.c/team@acme", "/a/b.c/team@acme"),
    ] {
        let mut fixture = VaultFixture::logging_in();
        let address = format!("{}{written}", fixture.vault.endpoint);
        fixture.sandbox.set("VAULT_ADDR", &address);
        fixture.run("sign", LOGIN).ends_with(0);
        let wanted = [
            "auth/jwt/login",
            "transit/keys/ci-signer",
            "transit/sign/ci-signer",
            "auth/token/revoke-self",
        ]
        .map(|end| format!("{path}/v1/{end}"));
        assert_eq!(paths(&fixture), wanted);
    }
}

#[test]
fn a_key_with_its_host_is_asked_below_the_path_of_the_variable() {
    let mut fixture = VaultFixture::new();
    let address = format!("{}/vault", fixture.vault.endpoint);
    fixture.sandbox.set("VAULT_ADDR", &address);
    let line = format!("sign {IMAGE} --key hashivault://127.0.0.1/v1/transit/keys/ci-signer");
    fixture.sandbox.s3lo(&line).ends_with(0);
    assert_eq!(paths(&fixture)[0], "/vault/v1/transit/keys/ci-signer");
}

/// Relays connections of a socket to a server, as a Vault Agent without auto-auth does.
fn relay(listener: UnixListener, server: String) {
    let copy = |mut from: UnixStream, mut to: TcpStream| {
        let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            let _ = io::copy(&mut back_from, &mut back_to);
            let _ = back_to.shutdown(Shutdown::Both);
        });
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            copy(stream.unwrap(), TcpStream::connect(&server).unwrap());
        }
    });
}

/// A Vault behind `agent.sock`, and the proxies of a job.
fn behind_a_socket(mut fixture: VaultFixture) -> VaultFixture {
    let socket = fixture.sandbox.file("agent.sock");
    let server = fixture.vault.endpoint.replace("http://", "");
    relay(UnixListener::bind(&socket).unwrap(), server);
    let address = format!("unix://{}", socket.display());
    fixture.sandbox.set("VAULT_ADDR", &address);
    let proxy = fixture.elsewhere.url();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "VAULT_PROXY_ADDR"] {
        fixture.sandbox.set(name, &proxy);
    }
    fixture
}

#[test]
fn a_vault_behind_a_socket_is_asked_there_past_every_proxy() {
    let fixture = behind_a_socket(VaultFixture::new());
    fixture.run("sign", "").ends_with(0);
    fixture.run("verify", "").ends_with(0);
    for call in fixture.vault.calls() {
        assert_eq!(call.header("host"), Some("localhost"));
        assert_eq!(call.token(), Some(TOKEN));
        // Agents demand it where they are set up to.
        assert_eq!(call.header("x-vault-request"), Some("true"));
    }
    assert!(fixture.elsewhere.visits().is_empty());
}

#[test]
fn a_socket_needs_no_token_since_an_agent_adds_its_own() {
    let mut fixture = behind_a_socket(VaultFixture::new());
    fixture.sandbox.unset("VAULT_TOKEN");
    assert_eq!(fixture.code("sign", ""), "credentials_refused");
    let calls = fixture.vault.calls();
    assert!(calls.iter().all(|call| call.token().is_none()));
    let help = fixture.run("sign", "").ends_with(2).err;
    assert!(help.contains("use_auto_auth_token"), "{help}");
}

#[test]
fn a_login_by_a_socket_needs_an_audience_that_is_named() {
    let fixture = behind_a_socket(VaultFixture::logging_in());
    let role = "--vault-role release --vault-jwt-file jwt";
    assert_eq!(fixture.code("sign", role), "configuration");
    assert!(fixture.vault.calls().is_empty());
    fixture.run("sign", LOGIN).ends_with(0);
    let login = &fixture.vault.calls_of(Kind::Login)[0];
    assert_eq!(login.body["jwt"], JWT);
}

#[test]
fn a_socket_that_is_not_there_is_unreachable() {
    let mut fixture = VaultFixture::new();
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    fixture
        .sandbox
        .set("VAULT_ADDR", "unix:///nowhere/agent.sock");
    assert_eq!(fixture.code("sign", ""), "unreachable");
    let help = fixture.run("sign", "").ends_with(2).err;
    assert!(help.contains("agent runs"), "{help}");
}

/// A Vault whose certificate is for `vault.corp.example`, which it shows only to clients that ask for that name.
fn under_another_name() -> VaultFixture {
    let authority = Authority::generate();
    let config = authority.server_by_name("vault.corp.example");
    let key = Key::of_vector("p256-pkcs8");
    let mut fixture = VaultFixture::at(VaultServer::start_tls(config, key));
    fixture.sandbox.write("ca.pem", authority.pem());
    fixture.sandbox.set("VAULT_CACERT", "ca.pem");
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    fixture
}

#[test]
fn a_certificate_may_be_for_the_name_of_a_variable() {
    let mut fixture = under_another_name();
    assert_eq!(fixture.code("sign", ""), "unreachable");
    let name = |fixture: &mut VaultFixture, name: &str| {
        fixture.sandbox.set("VAULT_TLS_SERVER_NAME", name);
    };
    name(&mut fixture, "other.corp.example");
    assert_eq!(fixture.code("sign", ""), "unreachable");
    name(&mut fixture, "vault.corp.example");
    fixture.run("sign", "").ends_with(0);
    let host = fixture.vault.endpoint.replace("https://", "");
    for call in fixture.vault.calls() {
        assert_eq!(call.header("host"), Some(host.as_str()));
    }
    // By the name of the machine, and below a path.
    let named = host.replace("127.0.0.1", "localhost");
    let address = format!("https://{named}/vault");
    fixture.sandbox.set("VAULT_ADDR", &address);
    fixture.run("verify", "").ends_with(0);
    let call = fixture.vault.calls().pop().unwrap();
    assert_eq!(call.header("host"), Some(named.as_str()));
    assert_eq!(call.path, "/vault/v1/transit/keys/ci-signer");
}

#[test]
fn what_is_no_name_of_a_certificate_is_refused_before_any_request() {
    for name in [
        "10.0.0.5",
        "[::1]",
        "vault.corp.example:8200",
        "a b",
        "https://a.example",
    ] {
        let mut fixture = under_another_name();
        fixture.sandbox.set("VAULT_TLS_SERVER_NAME", name);
        assert_eq!(fixture.code("sign", ""), "configuration", "{name}");
        assert!(fixture.vault.calls().is_empty());
    }
}

#[test]
fn the_name_of_a_certificate_is_of_no_use_without_tls() {
    for name in ["vault.corp.example", "10.0.0.5"] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.set("VAULT_TLS_SERVER_NAME", name);
        fixture.run("sign", "").ends_with(0);
    }
}

#[test]
fn the_name_of_a_certificate_is_not_asked_for_through_a_proxy() {
    for (variable, no_proxy, code) in [
        ("HTTPS_PROXY", "", "configuration"),
        ("ALL_PROXY", "other.example", "configuration"),
        ("VAULT_PROXY_ADDR", "", "configuration"),
        ("VAULT_HTTP_PROXY", "", "configuration"),
        ("HTTPS_PROXY", "vault.invalid", "unreachable"),
    ] {
        let mut fixture = VaultFixture::new();
        let proxy = fixture.elsewhere.url();
        fixture.sandbox.set("VAULT_ADDR", "https://vault.invalid");
        fixture
            .sandbox
            .set("VAULT_TLS_SERVER_NAME", "vault.corp.example");
        fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
        fixture.sandbox.set(variable, &proxy);
        fixture.sandbox.set("NO_PROXY", no_proxy);
        assert_eq!(fixture.code("sign", ""), code, "{variable} {no_proxy}");
        assert!(fixture.elsewhere.visits().is_empty());
    }
}

#[test]
fn an_agent_comes_before_the_server_and_gitlab_s_variable_after_it() {
    let nowhere = "http://127.0.0.1:1";
    for [agent, address, gitlab] in [
        ["@", "", ""],
        ["@", nowhere, nowhere],
        ["", "@", nowhere],
        ["", "", "@"],
    ] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
        for (name, value) in [
            ("VAULT_AGENT_ADDR", agent),
            ("VAULT_ADDR", address),
            ("VAULT_SERVER_URL", gitlab),
        ] {
            let value = value.replace('@', &fixture.vault.endpoint);
            fixture.sandbox.set(name, &value);
        }
        fixture.run("sign", "").ends_with(0);
    }
    let mut fixture = VaultFixture::new();
    let server = fixture.vault.endpoint.clone();
    fixture.sandbox.set("VAULT_SERVER_URL", nowhere);
    fixture
        .run("sign", &format!("--vault-address {server}"))
        .ends_with(0);
}

#[test]
fn a_slash_alone_is_the_root_namespace() {
    for slashes in ["/", "//"] {
        for by_flag in [true, false] {
            let mut fixture = VaultFixture::new();
            let flag = match by_flag {
                true => format!("--vault-namespace {slashes}"),
                false => {
                    fixture.sandbox.set("VAULT_NAMESPACE", slashes);
                    String::new()
                }
            };
            fixture.run("sign", &flag).ends_with(0);
            for call in fixture.vault.calls() {
                assert_eq!(call.header("x-vault-namespace"), None);
            }
        }
    }
}
