//! Folders that something is mounted at, and Secrets that may be.

use crate::api::{marks, quantity::Milli, service::Service};

use super::problem::{Problem, at};

/// Folders that the container runtime or the kubelet keeps for itself.
const KEPT: [&str; 8] = [
    "/proc",
    "/sys",
    "/dev",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/var/run/secrets/kubernetes.io",
    "/run/secrets/kubernetes.io",
];

/// Shared memory: the one folder of [`KEPT`] that programs bring their own for.
const SHARED_MEMORY: &str = "/dev/shm";

/// A folder that something is mounted at.
struct Mount<'a> {
    pointer: String,
    path: &'a str,
    writable: bool,
}

/// Every folder is there once, none hides the whole file system, and none lies where it can't be made.
pub(super) fn check(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let mounts = mounts(service, base, problems);
    let mut good: Vec<(&Mount<'_>, &str)> = Vec::new();
    for mount in &mounts {
        let (path, pointer) = (mount.path, mount.pointer.clone());
        let normal = path.trim_end_matches('/');
        let parts = || normal.split('/').skip(1);
        if !path.starts_with('/')
            || parts().next().is_none()
            || parts().any(|part| matches!(part, "" | "." | ".."))
        {
            problems.push(Problem::new(pointer, format!("\"{path}\" is not an absolute folder below /")));
        } else if let Some(kept) = KEPT.iter().find(|kept| is_inside(normal, kept) && normal != SHARED_MEMORY)
        {
            problems.push(Problem::new(pointer, format!("nothing can be mounted in {kept}")));
        } else if good.iter().any(|(_, other)| *other == normal) {
            problems.push(Problem::new(pointer, format!("something is mounted at {normal} already")));
        } else {
            good.push((mount, normal));
        }
    }
    for (mount, path) in &good {
        let around =
            good.iter().find(|(other, folder)| !other.writable && path != folder && is_inside(path, folder));
        if let Some((_, folder)) = around {
            problems.push(
                Problem::new(
                    mount.pointer.clone(),
                    format!("lies inside {folder}, which is read-only: the container could not start"),
                )
                .hint("mount it beside, not inside"),
            );
        }
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn mounts<'a>(service: &'a Service, base: &str, problems: &mut Vec<Problem>) -> Vec<Mount<'a>> {
    let mut mounts = Vec::new();
    for (index, path) in service.writable_paths.iter().enumerate() {
        let pointer = at(&at(base, "writablePaths"), index);
        match path.size.milli() {
            Ok(amount) if amount > Milli(0) => {}
            Ok(_) => problems.push(Problem::new(at(&pointer, "size"), "must be more than 0")),
            Err(message) => problems.push(Problem::new(at(&pointer, "size"), message)),
        }
        mounts.push(Mount { pointer: at(&pointer, "path"), path: &path.path, writable: true });
    }
    for (index, one) in service.storage.iter().enumerate() {
        let pointer = at(&at(&at(base, "storage"), index), "path");
        mounts.push(Mount { pointer, path: &one.path, writable: true });
    }
    for (index, secret) in service.secret_refs.iter().enumerate() {
        if let Some(path) = &secret.mount_path {
            let pointer = at(&at(&at(base, "secretRefs"), index), "mountPath");
            mounts.push(Mount { pointer, path, writable: false });
        }
    }
    if let Some(path) = &service.config_path {
        mounts.push(Mount { pointer: at(base, "configPath"), path, writable: false });
    }
    mounts
}

/// No service may use a Secret of the operator's: it holds the Platform's credentials.
pub(super) fn check_secrets(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let listed = service
        .secret_refs
        .iter()
        .enumerate()
        .map(|(index, one)| (at(&at(&at(base, "secretRefs"), index), "name"), &one.name));
    let keys = service.env.iter().enumerate().filter_map(|(index, var)| {
        let reference = var.secret_key_ref.as_ref()?;
        Some((format!("{}/secretKeyRef/name", at(&at(base, "env"), index)), &reference.name))
    });
    for (pointer, name) in listed.chain(keys) {
        if name.starts_with(marks::OWN_PREFIX) {
            problems.push(
                Problem::new(pointer, format!("Secret \"{name}\" is the Platform's, not the tenant's"))
                    .hint(format!("names that begin with {} are the operator's", marks::OWN_PREFIX)),
            );
        }
    }
}
