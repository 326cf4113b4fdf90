//! Which service a call is for, and how each of them writes its answers and refusals.

use serde_json::{Value, json};

use crate::http::{Reply, Request, escaped};

use super::sigv4::{self, Caller, Stranger};
use super::{Call, GITHUB_REQUEST_TOKEN, REQUEST_ID, Refusal, State, sts};

impl State {
    pub(super) fn answer(&mut self, call: &Call, request: &Request) -> Reply {
        match call.service {
            "github" => self.token(call, request),
            "warm" => Reply::Answer(403, Vec::new(), Vec::new()),
            "kms" => match self.kms(call, request) {
                Ok(answer) => kms_answer(&answer),
                Err(refusal) => {
                    let status = match refusal.code {
                        "DryRunOperationException" => 412,
                        _ => 400,
                    };
                    kms_error(status, refusal.code, &refusal.message)
                }
            },
            _ => match self.sts(call, request) {
                Ok(answer) => sts_answer(200, answer),
                Err(refusal) => {
                    let code = match refusal.code {
                        "ValidationException" => "ValidationError",
                        code => code,
                    };
                    let status = match code {
                        "ValidationError"
                        | "InvalidIdentityToken"
                        | "ExpiredTokenException"
                        | "InvalidAction" => 400,
                        _ => 403,
                    };
                    sts_error(status, code, &refusal.message)
                }
            },
        }
    }

    fn kms(&self, call: &Call, request: &Request) -> Result<Value, Refusal> {
        let kind = request.headers.get("content-type").map(String::as_str);
        if request.method != "POST" || kind != Some("application/x-amz-json-1.1") {
            let message = "it is not a call of JSON 1.1";
            return Err(Refusal::new("UnknownOperationException", message));
        }
        if self.open {
            return self
                .keys
                .answer(&call.action, &call.body, &Caller::anyone());
        }
        let caller = sigv4::caller(request, "kms", &self.issued);
        let caller = caller.map_err(|stranger| match stranger {
            Stranger::Unsigned => Refusal::new(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
            Stranger::UnknownKey => Refusal::new("UnrecognizedClientException", UNKNOWN_TOKEN),
            Stranger::Expired => Refusal::new("ExpiredTokenException", EXPIRED_TOKEN),
            Stranger::Signature(why) => Refusal::new("InvalidSignatureException", why),
        })?;
        self.keys.answer(&call.action, &call.body, &caller)
    }

    fn sts(&mut self, call: &Call, request: &Request) -> Result<String, Refusal> {
        match call.action.as_str() {
            "AssumeRoleWithWebIdentity" => {
                let (issued, answer) = self.roles.assume(&call.body)?;
                self.remember(issued);
                Ok(answer)
            }
            action @ ("GetCallerIdentity" | "AssumeRole") => {
                let caller = sigv4::caller(request, "sts", &self.issued);
                let caller = caller.map_err(|stranger| match stranger {
                    Stranger::Unsigned => Refusal::new(
                        "MissingAuthenticationToken",
                        "Request is missing Authentication Token",
                    ),
                    Stranger::UnknownKey => Refusal::new("InvalidClientTokenId", UNKNOWN_TOKEN),
                    Stranger::Expired => Refusal::new("ExpiredToken", EXPIRED_TOKEN),
                    Stranger::Signature(why) => Refusal::new("SignatureDoesNotMatch", why),
                })?;
                if action == "GetCallerIdentity" {
                    return Ok(sts::identity(&caller));
                }
                let (issued, answer) = self.roles.assume_by(&caller, &call.body)?;
                self.remember(issued);
                Ok(answer)
            }
            other => Err(Refusal::new(
                "InvalidAction",
                format!("Could not find operation {other} for version 2011-06-15"),
            )),
        }
    }

    fn token(&self, call: &Call, request: &Request) -> Reply {
        let bearer = request.headers.get("authorization");
        let words = bearer.map(|text| text.split_once(' ').unwrap_or_default());
        match words {
            Some((scheme, GITHUB_REQUEST_TOKEN)) if scheme.eq_ignore_ascii_case("bearer") => {}
            _ => return json_answer(401, &json!({"message": "Unauthorized"})),
        }
        if call.body["api-version"] != "2.0" || request.method != "GET" {
            return json_answer(400, &json!({"message": "Bad Request"}));
        }
        let audience = call.body["audience"].as_str();
        let audience = audience.unwrap_or("https://github.com/acme");
        let value = self.github.identity_token(&self.subject, audience, 300);
        json_answer(200, &json!({"value": value, "count": 1}))
    }
}

const UNKNOWN_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";

fn json_answer(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, Vec::new(), body.to_string().into_bytes())
        .header("content-type", "application/json; charset=utf-8")
}

/// An answer of KMS.
pub fn kms_answer(body: &Value) -> Reply {
    Reply::Answer(200, Vec::new(), body.to_string().into_bytes())
        .header("content-type", "application/x-amz-json-1.1")
}

/// An error as KMS writes it.
pub fn kms_error(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"__type": code, "message": message}).to_string();
    Reply::Answer(status, Vec::new(), body.into_bytes())
        .header("content-type", "application/x-amz-json-1.1")
}

fn sts_answer(status: u16, body: String) -> Reply {
    Reply::Answer(status, Vec::new(), body.into_bytes()).header("content-type", "text/xml")
}

/// An error as STS writes it.
pub fn sts_error(status: u16, code: &str, message: &str) -> Reply {
    let message = escaped(message);
    sts_answer(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
        ),
    )
}
