//! Volumes of services: names that are free, sizes that hold something, classes that the Platform lets them have.

use std::collections::BTreeSet;

use crate::api::{conditions::reasons, quantity::Milli, service::Service};

use super::{
    platform::ValidatedPlatform,
    problem::{Problem, at},
    service::ValidatedService,
};

/// Name of the pod's volume with the configuration.
pub const CONFIG_VOLUME: &str = "config";

/// Name of the Service that gives a service's pods names of their own.
pub fn governing_name(service: &str) -> String {
    format!("{service}-pods")
}

/// Checks a service's volumes; where they are mounted is checked with the other mounts.
pub(super) fn check(
    service: &Service,
    base: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    let mut seen = BTreeSet::new();
    for (index, one) in service.storage.iter().enumerate() {
        let pointer = at(&at(base, "storage"), index);
        let name = one.name.as_str();
        if !seen.insert(name) {
            problems.push(Problem::new(at(&pointer, "name"), format!("\"{name}\" is there already")));
        }
        if name == CONFIG_VOLUME || name.starts_with("secret-") || name.starts_with("writable-") {
            problems.push(
                Problem::new(at(&pointer, "name"), format!("volume \"{name}\" is the operator's own"))
                    .hint("choose a name such as data"),
            );
        }
        match one.size.milli() {
            Ok(amount) if amount > Milli(0) => {}
            Ok(_) => problems.push(Problem::new(at(&pointer, "size"), "must be more than 0")),
            Err(message) => problems.push(Problem::new(at(&pointer, "size"), message)),
        }
        check_class(one.class.as_deref(), &at(&pointer, "class"), platform, problems);
    }
}

fn check_class(
    class: Option<&str>,
    pointer: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    let allowed = &platform.storage_classes;
    if allowed.is_empty() || class.is_some_and(|class| allowed.iter().any(|one| one == class)) {
        return;
    }
    let message = match class {
        Some(class) => format!("Platform {} does not allow StorageClass \"{class}\"", platform.name),
        None => format!("is missing, and Platform {} allows only some StorageClasses", platform.name),
    };
    problems.push(
        Problem::new(pointer, message)
            .reason(reasons::LIMIT_EXCEEDED)
            .hint(format!("use one of: {}", allowed.join(", "))),
    );
}

/// The Service that names a service's pods may not be another service's.
pub(super) fn check_names(services: &[ValidatedService], problems: &mut Vec<Problem>) {
    for stateful in services.iter().filter(|one| one.is_stateful()) {
        let governing = governing_name(&stateful.spec.name);
        if let Some(index) = services.iter().position(|one| one.spec.name == governing) {
            let message = format!(
                "\"{governing}\" is the Service that names the pods of service {}",
                stateful.spec.name
            );
            let pointer = at(&at("/spec/services", index), "name");
            problems.push(Problem::new(pointer, message).hint("choose another name"));
        }
    }
}
