//! A Kubernetes cluster, as far as Vault asks it: whether a service account's token is good.
//! <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/>

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use s3lo_test_servers::aws::{Issuer, TokenAlgorithm, now};
use s3lo_test_servers::http::{self, Reply, Request, Service, Wire};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// Of every service account: the tests have no two of one name.
const UID: &str = "0d6c5f0b-2f1e-4a62-9d0c-5f3d1f7f2a11";

/// A cluster's API on loopback.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) endpoint: String,
    issuer: Issuer,
    /// The user of every token that is good.
    tokens: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let mut cluster = Self {
            endpoint: String::new(),
            issuer: Issuer::new(ISSUER, TokenAlgorithm::Es256),
            tokens: Arc::default(),
        };
        cluster.endpoint = http::listen(Wire::Plain, cluster.clone());
        cluster
    }

    /// The token in the file of a pod with this service account.
    pub(crate) fn service_account_token(&self, namespace: &str, account: &str) -> String {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let now = now();
        let token = self.issuer.token(&json!({
            "iss": ISSUER,
            "sub": user,
            "aud": [ISSUER],
            "nbf": now,
            "iat": now,
            "exp": now + 3607,
            "kubernetes.io": {
                "namespace": namespace,
                "pod": {"name": "build-7d4b", "uid": UID},
                "serviceaccount": {"name": account, "uid": UID},
            },
        }));
        self.tokens.lock().unwrap().insert(token.clone(), user);
        token
    }

    /// The pod is gone, and its token is good no more.
    pub(crate) fn forget(&self, token: &str) {
        self.tokens.lock().unwrap().remove(token);
    }
}

impl Service for Cluster {
    fn answer(&self, request: &Request, _: usize) -> Reply {
        let (status, body) = self.review(request);
        Reply::Answer(status, Vec::new(), body.to_string().into_bytes())
            .header("content-type", "application/json")
    }
}

impl Cluster {
    fn review(&self, request: &Request) -> (u16, Value) {
        if (request.method.as_str(), request.path.as_str()) != ("POST", REVIEWS) {
            return (
                404,
                json!({"kind": "Status", "status": "Failure", "code": 404}),
            );
        }
        let review: Value = serde_json::from_slice(&request.body).unwrap();
        let token = review["spec"]["token"].as_str().unwrap();
        let status = match self.tokens.lock().unwrap().get(token) {
            None => json!({"authenticated": false, "error": "[invalid bearer token]"}),
            Some(user) => json!({
                "authenticated": true,
                "user": {"username": user, "uid": UID, "groups": ["system:serviceaccounts"]},
                "audiences": review["spec"]["audiences"],
            }),
        };
        let review = json!({
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "status": status,
        });
        (201, review)
    }
}
