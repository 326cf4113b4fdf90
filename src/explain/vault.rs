//! What to do about Vault and OpenBao: where they are, who asks, and what they refuse.

use super::Explain;
use crate::cloud::ci::Ci;
use crate::cloud::oidc;
use crate::cloud::token::Claims;
use crate::text::{clipped, quoted};
use crate::vault::address::Service;
use crate::vault::answer::Answer;
use crate::vault::failure::Error;
use crate::vault::login::Method;
use crate::vault::{settings, tls};

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "no_identity_token",
            Self::Denied { .. } => "access_denied",
            Self::Identity(error) => error.code(),
            Self::NoMount { .. } => "mount_not_found",
            Self::Nonsense { .. } => "signer_answered_nonsense",
            Self::NotFound { .. } => "key_not_found",
            Self::Redirected { .. } => "redirected",
            Self::Refused { .. } => "login_refused",
            Self::Service { answer, .. } if answer.is_sealed() => "vault_sealed",
            Self::Service { answer, .. } if answer.is_throttled() => "throttled",
            Self::Service { .. } => "service_error",
            Self::Token { .. } => "credentials_refused",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Audience { server, .. } => format!(
                "let the CI system make one for `{0}`, in GitLab by `id_tokens: {{VAULT_ID_TOKEN: {{aud: {0}}}}}`, or name the audience that you mean by `--vault-audience`",
                server.address
            ),
            Self::Denied {
                capability, path, ..
            } => format!(
                "add to the policy of the token: `path \"{path}\" {{ capabilities = [\"{capability}\"] }}`; if it has that, look at the namespace"
            ),
            Self::Identity(error) => error.help(),
            Self::NoMount { server, path, .. } => no_mount(server.service, path),
            Self::Nonsense { server, .. } => format!(
                "nothing was stored; check the address and HTTPS_PROXY: what answers at {} is not Vault's transit engine",
                server.address
            ),
            Self::NotFound { server, path } => not_found(server.service, path),
            Self::Redirected { server, to } => redirected(server.service, to),
            Self::Refused {
                server,
                method,
                mount,
                role,
                claims,
                answer,
            } => {
                let role = role.as_deref();
                refused(
                    server.service,
                    *method,
                    mount,
                    role,
                    claims.as_deref(),
                    answer,
                )
            }
            Self::Service { server, answer, .. } if answer.is_sealed() => format!(
                "unseal it, or wait until somebody has: `{} operator unseal`",
                cli(server.service)
            ),
            Self::Service { server, answer, .. } if answer.is_throttled() => format!(
                "give it longer with `--timeout`, sign fewer images at once with `--concurrency 4`, or raise the quota: `{} read sys/quotas/rate-limit/NAME`",
                cli(server.service)
            ),
            Self::Service { server, answer, .. } if answer.is_passing() => format!(
                "it failed repeatedly; run it again later, and look at `{} status`",
                cli(server.service)
            ),
            Self::Service { answer, .. } if answer.is_vaults() => {
                "look at what it says, and at the server's own log".to_owned()
            }
            Self::Service { server, answer, .. }
                if answer.status == 400 && !server.address.is_tls() =>
            {
                format!(
                    "it may speak TLS alone: give it an `https://` address; what answers at {} is not Vault",
                    server.address
                )
            }
            Self::Service { server, .. } => format!(
                "check the address and HTTPS_PROXY: what answers at {} is not Vault",
                server.address
            ),
            Self::Token { server, place, .. } => token(server.service, place),
            Self::Unreachable { reason, .. } => unreachable(reason),
        }
    }
}

/// What to do by the words of the TLS library, and of the network.
fn unreachable(reason: &str) -> String {
    let says = |words: &str| reason.contains(words);
    if says("not valid for name") {
        "name the server as its certificate does".to_owned()
    } else if says("invalid peer certificate") {
        "trust the authority of its certificate: VAULT_CACERT=FILE, or VAULT_CAPATH=FOLDER"
            .to_owned()
    } else if says("CertificateRequired") || says("UnknownCA") || says("BadCertificate") {
        "show a certificate that the server trusts: VAULT_CLIENT_CERT=FILE and VAULT_CLIENT_KEY=FILE".to_owned()
    } else if says("corrupt message") {
        "the server speaks without TLS there: check its address and port".to_owned()
    } else {
        "check the address, the network, HTTPS_PROXY and NO_PROXY".to_owned()
    }
}

/// The command line of a service.
pub(super) fn cli(service: Service) -> &'static str {
    if service == Service::OpenBao {
        return "bao";
    }
    "vault"
}

fn variable(service: Service, end: &str) -> String {
    let prefix = match service {
        Service::Vault => "VAULT",
        Service::OpenBao => "BAO",
    };
    format!("{prefix}_{end}")
}

fn no_mount(service: Service, path: &str) -> String {
    let cli = cli(service);
    let mount = path
        .rsplit_once("/keys/")
        .or_else(|| path.rsplit_once("/sign/"));
    let mount = mount.map_or(path, |(mount, _)| mount);
    if path.starts_with("auth/") {
        return format!(
            "look where the login method is mounted, `{cli} auth list`, and name that by `--vault-auth-mount PATH`"
        );
    }
    format!(
        "look where the transit engine is mounted, `{cli} secrets list`, and name that in the key, `{}://HOST/v1/MOUNT/keys/KEY`, or by TRANSIT_SECRET_ENGINE_PATH; or mount one: `{cli} secrets enable -path={mount} transit`; in a namespace, give `--vault-namespace NAMESPACE`",
        service.scheme()
    )
}

fn not_found(service: Service, path: &str) -> String {
    let cli = cli(service);
    let Some((mount, _)) = path.rsplit_once("/keys/") else {
        return "check the key's name".to_owned();
    };
    format!(
        "check the name: `{cli} list {mount}/keys`; or make the key: `{cli} write -f {path} type=ecdsa-p256`; in a namespace, give `--vault-namespace NAMESPACE`"
    )
}

/// A standby that does not forward what it is asked answers so.
fn redirected(service: Service, to: &str) -> String {
    let origin = to.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let address = variable(service, "ADDR");
    match origin.parse::<crate::vault::address::Address>() {
        Ok(there) => format!("if that is your server, name it: {address}={there}"),
        Err(_) => format!("name the server itself: {address}=https://HOST:PORT"),
    }
}

fn token(service: Service, place: &str) -> String {
    let variable = variable(service, "TOKEN");
    if place.starts_with("the login") {
        return "run the job again; the token may have been revoked, or allow too few uses"
            .to_owned();
    }
    format!(
        "it is wrong, expired or revoked, or of another server or namespace; get a new one with `{} login` and give it by {variable}; in CI let the job log in by its identity token: `--vault-role ROLE`",
        cli(service)
    )
}

/// What to change in the role, by what Vault said.
fn refused(
    service: Service,
    method: Method,
    mount: &str,
    role: Option<&str>,
    claims: Option<&Claims>,
    answer: &Answer,
) -> String {
    let cli = cli(service);
    let named = quoted(role.unwrap_or("ROLE"));
    let said = claims.map(|claims| {
        format!(
            "the token is from `{}`, for `{}`, and its subject is `{}`; ",
            clipped(&claims.issuer),
            clipped(&claims.audience.to_string()),
            clipped(&claims.subject)
        )
    });
    let said = said.unwrap_or_default();
    let audience = claims.map(|claims| quoted(&clipped(&claims.audience.to_string())));
    match method {
        Method::AppRole => format!(
            "check VAULT_ROLE_ID, and give a new secret ID by VAULT_SECRET_ID: `{cli} write -f auth/{mount}/role/ROLE/secret-id`; it may have expired, or be used up"
        ),
        Method::Kubernetes => format!(
            "look at the role, which must name this service account and its namespace: `{cli} read auth/{mount}/role/{named}`; {said}and at the method's way to Kubernetes: `{cli} read auth/{mount}/config`"
        ),
        Method::Jwt if answer.says("audience") => format!(
            "{said}ask for an audience that the role takes with `--vault-audience`, or let the role take this one: `{cli} write auth/{mount}/role/{named} bound_audiences={}`",
            audience.unwrap_or_else(|| "AUDIENCE".to_owned())
        ),
        Method::Jwt if answer.says("could not be found") => {
            format!("name a role that there is: `{cli} list auth/{mount}/role`")
        }
        Method::Jwt if answer.says("missing role") => {
            "name the role: `--vault-role ROLE`".to_owned()
        }
        Method::Jwt
            if answer.says("claim") && answer.says("bound")
                || answer.says("(sub)")
                || answer.says("is missing") =>
        {
            format!(
                "{said}the role is for other jobs; look at its bound_claims and bound_subject: `{cli} read auth/{mount}/role/{named}`"
            )
        }
        Method::Jwt if answer.says("expired") => {
            format!("{said}run the job again: its token is valid for some minutes")
        }
        Method::Jwt
            if answer.says("signature") || answer.says("(iss)") || answer.says("configuration") =>
        {
            format!(
                "{said}look whether the method trusts this issuer: `{cli} read auth/{mount}/config`; its oidc_discovery_url or jwks_url must be that of the issuer"
            )
        }
        Method::Jwt => format!(
            "{said}look whether a JWT login is mounted there, `{cli} auth list`, and name it by `--vault-auth-mount PATH`; and at the role: `{cli} read auth/{mount}/role/{named}`"
        ),
    }
}

impl Explain for settings::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Address { .. }
            | Self::Contradiction { .. }
            | Self::NoAddress { .. }
            | Self::PlainHttp { .. }
            | Self::Proxy { .. }
            | Self::ServerName { .. }
            | Self::Tls(_)
            | Self::Transport { .. } => "configuration",
            Self::Bundle(error) => error.code(),
            Self::Identity { source, .. } => source.code(),
            Self::NoAppRole { .. } | Self::NoRole | Self::NoToken { .. } => "no_credentials",
            Self::NotAToken { .. } | Self::TokenFile { .. } => "no_credentials",
            Self::TokenPlace(_) => "usage",
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write scheme, host and port alone, as in `https://vault.example:8200`".to_owned()
            }
            Self::Bundle(error) => error.help(),
            Self::Contradiction { variable, named, .. } => format!(
                "name one server: leave {variable} away, or name the key by its name alone, `hashivault://KEY`, or set {variable} to `https://{named}`"
            ),
            // A token for this server alone.
            Self::Identity { address, source: oidc::Error::Missing { ci: Some(Ci::GitLab), .. } } => {
                format!("add to the job: `id_tokens: {{VAULT_ID_TOKEN: {{aud: {address}}}}}`")
            }
            Self::Identity { source, .. } => source.help(),
            Self::NoAddress { service } => format!(
                "set {}=https://HOST:PORT, or name it in the key: `{}://HOST/v1/transit/keys/KEY`",
                variable(*service, "ADDR"),
                service.scheme()
            ),
            Self::NoAppRole { missing } => format!(
                "set {missing}; or log in by the CI system's identity token: `--vault-auth jwt --vault-role ROLE`"
            ),
            Self::NoRole => "name it: `--vault-role ROLE`".to_owned(),
            Self::NoToken { service } => format!(
                "in CI give `--vault-role ROLE`, which logs in by the job's identity token; or set {}, {}, or VAULT_ROLE_ID and VAULT_SECRET_ID; at a desk run `{} login`",
                variable(*service, "TOKEN"),
                variable(*service, "TOKEN_FILE"),
                cli(*service)
            ),
            Self::NotAToken { .. } => {
                "put the token itself there, one word such as `hvs.…`, and nothing else".to_owned()
            }
            Self::PlainHttp { .. } => {
                "give the server an `https://` address; where the network is guarded otherwise, say so by `--vault-plain-http`".to_owned()
            }
            Self::Proxy { .. } => "write it as in `http://proxy.example:3128`".to_owned(),
            Self::ServerName { variable } => format!(
                "unset {variable}, and name the server as its certificate does"
            ),
            Self::Tls(error) => error.help(),
            Self::Transport { .. } => {
                "check VAULT_CACERT, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY; where a container has no certificates at all, install ca-certificates".to_owned()
            }
            Self::TokenFile { variable, .. } => {
                format!("let {variable} name a file that this user may read, or unset it")
            }
            Self::TokenPlace("--vault-jwt-file") => {
                "give the path of the file that holds the token, not the token".to_owned()
            }
            Self::TokenPlace(_) => {
                "give the name of the variable that holds the token, such as `VAULT_ID_TOKEN`, not the token".to_owned()
            }
            Self::Variable(error) => error.help(),
        }
    }
}

impl Explain for tls::Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        match self {
            Self::Bundle(error) => error.help(),
            Self::ClientKey { variable, .. } => format!(
                "let {variable} name a file with one private key in PEM, without a password"
            ),
            Self::Folder { variable, .. } => {
                format!("let {variable} name a folder of PEM certificates")
            }
            Self::HalfAPair { set, missing } => format!("set {missing} as well, or unset {set}"),
            Self::Variable(error) => error.help(),
        }
    }
}
