//! One zone is away: do its pods find room in the rest? Pure.
//!
//! Yes is said only where the pods were placed one by one, each by the rules that it has, after everybody else's pods
//! from the zone took what room they could want. No is said only where no order of placing could do it. All else is
//! Unknown: priorities, preemption and the scheduler's taste decide then, and those aren't played through.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::census::{Amount, Census, Group};

/// Whether pods would find room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// They would.
    Yes,
    /// Nobody can say; why.
    Unknown(String),
    /// They would not; what is short.
    No(String),
}

/// The worst answer over all zones, by namespace and service.
pub type Fits = BTreeMap<(String, String), Fit>;

/// Plays the loss of each zone through. `key` is the label that names zones.
pub fn fits(census: &Census, key: &str) -> Fits {
    let mut all: Fits = BTreeMap::new();
    for zone in census.values(key) {
        for (service, fit) in without(census, key, &zone) {
            worst(&mut all, service, fit);
        }
    }
    all
}

fn worst(answers: &mut Fits, service: (String, String), fit: Fit) {
    let known = answers.entry(service).or_insert(Fit::Yes);
    if fit > *known {
        *known = fit;
    }
}

/// A node that is left.
#[derive(Clone)]
struct Left<'a> {
    zone: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    free: Amount,
}

/// Pods of a kind that look for a place.
struct Homeless<'a> {
    group: &'a Group,
    count: i128,
}

fn without(census: &Census, key: &str, zone: &str) -> Fits {
    let in_zone = |node: &str| {
        let place = census.places().get(node);
        place.and_then(|place| place.labels.get(key)).is_some_and(|value| value == zone)
    };
    let mut left: Vec<Left<'_>> = census
        .places()
        .iter()
        .filter(|(name, place)| place.open && !in_zone(name))
        .map(|(_, place)| Left {
            zone: place.labels.get(key).map(String::as_str),
            labels: &place.labels,
            free: place.free,
        })
        .collect();
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for (group, nodes) in census.groups() {
        let count = nodes.iter().filter(|(node, _)| in_zone(node)).map(|(_, count)| count).sum();
        let side = if group.spreads_over(key) { &mut ours } else { &mut others };
        if count > 0 {
            side.push(Homeless { group, count });
        }
    }
    if ours.is_empty() {
        return Fits::new();
    }
    let scene = Scene { zone, short: shortage(&left, &ours), before: left.clone() };
    others.sort_by_key(|one| Reverse(one.group.asks));
    others.iter().for_each(|one| evict(&mut left, one));
    let mut counts = counts(census, key, zone);
    ours.sort_by_key(|one| Reverse(one.group.asks));
    let mut answers = Fits::new();
    for one in &ours {
        let service = (one.group.namespace.clone(), one.group.service.clone());
        let count = counts.entry(service.clone()).or_default();
        let fit = judge(&scene, &mut left, one, count);
        worst(&mut answers, service, fit);
    }
    answers
}

/// What was so before anybody moved.
struct Scene<'a> {
    zone: &'a str,
    short: Option<String>,
    before: Vec<Left<'a>>,
}

/// Where no order of placing helps: all that the zone's services ask for is more than all that is free. A pod that
/// spreads over zones goes to no node that names none.
fn shortage(left: &[Left<'_>], ours: &[Homeless<'_>]) -> Option<String> {
    let zoned = left.iter().filter(|one| one.zone.is_some());
    let free = zoned.fold(Amount::default(), |sum, one| sum.plus(none_below_zero(one.free), 1));
    let asked = ours.iter().fold(Amount::default(), |sum, one| sum.plus(one.group.asks, one.count));
    free.lacks(&asked).map(|(name, asked, free)| {
        format!("the pods of all tenants there ask for {asked} {name}, and {free} are free elsewhere")
    })
}

fn none_below_zero(mut amount: Amount) -> Amount {
    amount.resources.iter_mut().for_each(|one| *one = (*one).max(0));
    amount.pods = amount.pods.max(0);
    amount
}

/// Other people's pods from the zone may go where their own rules send them, which aren't looked at: they are placed
/// once in *each* of the zones that are left.
fn evict<'a>(left: &mut [Left<'a>], pods: &Homeless<'_>) {
    let zones: BTreeSet<Option<&str>> = left.iter().map(|one| one.zone).collect();
    for zone in zones {
        for _ in 0..pods.count {
            if !place(left, &pods.group.asks, |one| one.zone == zone) {
                break;
            }
        }
    }
}

/// Puts a pod on the emptiest node that it may go to, as the scheduler's own scoring does.
fn place(left: &mut [Left<'_>], asks: &Amount, may: impl Fn(&Left<'_>) -> bool) -> bool {
    let fitting = left.iter_mut().filter(|one| may(one) && one.free.lacks(asks).is_none());
    let Some(best) = fitting.max_by_key(|one| one.free) else { return false };
    best.free = best.free.plus(*asks, -1);
    true
}

/// The pods of each service in the zones that are left.
fn counts(census: &Census, key: &str, zone: &str) -> BTreeMap<(String, String), BTreeMap<String, i128>> {
    let mut counts: BTreeMap<(String, String), BTreeMap<String, i128>> = BTreeMap::new();
    for (group, nodes) in census.groups().filter(|(group, _)| group.spreads_over(key)) {
        let service = counts.entry((group.namespace.clone(), group.service.clone())).or_default();
        for (node, count) in nodes {
            let place = census.places().get(node);
            let Some(value) = place.and_then(|place| place.labels.get(key)) else { continue };
            if value != zone {
                *service.entry(value.clone()).or_default() += count;
            }
        }
    }
    counts
}

fn judge(
    scene: &Scene<'_>,
    left: &mut [Left<'_>],
    pods: &Homeless<'_>,
    counts: &mut BTreeMap<String, i128>,
) -> Fit {
    let (group, zone) = (pods.group, scene.zone);
    if !group.beyond.is_empty() {
        return Fit::Unknown(format!(
            "whether its pods of zone {zone} would find room elsewhere depends on their {}, which isn't judged",
            group.beyond
        ));
    }
    if let Some(short) = &scene.short {
        return Fit::No(format!("without zone {zone} its pods find no room: {short}"));
    }
    let may = |one: &&Left<'_>| one.zone.is_some() && group.may_run_on(one.labels);
    let mut allowed = scene.before.iter().filter(may).peekable();
    if allowed.peek().is_none() {
        return Fit::No(format!("without zone {zone} no node is left that its pods may run on"));
    }
    if allowed.all(|one| one.free.lacks(&group.asks).is_some()) {
        return Fit::No(format!("without zone {zone} no node is left with room for one of its pods"));
    }
    // Zones that the spread counts: a node that the pod may not use makes none.
    let zones = scene.before.iter().filter(may).filter_map(|one| one.zone);
    let zones: BTreeSet<&str> = zones.collect();
    for index in 0..pods.count {
        if !settle(left, group, counts, &zones) {
            let roomless = pods.count - index;
            return Fit::Unknown(format!(
                "without zone {zone}, {roomless} of its {} pods there may find no room elsewhere",
                pods.count
            ));
        }
    }
    Fit::Yes
}

/// Places one pod within its spread.
fn settle(
    left: &mut [Left<'_>],
    group: &Group,
    counts: &mut BTreeMap<String, i128>,
    zones: &BTreeSet<&str>,
) -> bool {
    let skew = group.skew.as_ref().map_or(i128::MAX, |(_, skew)| *skew);
    let count = |zone: &str| counts.get(zone).copied().unwrap_or_default();
    let least = zones.iter().map(|zone| count(zone)).min().unwrap_or_default();
    let mut order: Vec<(i128, &str)> = zones.iter().map(|zone| (count(zone), *zone)).collect();
    order.sort_unstable();
    let within = order.into_iter().filter(|(count, _)| count - least < skew);
    for (_, zone) in within {
        if place(left, &group.asks, |one| one.zone == Some(zone) && group.may_run_on(one.labels)) {
            *counts.entry(zone.to_owned()).or_default() += 1;
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
