//! Where a repository lives, and where a server may send us instead.

use std::fmt;

use http::Uri;

use super::error::SourceError;
use super::text;
use crate::validate::ssh_url::{self, SshUrl, Unusable};

/// A repository URL that passed every check: http, https or ssh, a host, no
/// password, no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: Scheme,
    /// As in the URL: IPv6 addresses in brackets.
    host: String,
    port: u16,
    /// Without a slash at its end. Starts with `/` (or is empty), but for `user@host:path`.
    path: String,
}

/// How the server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Ssh { user: String },
}

impl Scheme {
    /// What is left out of an address.
    fn usual_port(&self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Ssh { .. } => ssh_url::PORT,
        }
    }
}

impl Address {
    /// Checks what a user wrote.
    pub(super) fn parse(url: &str) -> Result<Self, SourceError> {
        let invalid = |problem| SourceError::InvalidUrl { url: text::without_userinfo(url), problem };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::ssh_url(url);
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => return Self::ssh_url(url),
            other => return Err(SourceError::UnsupportedScheme { scheme: text::printable(other, 40) }),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(SourceError::CredentialsInUrl);
        }
        if url.contains(['?', '#']) {
            return Err(invalid("it has a query or a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| invalid("it is not a valid URL"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("it has no host"))?;
        // The parser takes any digits for a port and then forgets those that are none.
        let port = match authority.len().checked_sub(host.len()) {
            Some(0) => Some(scheme.usual_port()),
            _ => uri.port_u16().filter(|port| *port > 0),
        };
        let port = port.ok_or_else(|| invalid("its port is not a number from 1 to 65535"))?;
        let path = uri.path().trim_end_matches('/').to_owned();
        if path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid("its path has a . or .. part"));
        }
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }

    fn ssh_url(url: &str) -> Result<Self, SourceError> {
        match ssh_url::parse(url) {
            Ok(SshUrl { user, host, port, path }) => {
                Ok(Self { scheme: Scheme::Ssh { user }, host, port, path })
            }
            Err(Unusable::Password) => Err(SourceError::CredentialsInUrl),
            Err(Unusable::Rule(problem)) => {
                Err(SourceError::InvalidUrl { url: text::without_userinfo(url), problem })
            }
        }
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// User name and the path that the server's Git is asked for; `None` when it is not reached by SSH.
    pub(super) fn ssh(&self) -> Option<(&str, &str)> {
        match &self.scheme {
            // As git does: `~` means something to the server's shell only at the beginning.
            Scheme::Ssh { user } if self.path.starts_with("/~") => {
                Some((user, self.path.trim_start_matches('/')))
            }
            Scheme::Ssh { user } => Some((user, &self.path)),
            _ => None,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host as name resolution wants it: no brackets.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// `host:port`, for messages.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether credentials for one may be shown to the other.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
    }

    /// Where a redirect leads. `location` answered a request for this address
    /// plus `suffix` (`/info/refs?…`): only a location with the same suffix names
    /// a repository. A sign-in page does not.
    pub(super) fn redirected(&self, location: &str, suffix: &str) -> Result<Self, SourceError> {
        let refused = |problem| SourceError::RedirectRefused {
            from: self.to_string(),
            to: text::without_userinfo(location),
            problem,
        };
        let scheme = if self.is_https() { "https" } else { "http" };
        let absolute = if let Some(rest) = location.strip_prefix("//") {
            format!("{scheme}://{rest}")
        } else if location.starts_with('/') {
            format!("{scheme}://{}{location}", self.authority())
        } else {
            location.to_owned()
        };
        let base = absolute.strip_suffix(suffix).ok_or_else(|| {
            refused("it is not the address of a repository; a private repository without credentials often answers so")
        })?;
        let next = Self::parse(base).map_err(|error| match error {
            SourceError::CredentialsInUrl => refused("it holds credentials"),
            _ => refused("only http and https addresses of repositories are"),
        })?;
        if next.ssh().is_some() {
            return Err(refused("only http and https addresses of repositories are"));
        }
        if self.is_https() && !next.is_https() {
            return Err(refused("it leaves https for http"));
        }
        Ok(next)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            Scheme::Https => write!(f, "https://{}", self.host)?,
            Scheme::Http => write!(f, "http://{}", self.host)?,
            Scheme::Ssh { user } if !self.path.starts_with('/') => {
                return write!(f, "{user}@{}:{}", self.host, self.path);
            }
            Scheme::Ssh { user } => write!(f, "ssh://{user}@{}", self.host)?,
        }
        if self.port != self.scheme.usual_port() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LS: &str = "/info/refs?service=git-upload-pack";

    fn reason(url: &str) -> &'static str {
        Address::parse(url).expect_err(url).reason()
    }

    #[test]
    fn urls_that_work() {
        for (url, shown) in [
            ("https://Example.com/a/b.git/", "https://example.com/a/b.git"),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("HTTPS://[::1]:443/x", "https://[::1]/x"),
            ("https://example.com", "https://example.com"),
        ] {
            assert_eq!(Address::parse(url).expect(url).to_string(), shown);
        }
        assert_eq!(Address::parse("https://[::1]/x").expect("v6").bare_host(), "::1");
    }

    #[test]
    fn urls_of_ssh() {
        for (url, shown, authority, asked) in [
            (
                "ssh://git@Example.com/a/b.git/",
                "ssh://git@example.com/a/b.git",
                "example.com:22",
                ("git", "/a/b.git"),
            ),
            ("SSH://git@h:22/x", "ssh://git@h/x", "h:22", ("git", "/x")),
            ("ssh://ada+ci@h:2222/~ada/x", "ssh://ada+ci@h:2222/~ada/x", "h:2222", ("ada+ci", "~ada/x")),
            ("ssh://git@[::1]:2222/x", "ssh://git@[::1]:2222/x", "[::1]:2222", ("git", "/x")),
            ("ssh://git@[fd00::1]/x", "ssh://git@[fd00::1]/x", "[fd00::1]:22", ("git", "/x")),
            ("git@example.com:a/b.git", "git@example.com:a/b.git", "example.com:22", ("git", "a/b.git")),
            ("git@h:/srv/x.git/", "ssh://git@h/srv/x.git", "h:22", ("git", "/srv/x.git")),
            ("git@[::1]:x", "git@[::1]:x", "[::1]:22", ("git", "x")),
            (
                "git@h:v3/org/My%20Project/x",
                "git@h:v3/org/My%20Project/x",
                "h:22",
                ("git", "v3/org/My%20Project/x"),
            ),
        ] {
            let address = Address::parse(url).expect(url);
            assert_eq!((address.to_string().as_str(), address.authority().as_str()), (shown, authority));
            assert_eq!(address.ssh(), Some(asked), "{url}");
            assert_eq!(Address::parse(shown).expect(shown), address, "what is shown can be used");
        }
        assert_eq!(Address::parse("https://h/x").expect("https").ssh(), None);
    }

    #[test]
    fn urls_that_do_not() {
        for (url, expected) in [
            ("git://example.com/x", "UnsupportedScheme"),
            ("git+ssh://git@example.com/x", "UnsupportedScheme"),
            ("file:///etc", "UnsupportedScheme"),
            ("ext::sh -c id", "InvalidUrl"),
            ("/etc/passwd", "InvalidUrl"),
            ("", "InvalidUrl"),
            ("https://", "InvalidUrl"),
            ("https:///x", "InvalidUrl"),
            ("https://host:0/x", "InvalidUrl"),
            ("https://host:99999/x", "InvalidUrl"),
            ("https://host/a/../b", "InvalidUrl"),
            ("https://host/x?y=1", "InvalidUrl"),
            ("https://host/x y", "InvalidUrl"),
            ("https://host/x\r\nA: b", "InvalidUrl"),
            ("https://u:canary@host/x", "CredentialsInUrl"),
            ("ssh://git:canary@host/x", "CredentialsInUrl"),
            ("git:canary@host:x", "CredentialsInUrl"),
            ("ssh://-oProxyCommand=canary@host/x", "InvalidUrl"),
            ("ssh://host/x", "InvalidUrl"),
            ("https://canary@host", "CredentialsInUrl"),
        ] {
            assert_eq!(reason(url), expected, "{url:?}");
            assert!(!Address::parse(url).expect_err(url).to_string().contains("canary"), "{url:?}");
        }
    }

    #[test]
    fn redirects() {
        let from = Address::parse("https://a.example/x.git").expect("address");
        let follow = |location: &str| from.redirected(location, LS);
        let to = follow(&format!("https://b.example/y.git{LS}")).expect("other host");
        assert_eq!(to.to_string(), "https://b.example/y.git");
        assert!(!from.same_origin(&to));
        let to = follow(&format!("/y.git{LS}")).expect("relative");
        assert_eq!(to.to_string(), "https://a.example/y.git");
        assert!(from.same_origin(&to));
        assert!(!from.same_origin(&follow(&format!("//a.example:444/y{LS}")).expect("port")));
        for bad in [
            format!("http://a.example/x.git{LS}"),
            "https://a.example/users/sign_in".to_owned(),
            format!("https://u:canary@a.example/x{LS}"),
            format!("file:///etc{LS}"),
            format!("ssh://git@a.example/x{LS}"),
            format!("git@a.example:x{LS}"),
            format!("x.git{LS}"),
            String::new(),
        ] {
            let error = follow(&bad).expect_err(&bad);
            assert_eq!(error.reason(), "RedirectRefused", "{bad}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let plain = Address::parse("http://a.example/x").expect("address");
        assert!(plain.redirected(&format!("https://a.example/x{LS}"), LS).is_ok());
    }
}
