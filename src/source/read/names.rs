//! Which entries of a Git tree are files for us, and which names are traps.

use super::super::text;

/// What an entry of a tree is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A YAML file.
    File,
    /// A folder to walk.
    Folder,
    /// Neither YAML nor a folder, or hidden: not ours.
    Ignored,
    /// Something that must be reported.
    Refused { message: &'static str, hint: &'static str },
}

/// Git's file modes.
const FOLDER: i32 = 0o040_000;
const LINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

/// Classifies an entry by its mode and name (UTF-8 already).
pub(super) fn classify(mode: i32, name: &str) -> Kind {
    let refused = |message, hint| Kind::Refused { message, hint };
    if name.chars().any(text::is_deceptive) {
        return refused("the name holds a control or invisible character", "rename it");
    }
    if name.contains(['/', '\\']) {
        return refused("the name holds a slash, which no real file has", "rename it");
    }
    if name.starts_with('.') || name.is_empty() {
        return Kind::Ignored;
    }
    let yaml = is_yaml(name);
    match mode {
        FOLDER => Kind::Folder,
        SUBMODULE => {
            refused("this is a submodule; submodules are not read", "put the files into this repository")
        }
        // A link without an extension may stand for a folder of YAML files.
        LINK if yaml || !name.contains('.') => {
            refused("this is a symbolic link; links are not followed", "put the file itself here")
        }
        LINK => Kind::Ignored,
        _ if yaml => Kind::File,
        _ => Kind::Ignored,
    }
}

fn is_yaml(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, extension)| !stem.is_empty() && matches!(extension, "yaml" | "yml"))
}

/// `folder/name`, or `name` at the root.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether `path` is `folder` or lies in it.
pub(super) fn is_in(folder: &str, path: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let refused = |mode, name| matches!(classify(mode, name), Kind::Refused { .. });
        assert_eq!(classify(0o100_644, "a.yaml"), Kind::File);
        assert_eq!(classify(0o100_755, "a.yml"), Kind::File);
        assert_eq!(classify(0o100_644, "a.json"), Kind::Ignored);
        assert_eq!(classify(0o100_644, ".yaml"), Kind::Ignored);
        assert_eq!(classify(0o100_644, ".a.yaml"), Kind::Ignored);
        assert_eq!(classify(FOLDER, "a"), Kind::Folder);
        assert_eq!(classify(FOLDER, ".git"), Kind::Ignored);
        assert_eq!(classify(FOLDER, ".."), Kind::Ignored);
        assert_eq!(classify(LINK, "README.md"), Kind::Ignored);
        assert!(refused(LINK, "a.yaml") && refused(LINK, "tenants") && refused(SUBMODULE, "x"));
        assert!(refused(0o100_644, "a/b.yaml") && refused(FOLDER, "x/y"));
        assert!(refused(0o100_644, "a\u{202e}lmay.exe") && refused(0o100_644, "a\n.yaml"));
    }

    #[test]
    fn paths() {
        assert_eq!(join("", "a"), "a");
        assert_eq!(join("a", "b"), "a/b");
        assert!(is_in("", "x") && is_in("a", "a") && is_in("a", "a/b"));
        assert!(!is_in("a", "ab") && !is_in("a/b", "a"));
    }
}
