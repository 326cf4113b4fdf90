//! The capabilities that a token's policies give on a path
//! ([sys/capabilities-self](https://developer.hashicorp.com/vault/api-docs/system/capabilities-self)). The policy
//! `default` allows every token to ask that.

use std::collections::BTreeMap;

use rustify::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use s3lo_core::json::object;
use serde::Deserialize;
use serde_json::json;

/// The question for the capabilities on one path.
pub(crate) struct CapabilitiesRequest<'a> {
    pub(crate) path: &'a str,
}

impl Endpoint for CapabilitiesRequest<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "sys/capabilities-self".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let body = json!({"paths": [self.path]});
        Ok(Some(body.to_string().into_bytes()))
    }
}

/// The capabilities on `path` in the body of a response: `update`, `deny`, `root` and others.
pub(crate) fn read(body: &[u8], path: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Body {
        data: BTreeMap<String, Vec<String>>,
    }
    let mut body = object::<Body>(body).ok()?;
    body.data.remove(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_those_of_the_path() {
        let body = br#"{"data":{"capabilities":["deny"],"transit/sign/k":["update"]}}"#;
        assert_eq!(
            read(body, "transit/sign/k"),
            Some(vec!["update".to_owned()])
        );
        assert_eq!(read(body, "transit/sign/other"), None);
        for body in [&b"{}"[..], b"[]", br#"{"data":null}"#, b"{"] {
            assert_eq!(read(body, "transit/sign/k"), None);
        }
    }
}
