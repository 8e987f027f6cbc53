//! What a process costs: API calls, CPU, memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_testbed::Operator;

use crate::Outcome;

/// What the operator has used up at some moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    calls: BTreeMap<String, u64>,
    cpu: f64,
}

/// Verbs that change the cluster.
const WRITES: [&str; 6] = ["apply", "patch", "create", "update", "delete", "delete_collection"];

impl Sample {
    /// Takes one from its metrics and from the kernel.
    pub async fn take(operator: &Operator) -> Outcome<Self> {
        let page = operator.metrics().await?;
        let mut calls = BTreeMap::new();
        for line in page.lines().filter(|line| line.starts_with("tenantry_api_calls_total{")) {
            let verb = line.split("verb=\"").nth(1).and_then(|rest| rest.split('"').next());
            let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
            if let (Some(verb), Some(count)) = (verb, count) {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let count = count as u64;
                *calls.entry(verb.to_owned()).or_default() += count;
            }
        }
        Ok(Self { calls, cpu: cpu_seconds(operator.id()) })
    }

    /// What was used since an earlier sample.
    pub fn since(&self, before: &Self) -> Self {
        let used = |(verb, count): (&String, &u64)| {
            let used = count - before.calls.get(verb).copied().unwrap_or_default();
            (verb.clone(), used)
        };
        Self {
            calls: self.calls.iter().map(used).filter(|one| one.1 > 0).collect(),
            cpu: self.cpu - before.cpu,
        }
    }

    /// Calls that change the cluster.
    pub fn writes(&self) -> u64 {
        self.calls.iter().filter(|(verb, _)| WRITES.contains(&verb.as_str())).map(|(_, count)| count).sum()
    }

    /// Calls with one verb.
    pub fn of(&self, verb: &str) -> u64 {
        self.calls.get(verb).copied().unwrap_or_default()
    }

    /// Seconds of CPU.
    pub fn cpu(&self) -> f64 {
        self.cpu
    }

    /// For the report.
    pub fn json(&self) -> Value {
        json!({"calls": self.calls, "cpuSeconds": self.cpu})
    }
}

/// User and system time of a process and of its ended children.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // utime, stime, cutime, cstime in hundredths of a second
    [11, 12, 13, 14].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Memory that a process holds now, and the most it ever held, in MiB.
pub fn memory_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}
