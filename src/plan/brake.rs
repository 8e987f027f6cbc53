//! The brake: does a plan do more at once than its Platform lets pass without a word.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    api::{
        brake::{Brake, EffectKind},
        conditions::reasons,
        marks,
    },
    desired::meta::short_hash,
};

use super::types::{Effect, Plan};

/// A plan that is not applied before somebody acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The Platform whose brake it is.
    pub platform: String,
    /// Reason constant.
    pub reason: &'static str,
    /// Each limit that is passed, in words.
    pub over: Vec<String>,
    /// Everything that would happen, in the order of [`EffectKind::ALL`].
    pub effects: Vec<Effect>,
    /// Digest of these effects: whoever acknowledges them acknowledges no others.
    pub hash: String,
}

impl Held {
    /// What is held back and why, for a condition: `31 effects in all, and the brake lets 20 pass; …`.
    pub fn message(&self) -> String {
        self.over.join("; ")
    }

    /// The line that lets exactly this commit pass, as long as it does exactly this.
    pub fn acknowledge(&self, commit: &str) -> String {
        acknowledge(&self.platform, &format!("{commit}@{}", self.hash))
    }

    /// Whether what somebody acknowledged is this commit, doing this.
    pub fn released(&self, said: &Acknowledged<'_>, commit: &str) -> bool {
        said.commit == commit && said.hash == Some(&self.hash)
    }

    /// What would happen, kind by kind, each with the first few Tenants: `2 suspensions (acme, globex)`.
    pub fn summary(&self) -> String {
        let of = |kind: EffectKind| {
            let effects: Vec<&Effect> = self.effects.iter().filter(|one| one.kind == kind).collect();
            let tenants: BTreeSet<&str> = effects.iter().map(|one| one.tenant.as_str()).collect();
            let named: Vec<&str> = tenants.iter().take(NAMED).copied().collect();
            let more = if tenants.len() > NAMED { ", …" } else { "" };
            let words = kind.counted(effects.len() != 1);
            (!effects.is_empty()).then(|| format!("{} {words} ({}{more})", effects.len(), named.join(", ")))
        };
        EffectKind::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
    }
}

/// Most Tenants that a summary names for each kind of effect.
const NAMED: usize = 5;

/// The line that lets something of a Platform's source pass: a full commit id, or one with the digest of what
/// it does.
pub fn acknowledge(platform: &str, what: &str) -> String {
    format!("kubectl annotate --overwrite platform {platform} {}={what}", marks::ACKNOWLEDGE)
}

/// What `tenantry.dev/acknowledge` says: `<full commit id>` lets a commit pass that doesn't continue what was
/// accepted, `<full commit id>@<hash>` also lets it do what has this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged<'a> {
    /// The commit.
    pub commit: &'a str,
    /// Digest of the effects that somebody has seen.
    pub hash: Option<&'a str>,
}

impl<'a> Acknowledged<'a> {
    /// Takes the annotation apart.
    pub fn read(text: &'a str) -> Self {
        match text.trim().split_once('@') {
            Some((commit, hash)) => Self { commit, hash: Some(hash) },
            None => Self { commit: text.trim(), hash: None },
        }
    }
}

/// Judges what a plan does to the Tenants of one Platform. `total` is how many Tenants the Platform has;
/// 0 where nobody knows: then shares are not judged.
///
/// # Errors
/// The plan does more than the brake lets pass.
pub fn judge(plan: &Plan, platform: &str, brake: &Brake, total: usize) -> Result<(), Held> {
    let effects = plan.effects(platform);
    let over = over(&effects, brake, total);
    if over.is_empty() {
        return Ok(());
    }
    let mut effects = effects;
    let place = |kind| EffectKind::ALL.iter().position(|one| *one == kind);
    effects.sort_by_key(|effect| (place(effect.kind), effect.tenant.clone(), effect.detail.clone()));
    let hash = digest(&effects);
    Err(Held { platform: platform.to_owned(), reason: reasons::BRAKE_APPLIED, over, effects, hash })
}

/// Which effects there are, and nothing else: offline and in the cluster the same commit has the same digest
/// as long as it does the same to what runs.
fn digest(effects: &[Effect]) -> String {
    let text = serde_json::to_string(effects).unwrap_or_default();
    short_hash(text.as_bytes(), 24)
}

/// Each limit that these effects pass. More effects never pass fewer limits.
fn over(effects: &[Effect], brake: &Brake, total: usize) -> Vec<String> {
    let mut over = Vec::new();
    let own = |kind: EffectKind| brake.effects.iter().find(|limit| limit.kind == kind);
    let together = |one: &&Effect| {
        one.kind != EffectKind::TenantTouched && own(one.kind).is_none_or(|limit| limit.max_effects.is_none())
    };
    let counted = effects.iter().filter(together).count();
    if exceeds(counted, brake.max_effects) {
        let words = if counted == 1 { "effect" } else { "effects" };
        over.push(format!("{counted} {words} in all, and the brake lets {} pass", brake.max_effects));
    }
    let mut shares: Vec<(EffectKind, u32)> =
        brake.effects.iter().filter_map(|limit| Some((limit.kind, limit.max_percent?))).collect();
    if !shares.iter().any(|(kind, _)| *kind == EffectKind::TenantTouched) {
        shares.push((EffectKind::TenantTouched, brake.max_percent));
    }
    for limit in &brake.effects {
        let count = effects.iter().filter(|effect| effect.kind == limit.kind).count();
        if let Some(most) = limit.max_effects.filter(|most| exceeds(count, *most)) {
            let words = limit.kind.counted(count != 1);
            over.push(format!("{count} {words}, and the brake lets {most} pass"));
        }
    }
    for (kind, most) in shares {
        let of_kind = effects.iter().filter(|effect| effect.kind == kind);
        let tenants = of_kind.map(|effect| &effect.tenant).collect::<BTreeSet<_>>().len();
        if tenants > 1 && total > 0 && tenants * 100 > total * usize::try_from(most).unwrap_or(100) {
            let words = if kind == EffectKind::TenantTouched {
                "touched".to_owned()
            } else {
                format!("with {}", kind.counted(true))
            };
            over.push(format!("{tenants} of {total} Tenants {words}, and the brake lets {most} % pass"));
        }
    }
    over
}

fn exceeds(count: usize, most: u32) -> bool {
    usize::try_from(most).is_ok_and(|most| count > most)
}

#[cfg(test)]
mod tests {
    use super::super::{tenant::untouched, types::Change};
    use super::*;
    use crate::api::brake::EffectLimit;

    /// A plan in which each Tenant has these effects.
    fn plan(tenants: usize, kinds: &[EffectKind]) -> Plan {
        let tenant = |index: usize| {
            let name = format!("t{index:04}");
            let effect =
                |kind: &EffectKind| Effect { kind: *kind, tenant: name.clone(), detail: String::new() };
            super::super::TenantPlan {
                platform: "prod".into(),
                effects: kinds.iter().map(effect).collect(),
                ..untouched(&name, Change::Changed)
            }
        };
        Plan { tenants: (0..tenants).map(tenant).collect(), ..Plan::default() }
    }

    const RESTART: [EffectKind; 2] = [EffectKind::TenantTouched, EffectKind::ServiceRestarted];

    #[test]
    fn so_many_pass_and_one_more_does_not() {
        let brake = Brake::default();
        let over = |tenants| judge(&plan(tenants, &RESTART), "prod", &brake, 1000).err();
        assert_eq!(over(20), None);
        let held = over(21).expect("held");
        assert_eq!(held.reason, "BrakeApplied");
        assert_eq!(held.message(), "21 effects in all, and the brake lets 20 pass");
        assert_eq!(
            held.acknowledge("abc"),
            format!("kubectl annotate --overwrite platform prod tenantry.dev/acknowledge=abc@{}", held.hash)
        );
        assert_eq!(
            held.summary(),
            "21 restarts (t0000, t0001, t0002, t0003, t0004, …), 21 Tenants touched (t0000, t0001, t0002, t0003, t0004, …)"
        );
        assert!(
            held.effects.is_sorted_by_key(|one| EffectKind::ALL.iter().position(|kind| *kind == one.kind))
        );
        assert_eq!(judge(&plan(21, &RESTART), "staging", &brake, 1000), Ok(()), "another Platform's Tenants");
    }

    #[test]
    fn an_acknowledgement_is_of_one_commit_that_does_one_thing() {
        let held =
            |tenants| judge(&plan(tenants, &RESTART), "prod", &Brake::default(), 100).expect_err("held");
        let one = held(30);
        let said = format!("abc@{}", one.hash);
        assert!(one.released(&Acknowledged::read(&said), "abc"));
        assert!(one.released(&Acknowledged::read(&format!(" {said}\n")), "abc"));
        assert!(!one.released(&Acknowledged::read(&said), "abd"), "another commit");
        assert!(!held(31).released(&Acknowledged::read(&said), "abc"), "it does more than was seen");
        assert!(
            !one.released(&Acknowledged::read("abc"), "abc"),
            "a commit alone says nothing of what it does"
        );
        assert!(!one.released(&Acknowledged::read("abc@"), "abc"));
    }

    #[test]
    fn a_share_counts_from_the_second_tenant_on() {
        let brake = Brake { max_effects: 1000, ..Brake::default() };
        let over = |tenants, total| judge(&plan(tenants, &RESTART), "prod", &brake, total).is_err();
        assert!(!over(1, 1) && !over(1, 2), "one Tenant alone");
        assert!(over(2, 3) && !over(2, 8) && over(3, 8));
        assert!(!over(9, 0), "nobody knows how many there are");
        let never = Brake { max_percent: 100, ..brake };
        assert_eq!(judge(&plan(9, &RESTART), "prod", &never, 9), Ok(()));
    }

    #[test]
    fn a_kind_with_a_limit_of_its_own_counts_by_that_alone() {
        let limit =
            |kind, max_effects| EffectLimit { kind, max_effects: Some(max_effects), max_percent: None };
        let brake = Brake {
            effects: vec![limit(EffectKind::TenantCancelled, 0), limit(EffectKind::ServiceRestarted, 500)],
            ..Brake::default()
        };
        assert_eq!(judge(&plan(400, &RESTART), "prod", &brake, 10_000), Ok(()));
        let held = judge(&plan(1, &[EffectKind::TenantCancelled]), "prod", &brake, 10_000).expect_err("held");
        assert_eq!(held.message(), "1 cancellation, and the brake lets 0 pass");
    }
}
