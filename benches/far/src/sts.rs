//! The way to credentials: GitHub's token for the one role that there is.

use serde_json::json;

use crate::http::{Answer, Answers, Request};

/// `{"alg":"RS256","typ":"JWT"}` and claims as GitHub makes them, valid until 2099. Nobody looks at its
/// signature.
pub(crate) const TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.",
    "eyJpc3MiOiJodHRwczovL3Rva2VuLmFjdGlvbnMuZ2l0aHVidXNlcmNvbnRlbnQuY29tIiwiYXVk",
    "Ijoic3RzLmFtYXpvbmF3cy5jb20iLCJzdWIiOiJyZXBvOm9jdG8vYXBwOnJlZjpyZWZzL2hlYWRz",
    "L21haW4iLCJyZXBvc2l0b3J5Ijoib2N0by9hcHAiLCJqdGkiOiJiZW5jaCIsImlhdCI6MTc2NzIy",
    "NTYwMCwibmJmIjoxNzY3MjI1NjAwLCJleHAiOjQwNzA5MDg4MDB9",
    ".c2lnbmF0dXJl",
);

const SUBJECT: &str = "repo:octo/app:ref:refs/heads/main";
const AUDIENCE: &str = "sts.amazonaws.com";

pub(crate) struct Sts;

impl Answers for Sts {
    fn answer(&self, request: &Request) -> Answer {
        let asked = |name| request.form(name).unwrap_or_default();
        if asked("Action") != "AssumeRoleWithWebIdentity" {
            return refusal("InvalidAction", "only AssumeRoleWithWebIdentity");
        }
        if asked("WebIdentityToken") != TOKEN {
            return refusal(
                "InvalidIdentityToken",
                "this is not the token that is known here",
            );
        }
        let role = asked("RoleArn");
        let Some(role) = role.strip_prefix("arn:aws:iam::111122223333:role/") else {
            return refusal("ValidationError", "there is no such role");
        };
        let session = asked("RoleSessionName");
        Answer::xml(
            200,
            &format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult>\
                 <SubjectFromWebIdentityToken>{SUBJECT}</SubjectFromWebIdentityToken>\
                 <Audience>{AUDIENCE}</Audience>\
                 <AssumedRoleUser>\
                 <Arn>arn:aws:sts::111122223333:assumed-role/{role}/{session}</Arn>\
                 <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:{session}</AssumedRoleId>\
                 </AssumedRoleUser>\
                 <Credentials>\
                 <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\
                 <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY</SecretAccessKey>\
                 <SessionToken>AQoDYXdzEJr1K8vZ0NO1ewxE5TijQyp+IEXAMPLE</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration>\
                 </Credentials>\
                 <Provider>arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com</Provider>\
                 </AssumeRoleWithWebIdentityResult>\
                 <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>\
                 </AssumeRoleWithWebIdentityResponse>"
            ),
        )
    }
}

fn refusal(code: &str, message: &str) -> Answer {
    Answer::xml(
        400,
        &format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
             </Error></ErrorResponse>"
        ),
    )
}

pub(crate) struct GitHub;

impl Answers for GitHub {
    fn answer(&self, request: &Request) -> Answer {
        let audience = request.asked("audience");
        match (request.path.as_str(), audience.as_deref()) {
            ("/token", Some(AUDIENCE)) if request.header("authorization").is_some() => {
                Answer::json(200, &json!({"count": 1, "value": TOKEN}))
            }
            _ => Answer::json(
                400,
                &json!({"message": format!("GET /token for {AUDIENCE}, with its bearer")}),
            ),
        }
    }
}
