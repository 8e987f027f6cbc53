//! The Secret of a run: made with it, renewed while it goes on, gone with its end.

use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE, ended};
use crate::support::{
    Outcome,
    objects::{name, text, uid},
};

fn data(secret: &Value, key: &str) -> String {
    text(secret, &format!("/data/{key}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_needs_is_there_while_it_goes_on_and_no_longer() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    for tenant in ["held", "kept"] {
        bed.tenant(tenant, &["app"]).await?;
    }
    let (held, kept) = (bed.job("held", "app", |_| true).await?, bed.job("kept", "app", |_| true).await?);
    let paths = [Bed::secret_of(&held), Bed::secret_of(&kept)];
    let mut before = Vec::new();
    for (path, job) in paths.iter().zip([&held, &kept]) {
        let secret = bed.kit.object(path, "made", |_| true).await?;
        assert_eq!(text(&secret, "/metadata/ownerReferences/0/uid"), uid(job));
        for key in ["password", "aws-session-token", "aws-expiration", "connection__PGPASSWORD"] {
            assert!(!data(&secret, key).is_empty(), "{key}");
        }
        before.push(secret);
    }

    // The operator dies, and one of the two was never made; of the other nobody knows how long it is good.
    bed.kit.world.kill_operator();
    bed.kit.delete(&paths[0]).await?;
    bed.kit.world.start_operator(&IMAGE).await?;
    let again = bed.kit.object(&paths[0], "made again", |now| uid(now) != uid(&before[0])).await?;
    assert_eq!(text(&again, "/metadata/ownerReferences/0/uid"), uid(&held));
    assert_eq!(data(&again, "password"), data(&before[0], "password"));
    assert_eq!(data(&again, "connection__PGPASSWORD"), data(&before[0], "connection__PGPASSWORD"));
    // B8: credentials are renewed, and nothing else of it.
    let key = "aws-access-key-id";
    let renewed = bed.kit.object(&paths[1], "renewed", |now| data(now, key) != data(&before[1], key)).await?;
    assert_eq!(uid(&renewed), uid(&before[1]));
    assert_ne!(data(&renewed, "aws-session-token"), data(&before[1], "aws-session-token"));
    for same in ["password", "connection__PGPASSWORD"] {
        assert_eq!(data(&renewed, same), data(&before[1], same), "{same}");
    }

    // The one run ends badly, the other well: neither needs its key any more, and the Jobs stay for people.
    bed.end(&held, ended("Failed", json!({"exitCode": 1, "reason": "Error"}))).await?;
    bed.end(&kept, ended("Succeeded", json!({"exitCode": 0, "reason": "Completed"}))).await?;
    for path in &paths {
        bed.kit.gone(path).await?;
    }
    for (tenant, job) in [("held", &held), ("kept", &kept)] {
        assert_eq!(uid(&bed.job(tenant, "app", |one| one == name(job)).await?), uid(job));
    }
    assert!(!bed.kit.world.logs().contains("canary-database-password"));
    bed.kit.clean_up("held").await?;
    bed.kit.clean_up("kept").await
}
