//! The address of the audit webhook, and who may come in.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::runtime::tls::{Files, Tls};

/// The door.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DoorArgs {
    /// Address for kube-apiserver's audit webhook: plain HTTP on this node's loopback, or TLS
    #[arg(long, value_name = "ADDRESS")]
    pub webhook: Option<SocketAddr>,
    /// Certificate of the webhook in PEM, with those between it and its authority; read again when it changes
    #[arg(long, value_name = "FILE", requires_all = ["webhook", "webhook_key"])]
    webhook_cert: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE", requires = "webhook_cert")]
    webhook_key: Option<PathBuf>,
    /// Authority in PEM that the API server's client certificate must be of
    #[arg(long, value_name = "FILE", requires = "webhook_cert")]
    webhook_client_ca: Option<PathBuf>,
}

impl DoorArgs {
    /// TLS, where it is asked for.
    ///
    /// # Errors
    /// Others than this node could reach the address, and it isn't secured; or a file can't be used.
    pub fn tls(&self) -> Result<Option<Tls>, String> {
        let Some(addr) = self.webhook else { return Ok(None) };
        let files = self.webhook_cert.clone().zip(self.webhook_key.clone());
        let is_mutual = files.is_some() && self.webhook_client_ca.is_some();
        if !addr.ip().is_loopback() && !is_mutual {
            return Err(format!(
                "--webhook {addr}: whoever reaches this address could write to the log, and read what is sent there; \
                 give --webhook-cert, --webhook-key and --webhook-client-ca, or listen on 127.0.0.1"
            ));
        }
        let files = files.map(|(cert, key)| Files { cert, key, client_ca: self.webhook_client_ca.clone() });
        files.map(Tls::open).transpose().map_err(|error| format!("the webhook's TLS: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_node_is_served_without_tls() {
        let door = |addr: &str| DoorArgs { webhook: Some(addr.parse().unwrap()), ..DoorArgs::default() };
        for local in ["127.0.0.1:9444", "[::1]:9444"] {
            assert!(door(local).tls().unwrap().is_none());
        }
        let half = DoorArgs {
            webhook_cert: Some("/none".into()),
            webhook_key: Some("/none".into()),
            ..door("10.0.0.1:9444")
        };
        for open in [door("0.0.0.0:9444"), door("[::]:9444"), half] {
            let said = open.tls().unwrap_err();
            assert!(said.contains("--webhook-client-ca, or listen on 127.0.0.1"), "{said}");
        }
        let gone = DoorArgs {
            webhook_client_ca: Some("/none".into()),
            webhook_cert: Some("/none".into()),
            webhook_key: Some("/none".into()),
            ..door("10.0.0.1:9444")
        };
        assert!(gone.tls().unwrap_err().contains("/none can't be used: "));
        assert!(DoorArgs::default().tls().unwrap().is_none());
    }
}
