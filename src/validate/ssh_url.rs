//! Addresses of repositories behind SSH: `ssh://user@host[:port]/path` and the short `user@host:path`.
//!
//! What goes on to the server is a user name and one quoted path, so each is checked as if a shell and a
//! program's options waited for it (CVE-2017-1000117, -2018-17456, -2025-48384 and their kin).

use core::net::Ipv6Addr;

/// Longest user name.
const USER: usize = 64;

/// The port of SSH.
pub const PORT: u16 = 22;

/// An address that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshUrl {
    /// Who logs in.
    pub user: String,
    /// In lower case; IPv6 addresses in brackets.
    pub host: String,
    /// [`PORT`] when the address names none.
    pub port: u16,
    /// Without a slash at its end; without one at its beginning for `user@host:path`.
    pub path: String,
}

/// Why an address can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It holds a password, which no message may show.
    Password,
    /// Another rule that it breaks.
    Rule(&'static str),
}

/// Reads an address that does not begin with `http://` or `https://`.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse(url: &str) -> Result<SshUrl, Unusable> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => long(rest),
        Some(_) => Err(Unusable::Rule("its scheme is none of https, http and ssh")),
        None => short(url),
    }
}

/// What follows `ssh://`.
fn long(rest: &str) -> Result<SshUrl, Unusable> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = named(authority)?;
    let (host, port) = match place.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)),
        _ => (place, Some(PORT)),
    };
    let port = port.ok_or(Unusable::Rule("its port is not a number from 1 to 65535"))?;
    if path.contains('%') {
        return Err(Unusable::Rule("its path has a percent sign, which only user@host:path may have"));
    }
    build(user, host, port, path)
}

/// `user@host:path`, as forges show it. There is no port in it.
fn short(url: &str) -> Result<SshUrl, Unusable> {
    let no_scheme = Unusable::Rule("it has no scheme");
    let (user, rest) = url.split_once('@').ok_or(no_scheme)?;
    let colon = match rest.find(']') {
        Some(bracket) if rest.starts_with('[') => rest[bracket..].find(':').map(|colon| bracket + colon),
        _ => rest.find(':'),
    };
    let (host, path) = rest.split_at(colon.ok_or(no_scheme)?);
    if host.contains('/') {
        return Err(no_scheme);
    }
    let (user, host) = named(&url[..user.len() + 1 + host.len()])?;
    build(user, host, PORT, path.trim_start_matches(':'))
}

/// The user name and what follows it.
fn named(authority: &str) -> Result<(&str, &str), Unusable> {
    let (user, place) = authority
        .rsplit_once('@')
        .ok_or(Unusable::Rule("it names no user; most forges want git@ before the host"))?;
    if user.contains(':') {
        return Err(Unusable::Password);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    if user.is_empty() || user.len() > USER || user.starts_with('-') || !user.chars().all(plain) {
        return Err(Unusable::Rule(
            "its user name is not one of letters, digits and . _ + - (not at its beginning)",
        ));
    }
    Ok((user, place))
}

fn build(user: &str, host: &str, port: u16, path: &str) -> Result<SshUrl, Unusable> {
    if !is_host(host) {
        return Err(Unusable::Rule("its host is neither a name nor an address (IPv6 in brackets)"));
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err(Unusable::Rule("it has no path"));
    }
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | '+' | '@' | '%');
    if path.starts_with('-') || !path.chars().all(plain) {
        return Err(Unusable::Rule(
            "its path has a character other than letters, digits and / . _ ~ + @ - (not at its beginning)",
        ));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Unusable::Rule("its path has a . or .. part"));
    }
    Ok(SshUrl { user: user.to_owned(), host: host.to_ascii_lowercase(), port, path: path.to_owned() })
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !host.is_empty() && host.len() <= 253 && !host.starts_with(['-', '.']) && host.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_do_not() {
        for (url, part) in [
            ("ssh://example.com/x", "names no user"),
            ("ssh://@example.com/x", "user name"),
            ("ssh://-oProxyCommand=id@h/x", "user name"),
            ("ssh://-o@h/x", "user name"),
            ("ssh://a b@h/x", "user name"),
            ("ssh://git@/x", "host"),
            ("ssh://git@-oProxyCommand=id/x", "host"),
            ("ssh://git@$(id)/x", "host"),
            ("ssh://git@h\n/x", "host"),
            ("ssh://git@::1/x", "host"),
            ("ssh://git@[::1/x", "host"),
            ("ssh://git@[localhost]/x", "host"),
            ("ssh://git@h:0/x", "port"),
            ("ssh://git@h:99999/x", "port"),
            ("ssh://git@h:/x", "port"),
            ("ssh://git@h:22x/x", "port"),
            ("ssh://git@h", "no path"),
            ("ssh://git@h/", "no path"),
            ("ssh://git@h/a/../b", ".. part"),
            ("ssh://git@h/a'b", "character"),
            ("ssh://git@h/a\u{0}b", "character"),
            ("ssh://git@h/a\r\nb", "character"),
            ("ssh://git@h/a b", "character"),
            ("ssh://git@h/x?y", "character"),
            ("ssh://git@h/x#y", "character"),
            ("ssh://git@h/My%20Project", "percent"),
            ("git@h:-x", "character"),
            ("git@h:$(id)", "character"),
            ("git@h:", "no path"),
            ("git@h:../x", ".. part"),
            ("-oProxyCommand=id@h:x", "user name"),
            ("git@-h:x", "host"),
            ("git@h/x:y", "no scheme"),
            ("git@h", "no scheme"),
            ("h:x/y", "no scheme"),
            ("ext::sh -c id", "no scheme"),
            ("git+ssh://git@h/x", "none of https, http and ssh"),
        ] {
            match parse(url).expect_err(url) {
                Unusable::Rule(problem) => assert!(problem.contains(part), "{url:?}: {problem}"),
                Unusable::Password => panic!("{url:?}"),
            }
        }
        for url in ["ssh://git:canary@h/x", "git:canary@h:x", "ssh://git:canary@u@h/x"] {
            assert_eq!(parse(url), Err(Unusable::Password), "{url:?}");
        }
    }
}
