//! Names that tenants may not have.

/// Namespaces that are never a tenant's, as names and as prefixes.
const RESERVED: [&str; 1] = ["default"];
const RESERVED_PREFIXES: [&str; 3] = ["kube-", "openshift-", "tenantry-"];

/// Whether a namespace belongs to the cluster or to the operator by its name alone.
pub fn is_reserved_namespace(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether `text` is a DNS subdomain: labels with dots between them.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Whether `text` is a qualified name, as keys of labels and annotations are: `name` or `domain/name`.
pub fn is_qualified(text: &str) -> bool {
    let name = match text.split_once('/') {
        Some((domain, _)) if !is_dns_subdomain(domain) => return false,
        Some((_, name)) => name,
        None => text,
    };
    !name.is_empty() && is_label_value(name)
}

/// Whether `text` can be a label's value: the empty text can.
pub fn is_label_value(text: &str) -> bool {
    let ends = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
}

/// Longest name of a Tenant, in characters: every child's name then fits without being cut.
pub const TENANT_NAME_MAX: usize = 40;

/// Whether `text` is an RFC 1123 label.
pub fn is_dns_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes.iter().all(|b| plain(*b) || *b == b'-')
        && plain(bytes[0])
        && plain(bytes[bytes.len() - 1])
}
