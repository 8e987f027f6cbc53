//! The way to a server: name resolution and proxies. Both happen in the
//! operator, so that the fetch process needs no file of the system.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::error::SourceError;

/// Where to connect and whether through a proxy.
pub(super) struct Route {
    /// Of the proxy when there is one, else of the server.
    pub addresses: Vec<SocketAddr>,
    /// The proxy's URL as configured: it may hold credentials.
    pub proxy: Option<String>,
}

/// The proxy variables of the operator's environment. They are configuration
/// of the cluster's network, not of one Platform.
#[derive(Clone, Default)]
pub(super) struct ProxyRules {
    pub https: Option<String>,
    pub http: Option<String>,
    pub exceptions: Vec<String>,
}

impl ProxyRules {
    pub(super) fn from_environment() -> Self {
        let variable = |names: [&str; 2]| {
            names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        };
        let exceptions = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        Self {
            https: variable(["HTTPS_PROXY", "https_proxy"]),
            http: variable(["HTTP_PROXY", "http_proxy"]),
            exceptions: exceptions.split(',').map(|rule| rule.trim().to_ascii_lowercase()).collect(),
        }
    }

    /// The proxy for an address, if any.
    pub(super) fn proxy_for(&self, address: &Address) -> Option<&str> {
        let proxy = match address.ssh() {
            // Proxies for HTTP let nothing else pass.
            Some(_) => None,
            None if address.is_https() => self.https.as_deref(),
            None => self.http.as_deref(),
        };
        proxy.filter(|_| !self.exceptions.iter().any(|rule| excepted(rule, address)))
    }
}

/// One rule of `NO_PROXY`: `*`, a name with its subdomains, an address, or a CIDR block.
fn excepted(rule: &str, address: &Address) -> bool {
    let host = address.bare_host();
    let (name, port) = match rule.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        _ => (rule, None),
    };
    if port.is_some_and(|port: u16| port != address.port()) || rule.is_empty() {
        return false;
    }
    let name = name.trim_start_matches('*').trim_start_matches('.');
    if name.is_empty() {
        return rule.starts_with('*');
    }
    if host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')) {
        return true;
    }
    match (host.parse::<IpAddr>(), rule.split_once('/')) {
        (Ok(ip), Some((network, bits))) => match (network.parse::<IpAddr>(), bits.parse::<u32>()) {
            (Ok(network), Ok(bits)) => in_block(ip, network, bits),
            _ => false,
        },
        _ => false,
    }
}

fn in_block(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

/// Finds the way to an address before the deadline.
pub(super) async fn find(
    address: &Address,
    rules: &ProxyRules,
    deadline: Instant,
) -> Result<Route, SourceError> {
    let Some(proxy) = rules.proxy_for(address) else {
        let addresses = lookup(address.bare_host(), address.port(), deadline).await?;
        return Ok(Route { addresses, proxy: None });
    };
    let broken = || SourceError::Unreachable {
        host: address.authority(),
        detail: "the proxy in HTTPS_PROXY or HTTP_PROXY is no http:// or https:// address".to_owned(),
    };
    let parsed = ureq::Proxy::new(proxy).map_err(|_| broken())?;
    if !matches!(parsed.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https) {
        return Err(broken());
    }
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let addresses = lookup(&host, parsed.port(), deadline).await?;
    Ok(Route { addresses, proxy: Some(proxy.to_owned()) })
}

/// Longest time for one name.
const LOOKUP: Duration = Duration::from_secs(10);

async fn lookup(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, SourceError> {
    let unreachable = |detail: String| SourceError::Unreachable { host: format!("{host}:{port}"), detail };
    let limit = deadline.min(Instant::now() + LOOKUP);
    let found = timeout_at(limit, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| unreachable("the name was not resolved in time; check the cluster's DNS".to_owned()))?
        .map_err(|error| unreachable(format!("the name can't be resolved: {error}")))?;
    let found: Vec<SocketAddr> = found.filter(|address| !is_forbidden(address.ip())).take(16).collect();
    if found.is_empty() {
        return Err(unreachable(
            "the name has no usable address; link-local ones, where clouds serve credentials, are never used"
                .to_owned(),
        ));
    }
    Ok(found)
}

/// Addresses at which no Git server lives, but at which a redirect could do harm.
fn is_forbidden(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(exceptions: &str) -> ProxyRules {
        ProxyRules {
            https: Some("http://proxy:3128".to_owned()),
            http: None,
            exceptions: exceptions.split(',').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn no_proxy() {
        let proxied = |url: &str, exceptions: &str| {
            rules(exceptions).proxy_for(&Address::parse(url).expect(url)).is_some()
        };
        assert!(proxied("https://git.example.com/x", ""));
        assert!(!proxied("http://git.example.com/x", ""), "HTTPS_PROXY is for https");
        assert!(!proxied("ssh://git@git.example.com/x", ""), "HTTPS_PROXY is for https");
        assert!(!proxied("https://git.example.com/x", "example.com"));
        assert!(!proxied("https://git.example.com/x", "other,.example.com"));
        assert!(!proxied("https://git.example.com/x", "*.example.com"));
        assert!(!proxied("https://git.example.com/x", "*"));
        assert!(proxied("https://notexample.com/x", "example.com"));
        assert!(!proxied("https://10.1.2.3/x", "10.0.0.0/8"));
        assert!(proxied("https://11.1.2.3/x", "10.0.0.0/8"));
        assert!(!proxied("https://[fd00::1]/x", "fd00::/8"));
        assert!(!proxied("https://git.example.com:8443/x", "git.example.com:8443"));
        assert!(proxied("https://git.example.com/x", "git.example.com:8443"));
        assert!(!proxied("https://8.8.8.8/x", "0.0.0.0/0"));
    }

    #[test]
    fn metadata_services_are_never_asked() {
        for ip in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1"] {
            assert!(is_forbidden(ip.parse().expect(ip)), "{ip}");
        }
        for ip in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "8.8.8.8"] {
            assert!(!is_forbidden(ip.parse().expect(ip)), "{ip}");
        }
    }
}
