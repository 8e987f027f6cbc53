//! SIGKILL at random moments.

use crate::{
    alone,
    support::{Outcome, crash},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_it_loses_nothing_and_leaves_nothing() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    kit.world.stop_operator();
    // Another seed a day: what a fixed one never meets, some day's will; the message names it.
    let seed = u64::try_from(jiff::Timestamp::now().as_second() / 86_400)?;
    let report = crash::run(kit.world, 25, 3, seed).await?;
    eprintln!("{} kills in {:.0} s, {} deletions", report.kills, report.seconds, report.deletions);
    assert!(report.is_clean(), "seed {seed}: {report:#?}");
    // How many a killed operator got to depends on the machine; none would mean that nothing was tried.
    assert!(report.deletions > 0, "specs never shrank");
    for tenant in ["crash-0", "crash-1", "crash-2"] {
        kit.clean_up(tenant).await?;
    }
    Ok(())
}
