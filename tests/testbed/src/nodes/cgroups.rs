//! The cgroup that a node's pods live in. The kubelet wants to find it; [`super::Fleet`]'s clean-up
//! script removes it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, io};

/// What a new cgroup of version 1 has to be told before it takes processes.
const INHERITED: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];
/// What pods are counted and limited by.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"];

/// Makes `path` (such as `run/node`) in every hierarchy of version 1 that is mounted, or else in that of
/// version 2.
pub(crate) fn create(path: &str) -> Result<()> {
    let mounts = Path::new("/proc/self/mounts");
    let mounts = fs::read_to_string(mounts).map_err(io("read", mounts))?;
    let first = hierarchies(&mounts, "cgroup");
    for top in &first {
        descend(top, path, |parent, child| {
            for file in INHERITED.iter().filter(|file| parent.join(file).exists()) {
                let content = fs::read(parent.join(file)).map_err(io("read", parent))?;
                fs::write(child.join(file), content).map_err(io("write", child))?;
            }
            Ok(())
        })?;
    }
    if first.is_empty() {
        for top in hierarchies(&mounts, "cgroup2") {
            descend(&top, path, |parent, _| {
                let control = parent.join("cgroup.subtree_control");
                for controller in CONTROLLERS {
                    // The kubelet says which of those that are not there it can't do without.
                    let _ = fs::write(&control, format!("+{controller}"));
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Where hierarchies of this type are mounted.
fn hierarchies(mounts: &str, kind: &str) -> Vec<PathBuf> {
    let words = mounts.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.get(2) == Some(&kind)).map(|words| PathBuf::from(words[1])).collect()
}

/// Makes each folder on the way; `each` gets the parent and the new folder.
fn descend(top: &Path, path: &str, each: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
    let mut parent = top.to_path_buf();
    for part in path.split('/') {
        let child = parent.join(part);
        match fs::create_dir(&child) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(io("create", &child)(error));
            }
            _ => each(&parent, &child)?,
        }
        parent = child;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(hierarchies(mounts, "cgroup"), [PathBuf::from("/sys/fs/cgroup/cpu")]);
        assert_eq!(hierarchies(mounts, "cgroup2"), [PathBuf::from("/sys/fs/cgroup/unified")]);
    }
}
