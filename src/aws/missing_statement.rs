//! Statements of IAM policies, as they are pasted.

use serde::Serialize;
use serde_json::Value;

use crate::text::inert_json;

/// A statement that allows something.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MissingStatement {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl MissingStatement {
    /// A statement of a role's policy.
    pub(crate) fn on(action: &str, resource: impl Into<String>) -> Self {
        Self {
            effect: "Allow",
            principal: None,
            action: action.to_owned(),
            resource: Some(resource.into()),
            condition: None,
        }
    }

    /// A statement of a trust policy.
    pub(crate) fn by(principal: Value, action: &str) -> Self {
        Self {
            principal: Some(principal),
            resource: None,
            ..Self::on(action, "")
        }
    }

    /// The same, where this holds.
    pub(crate) fn if_holds(self, condition: Value) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// The statement, a key a line.
    pub(crate) fn lines(&self) -> String {
        // A structure of texts is always serialised.
        inert_json(&serde_json::to_string_pretty(self).unwrap_or_default())
    }
}
