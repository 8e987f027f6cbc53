//! Where a forge's API is, and what it calls the repository. Pure.

use crate::{
    api::{
        forge::{Forge as Spec, ForgeKind},
        platform::GitSource,
    },
    validate::text::quote,
};

use super::{error::ForgeError, gitea::Gitea, github::GitHub, gitlab::GitLab, types::Forge};

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Base of the API, without a slash at its end.
    pub base: String,
    /// What the forge calls the repository: `owner/name`.
    pub repository: String,
}

/// The API of a source's forge: as the Platform says, or as its kind has it beside the repository.
///
/// # Errors
/// The repository's URL doesn't tell.
pub fn place(git: &GitSource, forge: &Spec) -> Result<Place, ForgeError> {
    let base = match &forge.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => base(&git.url, forge.kind)?,
    };
    let repository = match &forge.repository {
        Some(name) => name.clone(),
        None => repository(&git.url).ok_or_else(|| unknown("repository", &git.url))?,
    };
    if repository.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(unknown("repository", &repository));
    }
    Ok(Place { base, repository })
}

/// The base of an API, from the repository's URL.
///
/// # Errors
/// The URL doesn't tell.
pub fn base(git: &str, kind: ForgeKind) -> Result<String, ForgeError> {
    let (origin, host) = origin(git).ok_or_else(|| unknown("url", git))?;
    Ok(match kind {
        ForgeKind::GitHub if host == "github.com" => "https://api.github.com".to_owned(),
        ForgeKind::GitHub => format!("{origin}/api/v3"),
        ForgeKind::GitLab => format!("{origin}/api/v4"),
        ForgeKind::Gitea => format!("{origin}/api/v1"),
    })
}

/// How this forge spells what we ask.
pub fn dialect(kind: ForgeKind, repository: String) -> Box<dyn Forge> {
    match kind {
        ForgeKind::GitHub => Box::new(GitHub { repository }),
        ForgeKind::GitLab => Box::new(GitLab { repository }),
        ForgeKind::Gitea => Box::new(Gitea { repository }),
    }
}

fn unknown(field: &'static str, text: &str) -> ForgeError {
    ForgeError::NoPlace { field, from: quote(text) }
}

/// Scheme and authority of the web server beside a Git server, and its host.
fn origin(git: &str) -> Option<(String, String)> {
    let (scheme, rest) = git.split_once("://")?;
    let authority = rest.split('/').next()?;
    let authority = authority.rsplit('@').next().filter(|one| !one.is_empty())?.to_ascii_lowercase();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        _ => authority.clone(),
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Some((format!("https://{authority}"), host)),
        "http" => Some((format!("http://{authority}"), host)),
        // The port is sshd's own.
        "ssh" => Some((format!("https://{host}"), host)),
        _ => None,
    }
}

/// `owner/name`, from the repository's URL.
fn repository(git: &str) -> Option<String> {
    let (_, rest) = git.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    path.contains('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(url: &str, kind: ForgeKind) -> Option<(String, String)> {
        let git: GitSource = serde_json::from_value(serde_json::json!({ "url": url })).expect("a source");
        let forge = Spec {
            kind,
            url: None,
            repository: None,
            credentials: crate::api::common::SecretName { name: "x".into() },
            name: None,
            post: crate::api::forge::Post::default(),
        };
        place(&git, &forge).ok().map(|place| (place.base, place.repository))
    }

    #[test]
    fn the_api_is_found_beside_the_repository() {
        for (url, kind, base, repository) in [
            (
                "https://github.com/acme/config.git",
                ForgeKind::GitHub,
                "https://api.github.com",
                "acme/config",
            ),
            (
                "https://Git.example.com/acme/config",
                ForgeKind::GitHub,
                "https://git.example.com/api/v3",
                "acme/config",
            ),
            ("https://gitlab.com/a/b/c.git/", ForgeKind::GitLab, "https://gitlab.com/api/v4", "a/b/c"),
            ("http://127.0.0.1:3000/a/b.git", ForgeKind::Gitea, "http://127.0.0.1:3000/api/v1", "a/b"),
            (
                "ssh://git@git.example.com:2222/a/b.git",
                ForgeKind::Gitea,
                "https://git.example.com/api/v1",
                "a/b",
            ),
        ] {
            assert_eq!(found(url, kind), Some((base.into(), repository.into())), "{url}");
        }
        for url in
            ["https://example.com/config.git", "https://example.com", "file:///a/b", "x", "https://h/a/../b"]
        {
            assert_eq!(found(url, ForgeKind::Gitea), None, "{url}");
        }
    }
}
