//! What a status said while something went wrong, and how long it took to say so.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tenantry_testbed::eventually;

use crate::{
    scenes::Line,
    site::Site,
    support::{
        Outcome, at,
        objects::{condition, text},
    },
};

/// What is followed.
const PROMISES: [&str; 3] = ["Ready", "WorkloadsAvailable", "ZoneSpread"];

/// A condition from some moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub after: Duration,
    pub promise: String,
    pub status: String,
    pub words: String,
}

/// Everything that a Tenant's conditions have said since something happened.
#[derive(Clone, Debug)]
pub struct Story {
    begin: Instant,
    pub said: Vec<Said>,
}

impl Story {
    /// It happens now.
    pub fn begin() -> Self {
        Self { begin: Instant::now(), said: Vec::new() }
    }

    /// How long ago it happened.
    pub fn age(&self) -> Duration {
        self.begin.elapsed()
    }

    fn add(&mut self, tenant: &Value) {
        for promise in PROMISES {
            let found = condition(tenant, promise);
            let (status, words) = (
                text(&found, "/status").to_owned(),
                format!("{}: {}", text(&found, "/reason"), text(&found, "/message")),
            );
            let last = self.said.iter().rfind(|said| said.promise == promise);
            if last.is_none_or(|last| last.status != status || last.words != words) {
                let after = self.begin.elapsed();
                self.said.push(Said { after, promise: promise.into(), status, words });
            }
        }
    }

    /// The first time that a promise was said to be broken.
    pub fn broken(&self, promise: &str) -> Option<&Said> {
        self.said.iter().find(|said| said.promise == promise && said.status == "False")
    }

    /// What was said of a promise last.
    pub fn now(&self, promise: &str) -> Option<&str> {
        self.said.iter().rfind(|said| said.promise == promise).map(|said| said.status.as_str())
    }

    /// Whether a promise was said to be broken in these words.
    pub fn says(&self, promise: &str, words: &str) -> bool {
        let mut broken = self.said.iter().filter(|said| said.promise == promise && said.status == "False");
        broken.any(|said| said.words.contains(words))
    }

    /// When it was said to be kept again, if nothing else was said since.
    pub fn kept_again(&self, promise: &str) -> Option<&Said> {
        let broken = self.broken(promise)?;
        let last = self.said.iter().rfind(|said| said.promise == promise)?;
        (last.status == "True" && last.after > broken.after).then_some(last)
    }

    /// The line of the table: when it was noticed, when it was over, and what was said meanwhile.
    pub fn line(&self, what: &'static str, promise: &str) -> Outcome<Line> {
        let broken = self.broken(promise).ok_or("it was never said to be broken")?;
        let again = self.kept_again(promise).ok_or("it was never said to be kept again")?;
        let said = format!("{promise}=False {}", broken.words);
        Ok(Line { what, noticed: Some(broken.after), recovered: again.after, said })
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Said { after, promise, status, words } in &self.said {
            writeln!(f, "{:6.1} s  {promise}={status} {words}", after.as_secs_f32())?;
        }
        Ok(())
    }
}

impl Site {
    /// Follows a Tenant's conditions until the story is complete; returns it.
    pub async fn follow(
        &self,
        tenant: &str,
        story: Story,
        within: Duration,
        complete: impl Fn(&Story) -> bool,
    ) -> Outcome<Story> {
        let path = at("tenants", "", tenant);
        let story = Mutex::new(story);
        let what = format!("what {tenant} says");
        let waited = eventually(within, &what, || async {
            let now = self.the(&path).await.map_err(|error| error.to_string())?;
            let mut story = story.lock().unwrap_or_else(PoisonError::into_inner);
            story.add(&now);
            if complete(&story) { Ok(()) } else { Err(format!("\n{story}")) }
        });
        waited.await?;
        Ok(story.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
