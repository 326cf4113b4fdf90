//! A certificate authority that no client trusts by itself.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ResolvesServerCertUsingSni, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

/// The parameters of a server's certificate.
pub type Leaf = CertificateParams;

/// It signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its certificate, for those that trust it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name, and its key, both as PEM.
    pub fn certificate(&self, name: &str) -> (String, String) {
        let (leaf, key) = self.leaf(&[name]);
        (leaf.pem(), key.serialize_pem())
    }

    /// A server of these names, to which any client may speak.
    pub fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.of_server(names, None)
    }

    /// A server that demands a client certificate of `clients`.
    pub fn server_for(&self, names: &[&str], clients: &Self) -> Arc<ServerConfig> {
        self.of_server(names, Some(clients))
    }

    /// A server of this name, which shows its certificate only to clients that ask for the name.
    pub fn server_by_name(&self, name: &str) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let (leaf, key) = self.leaf(&[name]);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![leaf.der().clone()], key, &provider).unwrap();
        let mut by_name = ResolvesServerCertUsingSni::new();
        by_name.add(name, certified).unwrap();
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        Arc::new(
            builder
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(by_name)),
        )
    }

    /// A server of these names, whose certificate is otherwise changed.
    pub fn server_with(&self, names: &[&str], change: fn(&mut Leaf)) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut leaf = CertificateParams::new(names).unwrap();
        change(&mut leaf);
        let leaf = leaf.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key);
        Arc::new(config.unwrap())
    }

    fn of_server(&self, names: &[&str], clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (leaf, key) = self.leaf(names);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder.with_single_cert(vec![leaf.der().clone()], key);
        Arc::new(config.unwrap())
    }

    fn leaf(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names).unwrap();
        (leaf.signed_by(&key, &self.0).unwrap(), key)
    }
}
