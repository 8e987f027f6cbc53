//! What callers do with a forge: read, compare, write only what differs.

use tokio::sync::OnceCell;

use super::{
    call::{Ask, Call},
    comment,
    error::ForgeError,
    http::Http,
    tokens::Access,
    types::{Brought, Comment, Forge, Pull, Status, located, standing},
};

/// Most pages of one list.
const PAGES: u32 = 20;

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It wasn't there.
    Created,
    /// It said something else.
    Updated,
    /// It was there already: nothing was written.
    Same,
}

/// One repository on a forge, as somebody.
#[derive(Debug)]
pub struct Client {
    http: Http,
    forge: Box<dyn Forge>,
    authorization: Authorization,
    me: OnceCell<String>,
}

/// A header that `Debug` doesn't print.
struct Authorization(String);

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Client {
    /// A client; makes no call yet.
    pub fn new(http: Http, forge: Box<dyn Forge>, access: Access) -> Self {
        let authorization = Authorization(forge.authorization(access.token.expose()));
        Self { http, forge, authorization, me: OnceCell::new_with(access.me) }
    }

    /// Open pull requests into a branch, by number.
    ///
    /// # Errors
    /// The forge doesn't tell.
    pub async fn open_pulls(&self, branch: &str) -> Result<Vec<Pull>, ForgeError> {
        let right = "read pull requests";
        let mut pulls = self.all(|page| self.forge.open(branch, page), right).await?;
        pulls.retain(|pull| pull.base == branch);
        pulls.sort_by_key(|pull| pull.number);
        Ok(pulls)
    }

    /// The merged pull requests that brought a commit to a branch, with who approved them. Whether that is enough is
    /// for the caller to say: a forge's users are not yet anybody's approvers.
    ///
    /// # Errors
    /// The forge doesn't tell.
    pub async fn brought(&self, branch: &str, commit: &str) -> Result<Vec<Brought>, ForgeError> {
        let right = "read pull requests";
        let found = match self.all(|page| self.forge.brought(commit, page), right).await {
            // Gitea's word for a commit that came without one.
            Err(ForgeError::NotFound { .. }) => Vec::new(),
            other => other?,
        };
        let mut all = Vec::new();
        for pull in found.into_iter().filter(|pull| pull.base == branch) {
            let number = pull.number;
            let mut approvals = standing(&self.all(|page| self.forge.reviews(number, page), right).await?);
            if self.forge.versions(number, 1).is_some() {
                let none = || Ask { call: Call::get(String::new()), read: |_| Some(Vec::new()) };
                let ask = |page| self.forge.versions(number, page).unwrap_or_else(none);
                approvals = located(approvals, &self.all(ask, right).await?);
            }
            all.push(Brought { pull, approvals });
        }
        Ok(all)
    }

    /// Makes sure that our comment on a pull request says this, and that there is only one.
    ///
    /// # Errors
    /// The forge refuses it.
    pub async fn comment(&self, pull: u64, name: &str, plan: &str) -> Result<Wrote, ForgeError> {
        let me = self.me().await?;
        let body = comment::body(name, plan);
        let right = "read and write comments of pull requests";
        let comments: Vec<Comment> = self.all(|page| self.forge.comments(pull, page), right).await?;
        let (id, wrote) = match comment::ours(&comments, name, me) {
            Some(ours) if comment::same(&ours.body, &body) => return Ok(Wrote::Same),
            Some(ours) => (Some(ours.id), Wrote::Updated),
            None => (None, Wrote::Created),
        };
        self.ask(self.forge.comment(pull, id, &body), right).await?;
        Ok(wrote)
    }

    /// Makes sure that a commit has this status.
    ///
    /// # Errors
    /// The forge refuses it.
    pub async fn status(&self, commit: &str, status: &Status) -> Result<Wrote, ForgeError> {
        let right = "read and write commit statuses";
        let known: Vec<Status> =
            self.all(|page| self.forge.statuses(commit, &status.context, page), right).await?;
        let wrote = match known.iter().find(|one| one.context == status.context) {
            Some(known) if known == status => return Ok(Wrote::Same),
            Some(_) => Wrote::Updated,
            None => Wrote::Created,
        };
        match self.ask(self.forge.set_status(commit, status), right).await {
            // GitLab's word for the state that it has already; it keeps the old description.
            Err(ForgeError::Invalid { message, .. }) if message.contains("Cannot transition status") => {
                Ok(Wrote::Same)
            }
            answer => answer.map(|_| wrote),
        }
    }

    /// Our name on the forge.
    async fn me(&self) -> Result<&str, ForgeError> {
        let found = self.me.get_or_try_init(|| async {
            self.ask(self.forge.me(), "read its own user").await.map(|(name, _)| name)
        });
        found.await.map(String::as_str)
    }

    /// Every page of a list.
    async fn all<T>(
        &self,
        ask: impl Fn(u32) -> Ask<Vec<T>>,
        right: &'static str,
    ) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let (items, more) = self.ask(ask(page), right).await?;
            all.extend(items);
            if !more {
                return Ok(all);
            }
        }
        // Half a list would have us write a second comment, or miss who took an approval back.
        let path = ask(1).call.path;
        let path = path.split('?').next().unwrap_or_default();
        let url = format!("{}{path}", self.http.base());
        Err(ForgeError::Unexpected { url, detail: format!("the list has more than {PAGES} pages") })
    }

    /// One call; whether the list goes on.
    async fn ask<T>(&self, ask: Ask<T>, right: &'static str) -> Result<(T, bool), ForgeError> {
        let Ask { call, read } = ask;
        let path = call.path.split('?').next().unwrap_or_default().to_owned();
        let answer = self.http.send(call, &self.authorization.0, right).await?;
        let read = read(&answer.body).ok_or_else(|| ForgeError::Unexpected {
            url: format!("{}{path}", self.http.base()),
            detail: "the answer lacks what its API documents".into(),
        })?;
        Ok((read, answer.more))
    }
}
