//! Files of a volume: saved, tried, and refused where they are no backup of it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tenantry::backup::record::reasons;
use tenantry::backup::task::{Size, Volume, VolumeDrill, Work};
use tenantry_testbed::give_to_database_user;

use crate::bed::{Bed, Outcome, Ran, Tenant, point};

const TAKEN: &str = "2026-11-22T03:00:07Z";

/// A volume with some files, as a Job has it mounted.
struct Files<'a> {
    tenant: Tenant<'a>,
    folder: PathBuf,
}

impl<'a> Files<'a> {
    fn new(bed: &'a Bed) -> Outcome<Self> {
        let tenant = Tenant::new(bed, "acme")?;
        std::fs::create_dir_all(tenant.secrets.join("volume"))?;
        tenant.secret("volume/time", TAKEN)?;
        let folder = bed.folder.join("files");
        std::fs::create_dir_all(folder.join("a/b"))?;
        for number in 0..40 {
            std::fs::write(folder.join(format!("a/{number}")), format!("content {number}").repeat(100))?;
        }
        std::fs::write(folder.join("empty"), "")?;
        std::os::unix::fs::symlink("a/1", folder.join("link"))?;
        give_to_database_user(&folder)?;
        Ok(Self { tenant, folder })
    }

    fn work(&self) -> Volume {
        Volume {
            database: "volume.files".into(),
            claim: "files-app-0".into(),
            path: self.folder.display().to_string(),
            slot: "2026-11-22T03:00:00Z".into(),
            initialise: true,
            before: None,
            least_percent: 50,
            shrink_acknowledged: false,
            sampled_files: 5,
            dead_hosts: Vec::new(),
        }
    }

    async fn save(&self, work: Volume) -> Outcome<Ran> {
        self.tenant.run(Work::Volume(work)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_saved_and_come_back_as_they_were() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let files = Files::new(&bed)?;
    // What a drill has to get rid of again: folders that nobody may write to.
    std::fs::set_permissions(files.folder.join("a/b"), std::fs::Permissions::from_mode(0o500))?;
    let ran = files.save(files.work()).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    assert_eq!((ran.record.kind.as_str(), ran.record.database.as_str()), ("backup", "volume.files"));
    let saved = ran.record.point.clone().unwrap();
    assert_eq!((saved.size.rows, saved.time.as_str(), saved.engine.as_str()), (41, TAKEN, "files"));
    let tenant = &files.tenant;
    let listed = tenant.restic_says(&["snapshots", "--tag", "kind=volume,volume=files-app-0"])?;
    assert!(listed.contains("1 snapshots"), "{listed}");

    let good = point(&ran.record);
    let drill = |point| VolumeDrill {
        database: "volume.files".into(),
        point,
        rpo_limit_seconds: None,
        room_bytes: 1 << 30,
        try_other: false,
    };
    let ran = tenant.run(Work::VolumeDrill(drill(good.clone()))).await?;
    let restored = ran.record.restored.clone().unwrap();
    // Five counts and sums, five files, one key, the age.
    assert!(ran.record.succeeded && (restored.passed, restored.checks) == (12, 12), "{ran:#?}");
    assert_eq!(restored.bytes, saved.size.bytes);

    let wrong = tenant.forged(&good, |manifest| manifest["files"] = 42.into())?;
    let ran = tenant.run(Work::VolumeDrill(drill(wrong))).await?;
    assert_eq!(ran.record.reason, reasons::CHECK_FAILED, "{ran:#?}");
    assert!(ran.record.log_line.contains("42 were saved, 41 came back"), "{ran:#?}");

    let old = VolumeDrill { rpo_limit_seconds: Some(1), ..drill(good.clone()) };
    let ran = tenant.run(Work::VolumeDrill(old)).await?;
    assert_eq!(ran.record.reason, reasons::RPO_EXCEEDED, "{ran:#?}");
    let small = VolumeDrill { room_bytes: 1000, ..drill(good) };
    let ran = tenant.run(Work::VolumeDrill(small)).await?;
    assert_eq!(ran.record.reason, reasons::TARGET_TOO_SMALL, "{ran:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_of_a_volume_is_no_restore_point() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let files = Files::new(&bed)?;
    let refused = async |work: Volume, reason: &str| -> Outcome<Ran> {
        let ran = files.save(work).await?;
        assert_eq!((ran.record.reason.as_str(), &ran.record.point), (reason, &None), "{ran:#?}");
        Ok(ran)
    };
    // Nothing is read of it for the manifest: restic itself finds that it can't, and ends with 3.
    let locked = files.folder.join("empty");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000))?;
    let ran = refused(files.work(), reasons::PARTIAL_READ).await?;
    assert!(ran.record.message.contains("restic ended with 3"), "{ran:#?}");
    std::fs::remove_file(&locked)?;

    let before = Some(Size { rows: 81, bytes: 0 });
    refused(Volume { before, ..files.work() }, reasons::SHRUNKEN).await?;
    let before = Some(Size { rows: 0, bytes: 1 << 40 });
    refused(Volume { before, ..files.work() }, reasons::SHRUNKEN).await?;
    let meant = Volume { before, shrink_acknowledged: true, ..files.work() };
    assert!(files.save(meant).await?.record.succeeded);

    std::fs::remove_dir_all(files.folder.join("a"))?;
    refused(files.work(), reasons::EMPTY_SOURCE).await?;
    std::fs::remove_file(files.tenant.secrets.join("volume/time"))?;
    refused(files.work(), reasons::INTERRUPTED).await?;
    Ok(())
}
