//! Which folders of a repository a source reads: one rule for the offline check and for the source itself.

use super::text::is_hidden;

/// Longest path, in bytes.
const LONGEST: usize = 512;

/// The folders to read, both clean and not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Folder of the Tenants' files; empty for the root.
    pub tenants: String,
    /// Folder of the Platform's own rules.
    pub platform: Option<String>,
}

/// A folder that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// `path` or `platformPath`.
    pub field: &'static str,
    /// The rule that it breaks.
    pub problem: &'static str,
}

/// Checks `path` and `platformPath` of a source.
///
/// # Errors
/// The first of them that can't be used, and why.
pub fn folders(path: &str, platform_path: Option<&str>) -> Result<Folders, Unusable> {
    let tenants = folder("path", path)?;
    let platform = platform_path.map(|path| folder("platformPath", path)).transpose()?;
    if platform.as_ref() == Some(&tenants) {
        let problem = "it is the same folder as path; who may write Tenants there could also write the Platform that limits them";
        return Err(Unusable { field: "platformPath", problem });
    }
    Ok(Folders { tenants, platform })
}

fn folder(field: &'static str, path: &str) -> Result<String, Unusable> {
    let unusable = |problem| Unusable { field, problem };
    if path.len() > LONGEST {
        return Err(unusable("it is longer than 512 bytes"));
    }
    if path.chars().any(|c| is_hidden(c) || c.is_control() || c == '\\') {
        return Err(unusable("it holds a control character, an invisible character or a backslash"));
    }
    if path.starts_with('/') {
        return Err(unusable("it begins with a slash, and is relative to the repository's root"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(unusable("it leads out of the repository"));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_clean() {
        for (raw, clean) in [("", ""), (".", ""), ("./a//b/", "a/b"), (".tenantry", ".tenantry")] {
            assert_eq!(folder("path", raw).as_deref(), Ok(clean));
        }
        let long = "a".repeat(513);
        for raw in ["..", "a/../b", "/", "/a", "a\\b", "a\u{202e}b", "a\u{ad}b", "a\nb", "a\tb", &long] {
            assert_eq!(folder("path", raw).expect_err(raw).field, "path");
        }
    }

    #[test]
    fn tenants_and_platform_have_a_folder_each() {
        let both = |path, platform| folders(path, Some(platform)).map(|folders| folders.platform);
        assert_eq!(both("tenants", "./platform/"), Ok(Some("platform".into())));
        assert_eq!(both("", "platform"), Ok(Some("platform".into())));
        for (path, platform) in [("", "."), ("a", "a/"), ("./a", "a")] {
            assert_eq!(both(path, platform).expect_err(platform).field, "platformPath");
        }
    }
}
