//! Asks the API server what members may do: SubjectAccessReviews, which nobody keeps.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::runtime::{
    call::{CallError, READ_DEADLINE, deadline},
    metrics::Metrics,
};

use super::questions::{Question, Questions};

/// Time between two calls: at most 20 a second over all Tenants, whatever there is to ask.
const PACE: Duration = Duration::from_millis(50);
/// How often a right is asked for that a member must have: its binding may be a moment old.
const PATIENCE: usize = 40;

/// Keeps all that is asked and tried within its budget.
#[derive(Debug)]
pub struct Pace(Interval);

impl Default for Pace {
    fn default() -> Self {
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(ticks)
    }
}

impl Pace {
    /// Waits until a call may be made.
    pub async fn wait(&mut self) {
        self.0.tick().await;
    }
}

/// The answers, in the order of the questions.
///
/// # Errors
/// One of them can't be had.
pub async fn ask(
    client: &Client,
    questions: &Questions,
    pace: &mut Pace,
    metrics: &Metrics,
) -> Result<Vec<bool>, CallError> {
    let mut answers = Vec::new();
    for question in questions.all() {
        let mut answer = one(client, questions, &question, pace, metrics).await?;
        let mut left = if question.wanted { PATIENCE } else { 0 };
        while answer != question.wanted && left > 0 {
            answer = one(client, questions, &question, pace, metrics).await?;
            left -= 1;
        }
        answers.push(answer);
    }
    Ok(answers)
}

async fn one(
    client: &Client,
    questions: &Questions,
    question: &Question,
    pace: &mut Pace,
    metrics: &Metrics,
) -> Result<bool, CallError> {
    pace.wait().await;
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer =
        deadline(READ_DEADLINE, api.create(&PostParams::default(), &review(questions, question))).await;
    let label = answer.as_ref().map_or_else(CallError::label, |_| "answered");
    metrics.isolation_trial("review", label);
    let status = answer?.status.unwrap_or_default();
    // A binding to a role that isn't there gives nothing; any other doubt is one.
    let doubt = status.evaluation_error.filter(|error| !status.allowed && !error.contains("not found"));
    match doubt {
        Some(doubt) => Err(CallError::Invalid(format!("the authorizer is in doubt: {doubt}"))),
        None => Ok(status.allowed),
    }
}

fn review(questions: &Questions, question: &Question) -> SubjectAccessReview {
    let (user, groups) = questions.who[question.who].identity();
    let (verb, group, resource, subresource) = question.deed;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // Namespaces are of the cluster, and named; the API server asks for both.
    let name = (resource == "namespaces").then(|| question.namespace.clone());
    let attributes = ResourceAttributes {
        group: some(group),
        name,
        namespace: some(&question.namespace),
        resource: some(resource),
        subresource: some(subresource),
        verb: some(verb),
        version: some("*"),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(user),
        groups: Some(groups),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}
