//! The audit log: agents are heard, and the Platform says whether it is complete.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    audit::complete::judge::{judge, unheard},
    observe::audit,
    status::audit::Report,
};

use super::context::Context;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(15);
/// Time between two writes of figures; what is true or not is written at once.
const FIGURES: SignedDuration = SignedDuration::from_mins(5);

/// Listens until it is dropped.
pub async fn run(ctx: Context) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: HashMap<String, Report> = HashMap::new();
    loop {
        ticks.tick().await;
        let platforms = ctx.world().platforms();
        for platform in platforms {
            let name = platform.metadata.name.clone().unwrap_or_default();
            let Some(asked) = &platform.spec.audit else {
                told.remove(&name);
                ctx.board().audits.remove(&name);
                continue;
            };
            let heard = audit::agents(&ctx.client, &ctx.namespace, &asked.agents).await;
            let now = Timestamp::now();
            let report = match heard {
                Ok(agents) => Report { verdict: judge(&agents, now), agents, at: now },
                Err(error) => {
                    warn!(%error, platform = name, "what audit agents say can't be read");
                    Report { verdict: unheard(&error.to_string()), agents: Vec::new(), at: now }
                }
            };
            let same = told.get(&name).is_some_and(|before| {
                before.verdict == report.verdict && now.duration_since(before.at) < FIGURES
            });
            if !same {
                told.insert(name.clone(), report.clone());
                ctx.board().audits.insert(name.clone(), report);
                ctx.platforms.add(name);
            }
        }
    }
}
