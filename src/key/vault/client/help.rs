//! What to do about Vault and OpenBao: where they are, who asks, and what they refuse.

use s3lo_core::text::clipped;

use crate::diagnostic::Explain;
use crate::identity::ci_system::CiSystem;
use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::key::vault::client::address::{Address, Service};
use crate::key::vault::client::error::Error;
use crate::key::vault::client::login::Method;
use crate::key::vault::client::response::Answer;
use crate::key::vault::client::{config, tls};
use crate::net::unreachable::TlsFailure;
use crate::text::quoted;

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "no_identity_token",
            Self::Denied { .. } => "access_denied",
            Self::Identity { source, .. } => source.code(),
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
            Self::Audience { wanted, .. } => format!(
                "let the CI system make one for `{wanted}`, in GitLab by `id_tokens: {{VAULT_ID_TOKEN: {{aud: {wanted}}}}}`, or name the audience that you mean by `--vault-audience`"
            ),
            Self::Denied {
                server,
                capability,
                path,
                ..
            } => denied(server.service, capability, path),
            Self::Identity { server, source } => no_identity(&server.address, source),
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
            Self::Service { server, answer, .. } if answer.is_transient() => format!(
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
            Self::Unreachable { reason, .. } => unreachable(reason.tls).to_owned(),
        }
    }
}

/// How a job gets a token that is for this server alone.
fn no_identity(address: &Address, source: &token_source::Error) -> String {
    match source {
        token_source::Error::Missing {
            ci: Some(CiSystem::GitLab),
            ..
        } => {
            format!("add to the job: `id_tokens: {{VAULT_ID_TOKEN: {{aud: {address}}}}}`")
        }
        token_source::Error::Agent {
            permanent: true, ..
        } => format!(
            "run it where the agent's `buildkite-agent` is in PATH, or pass its token in: `VAULT_ID_TOKEN=\"$(buildkite-agent oidc request-token --audience {address})\"` with `--vault-jwt-env VAULT_ID_TOKEN`"
        ),
        token_source::Error::Agent { .. } => format!(
            "run the job again; `buildkite-agent oidc request-token --audience {address}` shows what the agent says"
        ),
        token_source::Error::Unreadable { path, .. } if path.starts_with("/var/run/secrets/") => {
            "run it in a pod, or name the token's file by `--vault-jwt-file`".to_owned()
        }
        other => other.help(),
    }
}

/// The lines of a policy that are missing. A mistyped name is refused in the same words.
fn denied(service: Service, capability: &str, path: &str) -> String {
    let statement = format!("`path \"{path}\" {{ capabilities = [\"{capability}\"] }}`");
    let to_sign = path
        .rsplit_once("/keys/")
        .map(|(mount, key)| format!(" (to sign it takes update on `{mount}/sign/{key}`, too)"));
    format!(
        "check mount and key, since what is not there is refused as well; then add to a policy of the token (`{} token lookup` names them): {statement}{}; if it has that, look at the namespace",
        cli(service),
        to_sign.unwrap_or_default()
    )
}

fn unreachable(tls: Option<TlsFailure>) -> &'static str {
    match tls {
        Some(TlsFailure::OtherName) => "name the server as its certificate does",
        Some(TlsFailure::CaCertificate) => {
            "its certificate is that of an authority, which no server may show: give it one with `basicConstraints=CA:FALSE`"
        }
        Some(TlsFailure::InvalidCertificate | TlsFailure::UnknownIssuer) => {
            "trust the authority of its certificate: VAULT_CACERT=FILE, or VAULT_CAPATH=FOLDER"
        }
        Some(TlsFailure::ClientCertificate) => {
            "show a certificate that the server trusts: VAULT_CLIENT_CERT=FILE and VAULT_CLIENT_KEY=FILE"
        }
        Some(TlsFailure::NotTls) => {
            "the server speaks without TLS there: check its port, or name it by its `http://` address in VAULT_ADDR or `--vault-address`"
        }
        None => "check the address, the network, HTTPS_PROXY and NO_PROXY",
    }
}

/// The command line of a service.
pub(crate) fn cli(service: Service) -> &'static str {
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
    if path.starts_with("auth/") && path.ends_with("/login") {
        return format!(
            "look where the login method is mounted, `{cli} auth list`, and name that by `--vault-auth-mount PATH`"
        );
    }
    if ["auth", "sys"].contains(&mount.split('/').next().unwrap_or_default()) {
        return format!(
            "no engine can be mounted at `{mount}`: look where it is, `{cli} secrets list`"
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
        "check mount and name: `{cli} secrets list` and `{cli} list {mount}/keys`; or, where `{mount}` is a transit engine, make the key: `{cli} write -f {path} type=ecdsa-p256`; in a namespace, give `--vault-namespace NAMESPACE`"
    )
}

/// A standby that does not forward what it is asked answers so.
fn redirected(service: Service, to: &str) -> String {
    let to = to.trim_matches('`');
    let origin = to.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let address = variable(service, "ADDR");
    match origin.parse::<Address>() {
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
    let where_to = match place {
        "" => variable,
        place => place.to_owned(),
    };
    format!(
        "it is wrong, expired or revoked, or of another server or namespace; get a new one with `{} login` and put it into {where_to}; in CI let the job log in by its identity token: `--vault-role ROLE`",
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
    // Whoever made the token must not end the quotation.
    let shown = |text: &str| clipped(text).replace('`', "'");
    let said = claims.map(|claims| {
        format!(
            "the token is from `{}`, for `{}`, and its subject is `{}`; ",
            shown(&claims.issuer),
            shown(&claims.audience.to_string()),
            shown(&claims.subject)
        )
    });
    let said = said.unwrap_or_default();
    match method {
        Method::AppRole => format!(
            "check {}, which is not the role's name (`{cli} read auth/{mount}/role/ROLE/role-id`), and give a new secret ID by {} (`{cli} write -f auth/{mount}/role/ROLE/secret-id`): it may have expired, or be used up; look also whether AppRole is mounted there: `{cli} auth list`, `--vault-auth-mount PATH`",
            variable(service, "ROLE_ID"),
            variable(service, "SECRET_ID")
        ),
        Method::Kubernetes => format!(
            "look at the role, which must name this service account and its namespace: `{cli} read auth/{mount}/role/{named}`; {said}at the method's way to Kubernetes: `{cli} read auth/{mount}/config`; and whether it is mounted there: `{cli} auth list`, `--vault-auth-mount PATH`"
        ),
        Method::Jwt if answer.says("audience") => format!(
            "{said}let the token be for one of the role's bound_audiences (`{cli} read auth/{mount}/role/{named}`): in GitLab by the `aud` of its `id_tokens`, elsewhere by `--vault-audience`; or let whoever keeps the role add this one to them"
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
        Method::Jwt if answer.says("(nbf)") || answer.says("(iat)") => {
            format!("{said}set the clocks of this machine and of the server")
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

impl Explain for config::Error {
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
            Self::TokenPlace(_) | Self::Useless { .. } => "usage",
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write scheme, host and port alone, as in `https://vault.example:8200`".to_owned()
            }
            Self::Bundle(error) => error.help(),
            Self::Contradiction { service, variable, named, other } => format!(
                "name one server: leave {variable} away, or name the key by its name alone, or set {variable} to `{}://{named}`{}",
                if other.is_tls() { "https" } else { "http" },
                if *service == Service::OpenBao && variable == "VAULT_ADDR" { "; an OpenBao is named by BAO_ADDR" } else { "" }
            ),
            Self::Identity { server, source, approle } => {
                let help = no_identity(&server.address, source);
                let hint = "; to log in by VAULT_ROLE_ID and VAULT_SECRET_ID give `--vault-auth approle`, and no `--vault-role`";
                format!("{help}{}", if *approle { hint } else { "" })
            }
            Self::NoAddress { service } => format!(
                "set {}=https://HOST:PORT, or name it in the key: `{}://HOST/v1/transit/keys/KEY`",
                variable(*service, "ADDR"),
                service.scheme()
            ),
            Self::NoAppRole { missing } => format!(
                "set {missing}; or log in by the CI system's identity token: `--vault-auth jwt --vault-role ROLE`"
            ),
            Self::NoRole => "name it: `--vault-role ROLE`".to_owned(),
            Self::NoToken { service, family } => {
                let named = |end| variable(*family, end);
                let others = if service == family {
                    String::new()
                } else {
                    format!("; all variables are {}, since that is what names the server", named("…"))
                };
                format!(
                    "in CI give `--vault-role ROLE`, which logs in by the job's identity token; or set {}, {}, or {} and {}; at a desk run `{} login`{others}",
                    named("TOKEN"),
                    named("TOKEN_FILE"),
                    named("ROLE_ID"),
                    named("SECRET_ID"),
                    cli(*service)
                )
            }
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
            Self::Useless { method, .. } => match method {
                Method::AppRole => "leave it away: AppRole takes VAULT_ROLE_ID and VAULT_SECRET_ID".to_owned(),
                _ => "leave it away".to_owned(),
            },
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
