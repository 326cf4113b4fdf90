//! How Vault writes its answers and refusals.

use serde_json::{Value, json};

use crate::http::Reply;

use super::{Call, Kind, ROLE, ROLE_ID, SECRET_ID, State};

/// A refusal by Vault itself: a status, and its errors.
pub(super) type Refusal = (u16, &'static str);

/// A token that is missing or unknown.
const NO_TOKEN: Refusal = (403, "permission denied");

impl State {
    /// The answer if nothing is wrong.
    pub(super) fn answer(&mut self, call: &Call) -> Reply {
        if let Some((before, after)) = call.path.split_once("/v1//") {
            let location = format!("{before}/v1/{after}");
            return Reply::Answer(307, Vec::new(), Vec::new()).header("location", &location);
        }
        let answered = match call.kind {
            Kind::Login => self.login(call),
            Kind::Connect | Kind::Other => {
                let message = "no handler for route \"nowhere\". route entry not found.";
                return vault_errors(404, &[message]);
            }
            Kind::Key | Kind::Sign | Kind::Capabilities | Kind::Revoke => self.allowed(call),
        };
        match answered {
            Ok(Value::Null) => Reply::Answer(204, Vec::new(), Vec::new()),
            Ok(answer) => json_answer(&answer),
            Err((404, _)) => vault_errors(404, &[]),
            Err((status, message)) => vault_errors(status, &[message]),
        }
    }

    fn allowed(&mut self, call: &Call) -> Result<Value, Refusal> {
        let known = call.token().filter(|token| self.tokens.contains(*token));
        let token = known.ok_or(NO_TOKEN)?;
        if call.kind == Kind::Revoke {
            self.tokens.remove(token);
            return Ok(Value::Null);
        }
        if call.kind == Kind::Capabilities {
            return Ok(capabilities(&call.body["paths"]));
        }
        let route = call.route();
        let [mount, _, name] = route[..] else {
            unreachable!("it is one of a key");
        };
        let key = self.keys.get(name).filter(|_| mount == "transit");
        let data = match call.kind {
            Kind::Key => key.ok_or((404, ""))?.shown(name),
            _ => key
                .ok_or((400, "signing key not found"))?
                .sign(&call.body)?,
        };
        Ok(enveloped(json!({"data": data, "mount_type": "transit"})))
    }

    /// A role that is called `batch` has tokens that cannot be revoked.
    fn login(&mut self, call: &Call) -> Result<Value, Refusal> {
        let field = |name: &str| call.body[name].as_str();
        let (role, kind) = match (field("jwt"), field("role")) {
            (Some(jwt), Some(role)) if !jwt.is_empty() => (role, "jwt"),
            (None, None) if field("role_id") == Some(ROLE_ID) => {
                if field("secret_id") != Some(SECRET_ID) {
                    return Err((400, "invalid role or secret ID"));
                }
                (ROLE, "approle")
            }
            _ => return Err((400, "missing role or token")),
        };
        let (prefix, token_type) = match role {
            ROLE => ("hvs", "service"),
            "batch" => ("hvb", "batch"),
            _ => return Err((400, "role \"nobody\" could not be found")),
        };
        let number = self.issued.len() + 1;
        let token = format!("{prefix}.canary-of-the-token-of-login-{number}");
        self.issued.push(token.clone());
        self.tokens.insert(token.clone());
        Ok(enveloped(json!({
            "mount_type": kind,
            "auth": {
                "client_token": token,
                "accessor": "0e9e354a-520f-df04-6867-ee81cae3d42d",
                "policies": ["default", "release"],
                "token_policies": ["default", "release"],
                "metadata": {"role": role},
                "lease_duration": 900,
                "renewable": token_type == "service",
                "entity_id": "7d2e3179-f69b-450c-7179-ac8ee8bd8ca9",
                "token_type": token_type,
                "orphan": true,
                "mfa_requirement": null,
                "num_uses": 0,
            },
        })))
    }
}

/// The capabilities of every token here: to sign.
fn capabilities(paths: &Value) -> Value {
    let mut data = serde_json::Map::new();
    for path in paths.as_array().into_iter().flatten() {
        let path = path.as_str().unwrap();
        let may = if path.contains("/sign/") {
            "update"
        } else {
            "deny"
        };
        data.insert(path.to_owned(), json!([may]));
    }
    enveloped(json!({"data": data, "mount_type": "system"}))
}

/// An answer in the envelope that all of them have.
fn enveloped(given: Value) -> Value {
    let mut answer = json!({
        "request_id": "8b2e7d4c-0f7f-5d0c-e0a5-9d9d8b8a7c61",
        "lease_id": "",
        "renewable": false,
        "lease_duration": 0,
        "data": null,
        "wrap_info": null,
        "warnings": null,
        "auth": null,
    });
    let fields = answer.as_object_mut().unwrap();
    fields.extend(given.as_object().unwrap().clone());
    answer
}

/// An answer of Vault.
pub fn json_answer(body: &Value) -> Reply {
    answered(200, body)
}

/// A refusal of Vault.
pub fn vault_errors(status: u16, errors: &[&str]) -> Reply {
    answered(status, &json!({"errors": errors}))
}

fn answered(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, Vec::new(), format!("{body}\n").into_bytes())
        .header("cache-control", "no-store")
        .header("content-type", "application/json")
}
