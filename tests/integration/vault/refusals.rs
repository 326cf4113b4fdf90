//! Wrong Vault references and settings are answered with the right ones.

use s3lo::key::vault::client::address::Product;
use serde_json::Value;

use crate::support::program::Sandbox;
use s3lo_test_servers::authority::Authority;

const SIGN: &str = "sign local://./store/myapp:v1.0 --key";
const HOST: &str = "hashivault://vault.example/v1/transit/keys/ci-signer";

/// The errors of several runs, for a snapshot.
pub(crate) struct Page {
    text: String,
    /// The texts that are never printed.
    secrets: Vec<String>,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            secrets: Vec::new(),
        }
    }

    /// A token or the like, which may never be printed; nor may the signature of an identity token.
    pub(crate) fn keep_secret(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
        if let [_, _, signature] = secret.split('.').collect::<Vec<_>>()[..] {
            self.secrets.push(signature.to_owned());
        }
    }

    /// Runs a line that has to fail, and adds its error: the same in text and in JSON.
    #[track_caller]
    pub(crate) fn report(&mut self, what: &str, sandbox: &Sandbox, line: &str) {
        let words = |format| line.split_whitespace().chain(["-v", "-o", format]);
        self.report_of(what, sandbox, words);
    }

    #[track_caller]
    pub(crate) fn report_of<'a, W>(
        &mut self,
        what: &str,
        sandbox: &Sandbox,
        words: impl Fn(&'static str) -> W,
    ) where
        W: Iterator<Item = &'a str>,
    {
        let run = |format| sandbox.run(&words(format).collect::<Vec<_>>()).ends_with(2);
        let (text, json) = (run("text"), run("json"));
        for run in [&text, &json] {
            for secret in &self.secrets {
                let silent = !run.out.contains(secret) && !run.err.contains(secret);
                assert!(silent, "{secret} in {}{}", run.out, run.err);
            }
        }
        // The output of `--verbose` stands before it.
        let at = text.err.find("error[").unwrap();
        let reported = &text.err[at..];
        let error = &json.json()["error"];
        let field = |name: &str| error[name].as_str().unwrap();
        let (first, details) = reported.split_once('\n').unwrap();
        let again = format!("error[{}]: {}", field("code"), field("message"));
        // The number of tries in the time differs.
        let without_count = |line: &str| match line.rsplit_once(", ") {
            Some((start, count)) if count.ends_with(" times") => start.to_owned(),
            _ => line.to_owned(),
        };
        assert_eq!(without_count(first), without_count(&again), "{what}");
        let facts = error["facts"].as_object().into_iter().flatten();
        let facts = facts.map(|(_, fact)| fact.as_str().unwrap());
        let expected: Vec<_> = facts
            .chain(field("help").lines())
            .chain([field("docs")])
            .collect();
        for line in &expected {
            let ends = |reported: &str| reported.trim_end().ends_with(line.trim_end());
            assert!(details.lines().any(ends), "{what}: {line} in {reported}");
        }
        assert_eq!(
            details.lines().count(),
            expected.len(),
            "{what}: {reported}"
        );
        self.text.push_str(&format!(
            "# {what}\n{}, exit 2\n{reported}\n",
            field("code")
        ));
    }

    pub(crate) fn text(self) -> String {
        self.text
    }
}

/// Takes a snapshot without the values that differ from run to run. The servers of both products have the same one,
/// unless the product is named.
macro_rules! assert_reported {
    ($page:expr) => {
        crate::vault::refusals::assert_reported!($page, "")
    };
    ($page:expr, $suffix:expr) => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        let name = name.rsplit("::").nth(1).unwrap();
        insta::with_settings!({filters => vec![
            (r"(127\.0\.0\.1|localhost):\d\d+", "$1:PORT"),
            (r"/tmp/\.tmp\w+", "FOLDER"),
            (r"\b\d+ times", "N times"),
        ]}, { insta::assert_snapshot!(format!("{name}{}", $suffix), $page.text()) })
    }};
}
pub(crate) use assert_reported;

/// The end of the name of a snapshot that is another one for OpenBao.
pub(crate) fn on(product: Product) -> &'static str {
    match product {
        Product::Vault => "",
        Product::OpenBao => "_on_openbao",
    }
}

/// With a token that is not needed: the program reports these errors before any request.
fn sandbox() -> Sandbox {
    Sandbox::with_image().with("VAULT_TOKEN", "hvs.canary-of-the-token")
}

fn page() -> Page {
    let mut page = Page::new();
    page.keep_secret("canary-of-the-token");
    page
}

#[test]
fn a_reference_that_names_no_key_comes_with_how_to_write_it() {
    let (mut page, sandbox) = (page(), sandbox());
    for key in [
        "hashivault://",
        "hashivault:///ci-signer",
        "hashivault:///v1/transit/keys/ci-signer",
        "hashivault://vault.example/",
        "hashivault://vault.example/ci-signer",
        "hashivault://ci-signer/1",
        "hashivault://vault.example/transit/keys/ci-signer",
        "hashivault://vault.example/v1/ci-signer",
        "hashivault://vault.example/v1/transit/keys/",
        "hashivault://vault.example/v1/transit/ci-signer",
        "hashivault://vault.example/v1/transit/sign/ci-signer",
        "hashivault://vault.example/v1/transit/keys/team/ci-signer",
        "hashivault://vault.example/v1/tran%2fsit/keys/ci-signer",
        "hashivault://vault.example/v1/../transit/keys/ci-signer",
        "hashivault://vault.example:99999/v1/transit/keys/ci-signer",
        "hashivault://vault.example:https/v1/transit/keys/ci-signer",
        "hashivault://https://vault.example/v1/transit/keys/ci-signer",
        "hashivault://proxy.example/vault/v1/transit/keys/ci-signer",
        "openbao://https://proxy.example/bao/v1/team/transit/keys/ci-signer",
        "hashivault://vault.example/v1/+/transit/keys/ci-signer",
        "hashivault://-ci-signer",
        "hashivault://ci%20signer",
        "hashivault://ci-signer#1",
        "hashivault://ci-signer?version=0",
        "hashivault://ci-signer?version=latest",
        "hashivault://ci-signer?version=",
        "hashivault://ci-signer?1",
        "hashivault://ci-signer?version=1&x=2",
        "openbao://",
        "openbao://bao.example/keys/ci-signer",
        "https://vault.example/v1/transit/keys/ci-signer",
        "vault://ci-signer",
        "hashivault:ci-signer",
        "hashivault://ci-signer:1",
        "hashivault://user:canary-of-a-password@vault.example/v1/transit/keys/ci-signer",
        "hashivault://hvs.canary-of-the-token@vault.example/v1/transit/keys/ci-signer",
    ] {
        page.keep_secret("canary-of-a-password");
        page.report(
            &key.replace("canary", "…"),
            &sandbox,
            &format!("{SIGN} {key}"),
        );
    }
    assert_reported!(page);
}

#[test]
fn a_missing_address_comes_with_how_to_set_it() {
    let mut page = page();
    page.report(
        "nothing says",
        &sandbox(),
        &format!("{SIGN} hashivault://ci-signer"),
    );
    page.report(
        "nor for OpenBao",
        &sandbox(),
        &format!("{SIGN} openbao://ci-signer"),
    );
    for address in [
        "vault.example",
        "vault.example:8200",
        "https://vault.example/ui/",
        "https://vault.example/v1",
        "https://user:canary-of-the-token@vault.example",
        "https://vault.example/vault?token=canary-of-the-token",
        "https://vault.example/vault/v1/transit",
        "unix://run/vault.sock",
        "unix:///",
    ] {
        let sandbox = sandbox().with("VAULT_ADDR", address);
        let what = format!("VAULT_ADDR={address}").replace("canary", "…");
        page.report(&what, &sandbox, &format!("{SIGN} hashivault://ci-signer"));
    }
    let agent = sandbox().with("VAULT_AGENT_ADDR", "unix:///run/vault/agent.sock");
    page.report(
        "a socket, and another host in the key",
        &agent,
        &format!("{SIGN} {HOST}"),
    );
    let gitlab = sandbox().with("VAULT_SERVER_URL", "vault.example");
    page.report(
        "VAULT_SERVER_URL=vault.example",
        &gitlab,
        &format!("{SIGN} hashivault://ci-signer"),
    );
    let flag = "--vault-address vault.example";
    page.report(
        flag,
        &sandbox(),
        &format!("{SIGN} hashivault://ci-signer {flag}"),
    );
    let bao = sandbox().with("BAO_ADDR", "bao.example");
    page.report(
        "BAO_ADDR=bao.example",
        &bao,
        &format!("{SIGN} openbao://ci-signer"),
    );
    for (key, address) in [
        (HOST, "https://other.example"),
        (HOST, "https://vault.example.org:8200"),
        (
            &HOST.replace(".example", ".example:8200"),
            "https://vault.example:8201",
        ),
        (
            &HOST.replace("hashivault", "openbao"),
            "https://other.example",
        ),
    ] {
        let sandbox = sandbox().with("VAULT_ADDR", address);
        page.report(
            &format!("VAULT_ADDR={address} {key}"),
            &sandbox,
            &format!("{SIGN} {key}"),
        );
    }
    let flag = "--vault-address https://other.example";
    page.report(
        &format!("{key} {flag}", key = HOST),
        &sandbox(),
        &format!("{SIGN} {HOST} {flag}"),
    );
    let plain = sandbox().with("VAULT_ADDR", "http://vault.example:8200");
    for key in ["hashivault://ci-signer", HOST] {
        page.report(
            &format!("VAULT_ADDR=http://vault.example:8200 {key}"),
            &plain,
            &format!("{SIGN} {key}"),
        );
    }
    let plain = "http://127.0.0.1.example";
    let sandbox = sandbox().with("BAO_ADDR", plain);
    page.report(
        &format!("BAO_ADDR={plain}"),
        &sandbox,
        &format!("{SIGN} openbao://ci-signer"),
    );
    assert_reported!(page);
}

#[test]
fn a_missing_token_comes_with_where_to_put_it() {
    let mut page = page();
    let line = format!("{SIGN} {HOST}");
    let bare = || sandbox().without("VAULT_TOKEN");
    page.report("nothing", &bare(), &line);
    page.report(
        "nothing for OpenBao",
        &bare(),
        &line.replace("hashivault", "openbao"),
    );
    let verify = line.replace("sign ", "verify ");
    page.report("nothing, to verify", &bare(), &verify);
    page.report(
        "nothing, for a public key",
        &bare(),
        &format!("public-key --key {HOST}"),
    );
    let spaces = sandbox().with("VAULT_TOKEN", "Bearer hvs.canary-of-the-token");
    page.report("VAULT_TOKEN of two words", &spaces, &line);
    let blank = sandbox().with("VAULT_TOKEN", "  ");
    page.report("VAULT_TOKEN of blanks", &blank, &line);
    let bao = bare().with("BAO_TOKEN", "hvs.canary-of-the-token\nand more");
    page.report("BAO_TOKEN of two lines", &bao, &line);
    let file = |contents: Option<&str>| {
        let sandbox = bare().with("VAULT_TOKEN_FILE", "run/token");
        if let Some(contents) = contents {
            sandbox.write("run/token", contents);
        }
        sandbox
    };
    page.report("VAULT_TOKEN_FILE is not there", &file(None), &line);
    page.report("VAULT_TOKEN_FILE is empty", &file(Some("\n")), &line);
    page.report(
        "VAULT_TOKEN_FILE has two words",
        &file(Some("token: hvs.canary-of-the-token\n")),
        &line,
    );
    page.report(
        "VAULT_TOKEN_FILE is huge",
        &file(Some(&"a".repeat(20_000))),
        &line,
    );
    let folder = bare().with("VAULT_TOKEN_FILE", "keys");
    page.report("VAULT_TOKEN_FILE is a folder", &folder, &line);
    for path in [
        "/builds/acme/app.tmp/VAULT_TOKEN",
        "./token",
        "~/.vault-token",
    ] {
        let what = format!("VAULT_TOKEN is the path {path}");
        page.report(&what, &sandbox().with("VAULT_TOKEN", path), &line);
    }
    let bao = bare().with("BAO_TOKEN", "/builds/acme/app.tmp/BAO_TOKEN");
    page.report(
        "BAO_TOKEN is a path",
        &bao,
        &line.replace("hashivault", "openbao"),
    );
    for (what, secret_id) in [
        (
            "VAULT_SECRET_ID is a path",
            "/builds/acme/app.tmp/VAULT_SECRET_ID",
        ),
        (
            "VAULT_SECRET_ID is a wrapping token",
            "hvs.canary-of-the-token",
        ),
    ] {
        let approle = bare().with("VAULT_ROLE_ID", "675a50e7-cfe0-be76-e35f-49ec009731ea");
        page.report(what, &approle.with("VAULT_SECRET_ID", secret_id), &line);
    }
    let home = bare();
    home.write("home/.vault-token", "hvs.canary-of-the-token and more");
    let path = home.file("home");
    let home = home.with("HOME", path.to_str().unwrap());
    page.report("~/.vault-token has three words", &home, &line);
    assert_reported!(page);
}

#[test]
fn an_invalid_variable_is_named() {
    let mut page = page();
    let line = format!("{SIGN} {HOST}");
    for (name, value) in [
        ("VAULT_AUTH_METHOD", "oidc"),
        ("BAO_AUTH_METHOD", "JWT"),
        ("VAULT_AUTH_PATH", "../jwt"),
        ("VAULT_NAMESPACE", "a b"),
        ("VAULT_SKIP_VERIFY", "yes"),
        ("VAULT_MAX_RETRIES", "many"),
        ("VAULT_MAX_RETRIES", "-1"),
        ("VAULT_CLIENT_TIMEOUT", "soon"),
        ("VAULT_CLIENT_TIMEOUT", "0"),
        (
            "VAULT_PROXY_ADDR",
            "http://user:canary-of-the-token@not a host",
        ),
        (
            "VAULT_HTTP_PROXY",
            "http://user:canary-of-the-token@not a host",
        ),
        ("VAULT_TLS_SERVER_NAME", "10.0.0.5"),
        ("BAO_TLS_SERVER_NAME", "https://bao.internal"),
        ("VAULT_CACERT", "nowhere.pem"),
        ("VAULT_CACERT", "keys/cosign.pub"),
        ("VAULT_CACERT_BYTES", "not PEM"),
        ("VAULT_CAPATH", "nowhere"),
        ("VAULT_CAPATH", "keys"),
        ("VAULT_CLIENT_CERT", "client.pem"),
        ("VAULT_CLIENT_KEY", "client.key"),
        ("BAO_CLIENT_CERT", "client.pem"),
    ] {
        let mut sandbox = sandbox().with(name, value);
        let line = &if name.starts_with("BAO_") {
            sandbox.unset("VAULT_ADDR");
            sandbox.set("BAO_ADDR", "https://bao.example");
            sandbox.set("BAO_TOKEN", "hvs.canary-of-the-token");
            format!("{SIGN} openbao://ci-signer")
        } else {
            line.clone()
        };
        if name.ends_with("TLS_SERVER_NAME") && !name.starts_with("BAO_") {
            sandbox.set("VAULT_ADDR", "https://vault.example");
        }
        if ["VAULT_AUTH_METHOD", "BAO_AUTH_METHOD"].contains(&name) {
            sandbox.unset("VAULT_TOKEN");
        }
        if name == "VAULT_AUTH_PATH" {
            sandbox.unset("VAULT_TOKEN");
            sandbox.set("VAULT_AUTH_ROLE", "ci");
        }
        let what = format!("{name}={value}").replace("canary", "…");
        page.report(&what, &sandbox, line);
    }
    let mut sandbox = sandbox().with("VAULT_ADDR", "https://vault.example");
    sandbox.set("TRANSIT_SECRET_ENGINE_PATH", "tran sit");
    page.report(
        "TRANSIT_SECRET_ENGINE_PATH=tran sit",
        &sandbox,
        &format!("{SIGN} hashivault://ci-signer"),
    );
    sandbox.unset("TRANSIT_SECRET_ENGINE_PATH");
    let (certificate, key) = Authority::generate().certificate("client.example");
    sandbox.write("client.pem", certificate);
    sandbox.write("client.key", key);
    sandbox.write("empty.key", "");
    sandbox.set("VAULT_CLIENT_CERT", "client.pem");
    for key in ["nowhere.key", "empty.key", "client.pem"] {
        sandbox.set("VAULT_CLIENT_KEY", key);
        page.report(&format!("VAULT_CLIENT_KEY={key}"), &sandbox, &line);
    }
    sandbox.set("VAULT_CLIENT_CERT", "keys/cosign.pub");
    sandbox.set("VAULT_CLIENT_KEY", "client.key");
    page.report("VAULT_CLIENT_CERT=keys/cosign.pub", &sandbox, &line);
    assert_reported!(page);
}

#[test]
fn a_flag_without_effect_is_named() {
    let mut page = page();
    let line = format!("{SIGN} {HOST}");
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.canary-of-the-identity-token";
    page.keep_secret(token);
    let sandbox = sandbox();
    for flags in [
        "--vault-auth oidc",
        "--vault-auth-mount ../jwt --vault-role ci",
        "--vault-namespace a//b",
        "--vault-role ci --vault-jwt-env NO-NAME",
        "--vault-role ci --vault-jwt-file a --vault-jwt-env B",
        "--vault-token x",
    ] {
        page.report(flags, &sandbox, &format!("{line} {flags}"));
    }
    for flag in [
        "--vault-address",
        "--vault-role",
        "--vault-audience",
        "--vault-auth-mount",
        "--vault-namespace",
        "--vault-jwt-file",
        "--vault-jwt-env",
    ] {
        let role = ["--vault-auth", "jwt", flag, ""];
        let words = |format| line.split(' ').chain(role).chain(["-v", "-o", format]);
        page.report_of(&format!("{flag} ''"), &sandbox, words);
    }
    for flag in ["--vault-jwt-file", "--vault-jwt-env", "--vault-role"] {
        let what = format!("{flag} TOKEN");
        page.report(
            &what,
            &sandbox,
            &format!("{line} --vault-auth jwt {flag} {token}"),
        );
    }
    assert_reported!(page);
}

#[test]
fn a_flag_for_vault_needs_a_key_in_vault() {
    let mut page = page();
    let line = format!("{SIGN} keys/cosign.key");
    let sandbox = sandbox();
    for flags in [
        "--vault-address https://vault.example",
        "--vault-namespace team",
        "--vault-auth jwt",
        "--vault-role ci",
        "--vault-auth-mount jwt",
        "--vault-audience other",
        "--vault-jwt-file token",
        "--vault-jwt-env TOKEN",
        "--vault-plain-http",
    ] {
        page.report(flags, &sandbox, &format!("{line} {flags}"));
    }
    let text = page.text();
    let (first, rest) = text.split_once("\n\n").unwrap();
    let help = first.lines().last().unwrap();
    assert_eq!(rest.matches(help).count(), 8);
    insta::assert_snapshot!(text);
}

/// Variables are often those of a whole pipeline, and stand there for other programs.
#[test]
fn a_variable_for_vault_is_none_of_the_business_of_other_keys() {
    let mut sandbox = sandbox();
    for name in [
        "VAULT_ADDR",
        "VAULT_MAX_RETRIES",
        "VAULT_CACERT",
        "VAULT_AUTH_METHOD",
    ] {
        sandbox.set(name, "nonsense");
    }
    let json = sandbox.s3lo(&format!("{SIGN} keys/cosign.key -o json"));
    assert_eq!(json.ends_with(0).json()["status"], Value::from("signed"));
}
