//! Whether a claim can be backed up by snapshots.

use serde_json::Value;

use super::seen::{Claim, annotation, text};

/// A VolumeSnapshotClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Whose snapshots it makes.
    pub driver: String,
    /// Whether a snapshot goes with its VolumeSnapshot.
    pub deletes: bool,
    /// Whether it is its driver's default.
    pub default: bool,
}

impl Class {
    /// From what the API server has.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        Self {
            name: text(object, "/metadata/name"),
            driver: text(object, "/driver"),
            deletes: text(object, "/deletionPolicy") == "Delete",
            default: annotation(object, "snapshot.storage.kubernetes.io/is-default-class") == "true",
        }
    }
}

/// The class for snapshots of a claim; `classes` is `None` where the cluster knows no snapshots.
///
/// # Errors
/// What is missing, for people.
pub fn class<'a>(
    name: &str,
    claim: Option<&Claim>,
    classes: Option<&'a [Class]>,
) -> Result<&'a Class, String> {
    let claim = claim.ok_or_else(|| format!("there is no claim {name} in the tenant's namespace"))?;
    if claim.block {
        return Err(format!("claim {name} is a bare device (volumeMode: Block); what is saved are files"));
    }
    if !claim.bound {
        return Err(format!("claim {name} has no volume yet"));
    }
    let classes = classes.ok_or(
        "the cluster has no VolumeSnapshots; install the CRDs of snapshot.storage.k8s.io and the snapshot-controller",
    )?;
    if claim.driver.is_empty() {
        return Err(format!(
            "nobody notes which driver made the volume of claim {name} (annotation volume.kubernetes.io/storage-provisioner); only volumes that a CSI driver made have snapshots"
        ));
    }
    let driver = &claim.driver;
    let own: Vec<&Class> = classes.iter().filter(|class| class.driver == *driver).collect();
    if own.is_empty() {
        return Err(format!(
            "no VolumeSnapshotClass is for driver {driver} of claim {name}; make one if it can"
        ));
    }
    let mut fit: Vec<&Class> = own.into_iter().filter(|class| class.deletes).collect();
    // The default first; else always the same.
    fit.sort_by_key(|class| (!class.default, &class.name));
    fit.first().copied().ok_or_else(|| {
        format!(
            "each VolumeSnapshotClass for driver {driver} keeps its snapshots for ever (deletionPolicy: Retain); make one with Delete"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim { bound: true, driver: "d".into(), ..Claim::default() }
    }

    fn one(name: &str, driver: &str, deletes: bool, default: bool) -> Class {
        Class { name: name.into(), driver: driver.into(), deletes, default }
    }

    #[test]
    fn what_is_missing_is_named() {
        let classes = [one("keeps", "d", false, true), one("b", "d", true, false), one("a", "d", true, true)];
        assert_eq!(class("c", Some(&claim()), Some(&classes)).unwrap().name, "a", "the default");
        assert_eq!(
            class("c", Some(&claim()), Some(&classes[..2])).unwrap().name,
            "b",
            "the one that deletes"
        );
        let wrong =
            |found: Option<&Claim>, classes: Option<&[Class]>| class("c", found, classes).unwrap_err();
        assert!(wrong(None, None).contains("no claim c"));
        assert!(wrong(Some(&Claim { block: true, ..claim() }), Some(&classes)).contains("volumeMode: Block"));
        assert!(wrong(Some(&Claim { bound: false, ..claim() }), Some(&classes)).contains("no volume yet"));
        assert!(wrong(Some(&claim()), None).contains("CRDs of snapshot.storage.k8s.io"));
        assert!(wrong(Some(&Claim { driver: String::new(), ..claim() }), Some(&classes)).contains("driver"));
        assert!(wrong(Some(&claim()), Some(&[one("x", "e", true, true)])).contains("is for driver d"));
        assert!(wrong(Some(&claim()), Some(&classes[..1])).contains("Retain"));
    }
}
