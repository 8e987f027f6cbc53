//! The user's own ssh-keygen signs: it knows their agent, passphrase and security key, and no key passes through here.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::trust::signers::APPROVAL;

/// Signs a text for approvals; returns the armored signature.
pub(super) fn sign(key: &Path, text: &str) -> Result<String, String> {
    let failed = |problem: &str| format!("ssh-keygen can't sign with {}: {problem}", key.display());
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", APPROVAL, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Where it asks for the touch of a security key, and says what is wrong.
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(&format!("it can't be started ({error}); install OpenSSH 8.2 or newer")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended already says more by its words than this error would.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    if !output.status.success() {
        return Err(failed("its own words are above"));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("it wrote no text"))
}
