//! Answers → what is proven, and for how long. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::api::{
    conditions::{ConditionStatus, reasons},
    tenant_status::ProofStatus,
};

use super::questions::{Question, Questions};

/// Evidence that is older proves nothing any more.
pub const LIMIT: SignedDuration = SignedDuration::from_hours(12);

/// Wrong answers that a message names.
const NAMED: usize = 3;

/// What came of trying something that must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It was refused, by whom it must be.
    Refused,
    /// It would have been done.
    Done,
    /// Something else happened; in the API server's words.
    Unclear(String),
}

/// A refusal by Pod Security itself; a quota or another guard proves nothing about it.
pub fn by_pod_security(answer: Result<(), String>) -> Trial {
    refused(answer, |words| words.contains("violates PodSecurity"))
}

/// A refusal by this guard policy of ours.
pub fn by_guard(answer: Result<(), String>, policy: &str) -> Trial {
    refused(answer, |words| words.contains(&format!("ValidatingAdmissionPolicy '{policy}'")))
}

fn refused(answer: Result<(), String>, right: impl Fn(&str) -> bool) -> Trial {
    match answer {
        Ok(()) => Trial::Done,
        Err(words) if right(&words) => Trial::Refused,
        Err(words) => Trial::Unclear(words),
    }
}

/// Everything that was found out about one Tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The answers, in the order of the questions; an error where one can't be had.
    pub answers: Result<Vec<bool>, String>,
    /// A privileged pod.
    pub privileged_pod: Trial,
    /// Another Pod Security level on the namespace.
    pub level: Trial,
    /// Another Tenant's name on the namespace.
    pub marks: Trial,
}

/// A verdict on the way: what is wrong goes before what isn't known.
struct Says {
    outcome: ConditionStatus,
    reason: &'static str,
    message: String,
}

impl Says {
    fn broken(reason: &'static str, message: String) -> Option<Self> {
        Some(Self { outcome: ConditionStatus::False, reason, message })
    }

    fn open(reason: &'static str, message: String) -> Option<Self> {
        Some(Self { outcome: ConditionStatus::Unknown, reason, message })
    }
}

/// What is proven about a Tenant now.
pub fn proof(questions: &Questions, subject: String, found: &Found, now: Timestamp) -> ProofStatus {
    let says = [
        access(questions, &found.answers),
        pod_security(questions, &found.privileged_pod),
        guards(questions, &found.level, "its Pod Security level"),
        guards(questions, &found.marks, "the label that names its Tenant"),
    ];
    let mut says: Vec<Says> = says.into_iter().flatten().collect();
    let first = |one: &Says| one.outcome != ConditionStatus::False;
    says.sort_by_key(first);
    let says = says.into_iter().next().unwrap_or_else(|| Says {
        outcome: ConditionStatus::True,
        reason: reasons::SUCCEEDED,
        message: covered(questions),
    });
    ProofStatus {
        at: Timestamp::from_second(now.as_second()).unwrap_or(now).to_string(),
        subject,
        asked: questions.asked(),
        outcome: says.outcome,
        reason: says.reason.to_owned(),
        message: says.message.chars().take(1000).collect(),
    }
}

/// What the evidence covers.
fn covered(questions: &Questions) -> String {
    let (all, canary) = (questions.all().len(), questions.canaries.iter().flatten().next());
    let beyond = match canary {
        Some(canary) => format!("its own namespace, {canary} and the cluster"),
        None => "its own namespace and the cluster; there is no other Tenant to look into".to_owned(),
    };
    format!("{all} access reviews over {beyond}; Pod Security and the guards refuse what they must")
}

fn access(questions: &Questions, answers: &Result<Vec<bool>, String>) -> Option<Says> {
    let asked = questions.all();
    let answers = match answers {
        Ok(answers) if answers.len() == asked.len() => answers,
        Ok(_) => {
            return Says::open(reasons::REVIEW_FAILED, "not every access review was answered".to_owned());
        }
        Err(why) => {
            return Says::open(
                reasons::REVIEW_FAILED,
                format!(
                    "what members may do can't be asked: {why}; kubectl auth can-i create subjectaccessreviews must say yes for the operator"
                ),
            );
        }
    };
    let wrong = |wanted: bool| {
        let pairs = asked.iter().zip(answers);
        pairs
            .filter(move |(question, answer)| question.wanted == wanted && **answer != wanted)
            .map(|(one, _)| one)
    };
    let says = |question: &Question| format!("{} may {}", questions.who[question.who], question.words());
    let wide: Vec<&Question> = wrong(false).collect();
    if let Some(first) = wide.first() {
        let named: Vec<String> = wide.iter().take(NAMED).map(|question| says(question)).collect();
        let more = match wide.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let (user, groups) = questions.who[first.who].identity();
        let groups: Vec<String> = groups.iter().map(|group| format!(" --as-group='{group}'")).collect();
        let place = if first.namespace.is_empty() { "default" } else { &first.namespace };
        let message = format!(
            "{}{more}: a binding that Tenantry did not make gives it; kubectl auth can-i --list -n {place} --as='{user}'{} shows the rights: take the binding away",
            named.join(", "),
            groups.concat()
        );
        return Says::broken(reasons::ACCESS_TOO_WIDE, message);
    }
    let narrow = wrong(true).next()?;
    let message = format!(
        "{} may not {}, which its role is there for: what else it may not do proves nothing; apply manifests/install/members.yaml again",
        questions.who[narrow.who],
        narrow.words()
    );
    Says::open(reasons::REVIEW_FAILED, message)
}

fn pod_security(questions: &Questions, trial: &Trial) -> Option<Says> {
    let place = &questions.namespace;
    match trial {
        Trial::Refused => None,
        Trial::Done => Says::broken(
            reasons::POD_SECURITY_NOT_ENFORCED,
            format!(
                "a privileged pod would run in {place}: switch the PodSecurity admission plugin on, and exempt no namespace of a tenant"
            ),
        ),
        Trial::Unclear(words) => Says::open(
            reasons::TRIAL_FAILED,
            format!("whether Pod Security refuses a privileged pod in {place} can't be tried: {words}"),
        ),
    }
}

fn guards(questions: &Questions, trial: &Trial, what: &str) -> Option<Says> {
    let place = &questions.namespace;
    match trial {
        Trial::Refused => None,
        Trial::Done => Says::broken(
            reasons::GUARDS_MISSING,
            format!(
                "whoever may write namespace {place} could change {what}: apply manifests/install/guards.yaml again"
            ),
        ),
        Trial::Unclear(words) => Says::open(
            reasons::TRIAL_FAILED,
            format!("whether the guards keep {what} on namespace {place} can't be tried: {words}"),
        ),
    }
}

/// Whether evidence still speaks of this subject, and is young enough.
pub fn is_valid(proof: &ProofStatus, subject: &str, now: Timestamp) -> bool {
    proof.subject == subject && age(proof, now).is_some_and(|age| age <= LIMIT)
}

/// How old evidence is; `None` where it is from the future, by more than a clock's error: clocks lie.
pub fn age(proof: &ProofStatus, now: Timestamp) -> Option<SignedDuration> {
    let at: Timestamp = proof.at.parse().ok()?;
    let age = now.duration_since(at);
    (age > SignedDuration::from_mins(-5)).then_some(age)
}

#[cfg(test)]
mod tests;
