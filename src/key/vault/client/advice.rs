//! Advice on what a server refuses, by its own words.

use s3lo_core::text::clipped;

use crate::identity::jwt::Claims;
use crate::key::vault::client::address::{Address, Product};
use crate::key::vault::client::method::Method;
use crate::key::vault::client::response::{Cause, ErrorResponse};
use crate::key::vault::client::token::TokenOrigin;
use crate::key::vault::client::variables::Variables;
use crate::option_name::option;
use crate::text::quoted;

/// Advice on a cause that the server names. `claims` are those of the identity token that was sent.
pub(super) fn on_cause(product: Product, cause: Cause, claims: Option<&Claims>) -> String {
    let cli = product.command_line();
    match cause {
        Cause::Cidr => "run it from an address that the role allows in secret_id_bound_cidrs and token_bound_cidrs".to_owned(),
        Cause::DisasterRecovery => {
            "name the primary cluster: this one is for disaster recovery, and answers only once it is promoted".to_owned()
        }
        Cause::Issuer => {
            let issuer = claims.map_or("ISSUER", |claims| claims.issuer.trim_end_matches('/'));
            let issuer = shown(issuer);
            format!(
                "let the server reach the issuer, `{issuer}/.well-known/openid-configuration` or its jwks_url: check its network, its proxy, and the authorities of the method (oidc_discovery_ca_pem, jwks_ca_pem)\nor give the method the issuer's keys as jwt_validation_pubkeys"
            )
        }
        Cause::LeaseQuota => format!(
            "wait until leases end, revoke some, or raise the quota: `{cli} list sys/quotas/lease-count`\na shorter token_ttl of the role leaves fewer"
        ),
        Cause::NamespaceLocked => {
            format!("ask the administrator who locked it to unlock it: `{cli} namespace unlock`")
        }
        Cause::NamespaceNotFound => format!(
            "name it from the root on, as in `admin/team`, with {} or {}: `{cli} namespace list` shows those below yours\nin HCP the topmost namespace is `admin`",
            Variables(product).name("NAMESPACE"),
            option("vault-namespace").with("NAMESPACE")
        ),
        Cause::ReadOnly => {
            "name the primary cluster: this one is a secondary, which stores nothing".to_owned()
        }
        Cause::Sentinel => "ask the owner of the Sentinel policy that the message names: it denies what the token's policies allow".to_owned(),
    }
}

/// Advice on a login that asks for a second factor.
pub(super) fn mfa(product: Product, mount: &str) -> String {
    format!(
        "exempt `auth/{mount}` from the login enforcement, since a job has no second factor: `{} list identity/mfa/login-enforcement`\nor log in at another mount: {}",
        product.command_line(),
        option("vault-auth-mount").with("PATH")
    )
}

/// The policy that is missing. A mistyped name is refused in the same words.
pub(in crate::key::vault) fn denied(
    product: Product,
    capability: &str,
    path: &str,
    origin: Option<&TokenOrigin>,
) -> String {
    let cli = product.command_line();
    let statement = format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}");
    let to_sign = path.rsplit_once("/keys/").map(|(mount, key)| {
        format!("to sign, the token needs update on `{mount}/sign/{key}` as well\n")
    });
    let wrapping = match origin {
        Some(TokenOrigin::Variable(_) | TokenOrigin::File(_)) => {
            format!("if the token wraps another one, unwrap it first: `{cli} unwrap`\n")
        }
        _ => String::new(),
    };
    format!(
        "check mount, key and namespace: Vault refuses what does not exist in the same words\n{wrapping}{}then add this to a policy of the token (`{cli} token lookup` names them):\n{statement}",
        to_sign.unwrap_or_default()
    )
}

pub(super) fn no_mount(product: Product, path: &str) -> String {
    let cli = product.command_line();
    if path.starts_with("auth/") && path.ends_with("/login") {
        return format!(
            "find the mount of the login method with `{cli} auth list`, and name it: {vault_auth_mount}",
            vault_auth_mount = option("vault-auth-mount").with("PATH")
        );
    }
    let mount = path
        .rsplit_once("/keys/")
        .or_else(|| path.rsplit_once("/sign/"));
    let mount = mount.map_or(path, |(mount, _)| mount);
    if ["auth", "sys"].contains(&mount.split('/').next().unwrap_or_default()) {
        return format!(
            "find the mount of the transit engine with `{cli} secrets list`: none can be at `{mount}`"
        );
    }
    format!(
        "find the mount of the transit engine with `{cli} secrets list`, and name it in the key, `{}://HOST/v1/MOUNT/keys/KEY`, or in TRANSIT_SECRET_ENGINE_PATH\nor mount one: `{cli} secrets enable -path={mount} transit`\nin a namespace, give {vault_namespace}",
        product.scheme(),
        vault_namespace = option("vault-namespace").with("NAMESPACE")
    )
}

pub(super) fn not_found(product: Product, path: &str) -> String {
    let cli = product.command_line();
    let Some((mount, _)) = path.rsplit_once("/keys/") else {
        return "check the key's name".to_owned();
    };
    format!(
        "check mount and name: `{cli} secrets list` and `{cli} list {}`\nif `{mount}` is a transit engine, create the key: `{cli} write -f {} type=ecdsa-p256`\nin a namespace, give {vault_namespace}",
        quoted(&format!("{mount}/keys")),
        quoted(path),
        vault_namespace = option("vault-namespace").with("NAMESPACE")
    )
}

/// Advice on a redirect, as of a standby that does not forward requests.
pub(super) fn redirected(product: Product, to: Option<&str>) -> String {
    let to = to.unwrap_or_default();
    let origin = to.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let address = Variables(product).name("ADDR");
    match origin.parse::<Address>() {
        Ok(there) => format!("if that is your server, name it: {address}={there}"),
        Err(_) => format!("name the server itself: {address}=https://HOST:PORT"),
    }
}

pub(super) fn token(product: Product, origin: &TokenOrigin) -> String {
    if *origin == TokenOrigin::Agent {
        return format!(
            "have the agent add its token, with `use_auto_auth_token = true` in its configuration, or set {}",
            Variables(product).name("TOKEN")
        );
    }
    if let TokenOrigin::Login { .. } = origin {
        return "run the job again: the token may have been revoked, or its num_uses be too low"
            .to_owned();
    }
    format!(
        "get a new one with `{} login`, and put it into {origin}\nin CI log in with the job's identity token: {vault_role}\nthe old one is wrong, expired, revoked, used up (as a wrapping token is after one use), or of another server or namespace",
        product.command_line(),
        vault_role = option("vault-role").with("ROLE")
    )
}

/// Advice on the role, by Vault's words.
pub(super) fn refused(
    product: Product,
    method: Method,
    mount: &str,
    role: Option<&str>,
    claims: Option<&Claims>,
    answer: &ErrorResponse,
) -> String {
    let cli = product.command_line();
    let named = quoted(role.unwrap_or("ROLE"));
    let vault_auth_mount = option("vault-auth-mount").with("PATH");
    match method {
        Method::AppRole => format!(
            "check {}, which is not the role's name: `{cli} read auth/{mount}/role/ROLE/role-id`\ngive a new secret ID in {}, since the old one may have expired: `{cli} write -f auth/{mount}/role/ROLE/secret-id`\ncheck the mount with `{cli} auth list`; name another one with {vault_auth_mount}",
            Variables(product).name("ROLE_ID"),
            Variables(product).name("SECRET_ID")
        ),
        Method::Kubernetes => format!(
            "check that the role names this service account and its namespace: `{cli} read auth/{mount}/role/{named}`\ncheck the method's connection to Kubernetes: `{cli} read auth/{mount}/config`\ncheck the mount with `{cli} auth list`; name another one with {vault_auth_mount}"
        ),
        Method::Jwt if answer.says("audience") => format!(
            "use an audience of the role's bound_audiences, in GitLab the `aud` of `id_tokens`, elsewhere {vault_audience}: `{cli} read auth/{mount}/role/{named}`\nor have the owner of the role add this one",
            vault_audience = option("vault-audience")
        ),
        Method::Jwt if answer.says("could not be found") => {
            format!("name a role that exists: `{cli} list auth/{mount}/role`")
        }
        Method::Jwt if answer.says("missing role") && !answer.says("missing role_id") => {
            format!(
                "name the role: {vault_role}",
                vault_role = option("vault-role").with("ROLE")
            )
        }
        Method::Jwt
            if answer.says("claim") && answer.says("bound")
                || answer.says("(sub)")
                || answer.says("is missing") =>
        {
            // The subject was shown.
            let new = answer.claims().filter(|name| *name != "sub");
            let values = new.take(MAX_CLAIMS).map(|name| {
                let name = shown(name);
                match claims.and_then(|claims| claims.value(&name)) {
                    Some(value) => format!("the token's claim `{name}` is `{}`\n", shown(&value)),
                    None => format!("the token has no claim `{name}`\n"),
                }
            });
            let values: String = values.collect();
            format!(
                "compare the token with the role's bound_claims and bound_subject: `{cli} read auth/{mount}/role/{named}`\n{values}the role is for other jobs"
            )
        }
        Method::Jwt if answer.says("(nbf)") || answer.says("(iat)") => {
            "set the clocks of this machine and of the server".to_owned()
        }
        Method::Jwt if answer.says("expired") => {
            "run the job again: an identity token is valid for a few minutes".to_owned()
        }
        Method::Jwt
            if answer.says("signature") || answer.says("(iss)") || answer.says("configuration") =>
        {
            format!(
                "check that the method trusts this issuer: `{cli} read auth/{mount}/config` must show its oidc_discovery_url or jwks_url"
            )
        }
        Method::Jwt => format!(
            "check that a JWT login is mounted there: `{cli} auth list`; name another mount with {vault_auth_mount}\ncheck the role: `{cli} read auth/{mount}/role/{named}`"
        ),
    }
}

/// A claim of a token. A quote in it must not end the quotation.
fn shown(text: &str) -> String {
    clipped(text).replace('`', "'")
}

/// The most claims whose values are shown.
const MAX_CLAIMS: usize = 3;
