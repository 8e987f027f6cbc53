//! The cluster's certificate authority, and kubeconfigs for any user.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use crate::error::{Error, Result, io};

/// The names and addresses under which the API server may be called.
const SERVER_NAMES: [&str; 4] = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// The object id of organizationName, where Kubernetes looks for groups.
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// A certificate authority with its folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    address: Ipv4Addr,
}

/// A certificate and its key, as PEM text.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

fn invalid(error: rcgen::Error) -> Error {
    Error::Invalid(format!("can't make a certificate: {error}"))
}

fn key() -> Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(invalid)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::io::Write;
    let mut options = fs::File::options();
    let file = options.create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content.as_bytes())).map_err(io("write", path))
}

impl Authority {
    /// A new authority; writes `ca.crt`, the server's certificate and the keys for
    /// service account tokens into `folder`. The server may also be called by `address`.
    pub(crate) fn create(folder: PathBuf, address: Ipv4Addr) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "tenantry-testbed-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key()?).map_err(invalid)?;
        let authority = Self { issuer, folder, address };
        write_private(&authority.path("ca.crt"), &authority.issuer.pem())?;
        let server = authority.server()?;
        write_private(&authority.path("server.crt"), &server.cert)?;
        write_private(&authority.path("server.key"), &server.key)?;
        let tokens = key()?;
        write_private(&authority.path("tokens.key"), &tokens.serialize_pem())?;
        write_private(&authority.path("tokens.pub"), &tokens.public_key_pem())?;
        Ok(authority)
    }

    /// A file of this authority.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The address that the server's certificates name beside loopback.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A certificate for a server on this machine.
    pub(crate) fn server(&self) -> Result<Identity> {
        let mut params = CertificateParams::new(SERVER_NAMES.map(String::from).to_vec()).map_err(invalid)?;
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 96, 0, 1), self.address] {
            params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(address)));
        }
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for `user` as a member of `groups`.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        // The API server adds system:authenticated by itself.
        let groups: Vec<&str> =
            groups.iter().copied().filter(|group| *group != "system:authenticated").collect();
        // rcgen keeps one value per type; the bare object id is a second type.
        let types = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
        if groups.len() > types.len() {
            return Err(Error::Invalid(format!(
                "{user}: a test user can be in at most two groups, not {groups:?}"
            )));
        }
        for (kind, group) in types.into_iter().zip(groups) {
            params.distinguished_name.push(kind, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        let key = key()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let cert = params.signed_by(&key, &self.issuer).map_err(invalid)?;
        Ok(Identity { cert: cert.pem(), key: key.serialize_pem() })
    }
}

/// Files for a server on this machine and a client that know each other: `ca.crt`, `server.crt`, `server.key`,
/// `client.crt` and `client.key`. Each call makes a new authority.
///
/// # Errors
/// A file can't be written.
pub fn mutual_tls(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(io("make", folder))?;
    let authority = Authority::create(folder.to_owned(), Ipv4Addr::LOCALHOST)?;
    let client = authority.client("kube-apiserver", &[])?;
    write_private(&authority.path("client.crt"), &client.cert)?;
    write_private(&authority.path("client.key"), &client.key)
}

/// TLS for a test's own server under these names, and the PEM of the CA that signed its certificate.
///
/// # Errors
/// A name that can't stand in a certificate.
pub fn server_tls(names: &[&str]) -> Result<(Arc<ServerConfig>, String)> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(ca, key()?).map_err(invalid)?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = key()?;
    let cert =
        CertificateParams::new(names).and_then(|params| params.signed_by(&key, &issuer)).map_err(invalid)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], private))
        .map_err(|error| Error::Invalid(format!("can't serve TLS: {error}")))?;
    Ok((Arc::new(config), issuer.pem()))
}

/// A kubeconfig with one cluster and one user: the files of `identity` are written beside it.
pub(crate) fn write_kubeconfig(
    path: &Path,
    server: &str,
    ca: &Path,
    identity: Option<&Identity>,
) -> Result<()> {
    let mut user = json!({});
    if let Some(identity) = identity {
        let (cert, key) = (path.with_extension("crt"), path.with_extension("key"));
        write_private(&cert, &identity.cert)?;
        write_private(&key, &identity.key)?;
        user = json!({"client-certificate": cert, "client-key": key});
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "testbed", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    });
    write_private(path, &format!("{config:#}\n"))
}
