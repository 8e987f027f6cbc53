//! Images: how a reference is read, and which ones a Platform lets run.

use std::sync::LazyLock;

use regex::Regex;

use crate::api::conditions::reasons;

use super::{platform::ValidatedPlatform, problem::Problem};

/// The grammar of container runtimes: `[host[:port]/]path[:tag][@digest]`.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
    let part = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let text = format!(
        r"^(?:(?:{label}(?:\.{label})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?{part}(?:/{part})*(?::[0-9A-Za-z_][0-9A-Za-z_.-]{{0,127}})?(?:@[a-z0-9]+:[0-9a-f]{{32,128}})?$"
    );
    Regex::new(&text).ok()
});

/// Whether the text is a reference at all.
pub(super) fn is_reference(image: &str) -> bool {
    REFERENCE.as_ref().is_some_and(|grammar| grammar.is_match(image))
}

/// Checks an image against the Platform's rules.
pub(super) fn check(image: &str, pointer: &str, platform: &ValidatedPlatform, problems: &mut Vec<Problem>) {
    let rules = &platform.images;
    if !is_reference(image) {
        problems.push(
            Problem::new(pointer, format!("\"{image}\" is not an image reference"))
                .hint("write it like registry.example.com/app:1.2 or registry.example.com/app@sha256:…"),
        );
        return;
    }
    let digest = image.split_once("@sha256:").is_some_and(|(_, hex)| hex.len() == 64);
    if rules.require_digests && !digest {
        problems.push(
            Problem::new(
                pointer,
                format!("image \"{image}\" has no digest, and Platform {} asks for one", platform.name),
            )
            .reason(reasons::LIMIT_EXCEEDED)
            .hint("write it like registry.example.com/app@sha256:<64 hexadecimal digits>"),
        );
    }
    let full = normal(image);
    if !rules.registries.is_empty() && !rules.registries.iter().any(|prefix| is_from(&full, prefix)) {
        problems.push(
            Problem::new(
                pointer,
                format!(
                    "image \"{image}\" is from a registry that Platform {} does not allow",
                    platform.name
                ),
            )
            .reason(reasons::LIMIT_EXCEEDED)
            .hint(format!("use one of: {}", rules.registries.join(", "))),
        );
    }
}

/// Whether an image lies below a prefix, or is it. Behind a host alone only a path may follow: another port
/// is another registry. The guard tenantry-pods says the same to the API server.
fn is_from(image: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let repository = prefix.contains('/');
    let ends: &[char] = if repository { &['/', ':', '@'] } else { &['/'] };
    image.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(ends) || (repository && rest.is_empty()))
}

/// The image as container runtimes read it: `nginx` is `docker.io/library/nginx`.
fn normal(image: &str) -> String {
    let is_host = |text: &str| {
        text.contains(['.', ':']) || text == "localhost" || text.bytes().any(|b| b.is_ascii_uppercase())
    };
    match image.split_once('/') {
        Some((host, _)) if is_host(host) => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_runtimes_read_them() {
        let grammar = REFERENCE.as_ref().unwrap();
        for good in
            ["nginx", "a/b:1", "r.example.com:5000/a/b@sha256:0123456789abcdef0123456789abcdef", "LOCAL/x"]
        {
            assert!(grammar.is_match(good), "{good}");
        }
        for bad in
            ["", "Nginx", "a b", "a:1:2", "a//b", "/a", "https://a.example/b", "a@sha256:12", "a:\u{202e}1"]
        {
            assert!(!grammar.is_match(bad), "{bad}");
        }
        assert_eq!(normal("LOCAL/x"), "LOCAL/x");
        assert_eq!(normal("a/x"), "docker.io/a/x");
    }

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        for (image, prefix, is) in [
            ("r.example/a", "r.example", true),
            ("r.example/a", "r.example/", true),
            ("r.example:5000/a", "r.example", false),
            ("r.example:5000/a", "r.example:5000", true),
            ("r.example.evil/a", "r.example", false),
            ("r.example/shop:1", "r.example/shop", true),
            ("r.example/shop", "r.example/shop/", true),
            ("r.example/shop-evil", "r.example/shop", false),
        ] {
            assert_eq!(is_from(image, prefix), is, "{image} from {prefix}");
        }
    }
}
