//! Asks the repository, and reads what changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tracing::warn;

use crate::{
    api::{Platform, conditions::reasons, finding::Finding, platform::GitSource, quantity::Quantity},
    observe::secrets,
    source::{
        self, CommitId, CommitInfo, Credentials, Door, Limits, Reference, Sandbox, Secret, Settings,
        Snapshot, SourceError,
    },
    validate::{
        cross::through_door,
        manifest::{self, Manifests, Schemas},
        set::{Set, set},
    },
};

use super::{
    super::context::Context,
    brake,
    gate::{self, blocking},
    hold::Hold,
};

/// Longest time for one resolve or one fetch.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a Secret is for, in errors.
const CREDENTIALS: &str = "credentials";
const CA: &str = "CA certificates";

/// What is known of the commits that files name.
type Commits = HashMap<CommitId, Arc<CommitInfo>>;

/// Files that were read: blob and content, by path.
pub(super) type Parsed = HashMap<String, (String, Manifests)>;

/// What is known of the repository.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The newest revision that is known, accepted or held.
    pub(super) head: Option<CommitId>,
    /// Why the head isn't taken over.
    pub(super) hold: Option<Hold>,
    /// The last accepted revision.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) settings: Option<Settings>,
    parsed: Arc<Parsed>,
    commits: Commits,
}

/// What a look at the network brought.
#[derive(Debug)]
pub(super) struct Found {
    settings: Settings,
    head: CommitId,
    hold: Option<Hold>,
    /// The new revision; `None` when there is none.
    snapshot: Option<Snapshot>,
    commits: Commits,
    /// Files whose content changed: path, blob, content.
    parsed: Vec<(String, String, Manifests)>,
}

/// Looks for a new revision, and reads it. Touches nothing that the loop remembers, so that a slow server
/// holds up nothing else.
pub(super) async fn look(ctx: Context, platform: Arc<Platform>, before: Seen) -> Result<Found, SourceError> {
    let settings = settings(&ctx, &platform).await?;
    let head = source::resolve(&settings).await?;
    ctx.metrics.sandbox(match source::sandbox() {
        Sandbox::Landlock(_) => "full",
        Sandbox::None => "none",
        Sandbox::Unknown => "unknown",
    });
    if before.snapshot.as_ref().is_some_and(|snapshot| snapshot.revision == head) {
        return Ok(unchanged(settings, head, None, before));
    }
    let accepted = before.accepted(&platform);
    let head = bring(&settings, head, accepted, before.hold.as_ref()).await?;
    let hold = match gate::pass(&ctx, &platform, &settings, accepted, head).await? {
        Some(hold) => hold,
        None => {
            let known = Arc::clone(&before.parsed);
            let found = read(ctx.clone(), settings.clone(), head, before.clone()).await?;
            match brake::pass(&ctx, &platform, accepted, &known, &found).await? {
                Some(hold) => hold,
                None => return Ok(found),
            }
        }
    };
    // What was accepted is read again after a restart: it has to be healed while the head is held.
    let missing = accepted.filter(|_| before.snapshot.is_none());
    let Some(accepted) = missing else { return Ok(unchanged(settings, head, Some(hold), before)) };
    let content = match last_good(&settings, accepted).await {
        Ok(()) => read(ctx, settings.clone(), accepted, Seen::default()).await,
        Err(error) => Err(error),
    };
    match content {
        Ok(found) => Ok(Found { head, hold: Some(hold), ..found }),
        Err(error) => {
            warn!(%error, revision = %accepted, "the last accepted revision can't be read: its Tenants stay, and aren't healed");
            Ok(unchanged(settings, head, Some(hold), before))
        }
    }
}

/// Brings a head with the history since the accepted revision; one that is held and here isn't fetched again.
async fn bring(
    settings: &Settings,
    head: CommitId,
    accepted: Option<CommitId>,
    hold: Option<&Hold>,
) -> Result<CommitId, SourceError> {
    let judged = hold.is_some_and(|hold| hold.commit == head && hold.reason != reasons::HISTORY_INCOMPLETE);
    if judged && blocking(settings, move |settings| source::holds(settings, &head)).await? {
        return Ok(head);
    }
    Ok(source::fetch_since(settings, &head, accepted).await?.commit)
}

/// Makes sure that the accepted revision is here: a branch that was rewritten doesn't bring it.
async fn last_good(settings: &Settings, accepted: CommitId) -> Result<(), SourceError> {
    if blocking(settings, move |settings| source::holds(settings, &accepted)).await? {
        return Ok(());
    }
    let pinned = Settings { reference: Reference::Commit(accepted.to_string()), ..settings.clone() };
    source::fetch(&pinned, &accepted).await.map(drop)
}

fn unchanged(settings: Settings, head: CommitId, hold: Option<Hold>, before: Seen) -> Found {
    Found { settings, head, hold, snapshot: None, commits: before.commits, parsed: Vec::new() }
}

/// Reads an accepted revision.
async fn read(
    ctx: Context,
    settings: Settings,
    revision: CommitId,
    before: Seen,
) -> Result<Found, SourceError> {
    let snapshot = source::snapshot(&settings, &revision, before.snapshot).await?;
    // Thousands of files take a while. Never on a worker thread, and never by block_in_place: the fetch
    // process dies with the thread that started it.
    let found = blocking(&settings, move |settings| {
        let commits = commits(settings, &snapshot, &before.commits);
        let parsed = parse(&ctx.schemas, &snapshot, &before.parsed);
        Ok((snapshot, commits, parsed))
    });
    let (snapshot, commits, parsed) = found.await?;
    Ok(Found { settings, head: revision, hold: None, snapshot: Some(snapshot), commits, parsed })
}

/// Parses the files whose content changed.
fn parse(schemas: &Schemas, snapshot: &Snapshot, known: &Parsed) -> Vec<(String, String, Manifests)> {
    let changed = snapshot
        .files
        .iter()
        .filter(|(path, file)| known.get(*path).map(|(blob, _)| blob) != Some(&file.blob));
    let one = |(path, file): (&String, &source::File)| {
        let mut found = manifest::read(path, &file.bytes, schemas);
        through_door(&mut found, file.door == Door::Platform);
        (path.clone(), file.blob.clone(), found)
    };
    changed.map(one).collect()
}

/// What the last look saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    snapshot: Option<Arc<Snapshot>>,
    commits: Commits,
    parsed: Arc<Parsed>,
    hold: Option<Hold>,
}

impl Seen {
    /// The last revision that came through the gate: as remembered, or as the status says after a restart.
    fn accepted(&self, platform: &Platform) -> Option<CommitId> {
        let remembered = self.snapshot.as_ref().map(|snapshot| snapshot.revision);
        let said = || {
            let status = platform.status.as_ref()?.source.as_ref()?;
            // A status of an older version has no `accepted`.
            [&status.accepted, &status.applied].into_iter().find_map(|id| id.parse().ok())
        };
        remembered.or_else(said)
    }
}

impl Found {
    /// The revision that was read.
    pub(super) fn head(&self) -> CommitId {
        self.head
    }

    /// Where the repository is.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What its files declare, and what those that were read before declare.
    pub(super) fn sets(&self, known: &Parsed) -> (Set, Option<Set>) {
        let news: HashMap<&str, &Manifests> =
            self.parsed.iter().map(|(path, _, found)| (path.as_str(), found)).collect();
        let files = self.snapshot.iter().flat_map(|snapshot| snapshot.files.keys());
        let content =
            |path: &str| news.get(path).copied().or_else(|| known.get(path).map(|(_, found)| found));
        let head = together(files.filter_map(|path| Some((path, content(path)?))));
        let before = || together(known.iter().map(|(path, (_, found))| (path, found)));
        (head, (!known.is_empty()).then(before))
    }
}

impl Look {
    /// What the next look goes on from.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            snapshot: self.snapshot.clone(),
            commits: self.commits.clone(),
            parsed: Arc::clone(&self.parsed),
            hold: self.hold.clone(),
        }
    }

    /// Takes what a look brought. Returns whether there was a new revision.
    pub(super) fn take(&mut self, found: Found) -> bool {
        self.settings = Some(found.settings);
        self.commits = found.commits;
        self.head = Some(found.head);
        self.hold = found.hold;
        let Some(snapshot) = found.snapshot else { return false };
        let parsed = Arc::make_mut(&mut self.parsed);
        parsed.retain(|path, _| snapshot.files.contains_key(path));
        parsed.extend(found.parsed.into_iter().map(|(path, blob, found)| (path, (blob, found))));
        self.snapshot = Some(Arc::new(snapshot));
        true
    }

    /// What all files together declare.
    pub(super) fn set(&self) -> Set {
        together(self.parsed.iter().map(|(path, (_, found))| (path, found)))
    }

    /// What the repository itself has against its files: links, sizes, names.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.snapshot.as_ref().map(|snapshot| snapshot.findings.clone()).unwrap_or_default()
    }

    /// How many files were read.
    pub(super) fn files(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.files.len())
    }

    /// The commit that last changed a file, and what it says.
    pub(super) fn commit(&self, path: &str) -> Option<(CommitId, Option<Arc<CommitInfo>>)> {
        let commit = self.snapshot.as_ref()?.files.get(path)?.commit;
        Some((commit, self.commits.get(&commit).cloned()))
    }
}

/// What files together declare, in the order of their paths.
fn together<'a>(files: impl Iterator<Item = (&'a String, &'a Manifests)>) -> Set {
    let sorted: BTreeMap<&String, &Manifests> = files.collect();
    set(sorted.into_values().cloned().collect())
}

/// What the commits say that files name.
fn commits(settings: &Settings, snapshot: &Snapshot, known: &Commits) -> Commits {
    let mut commits = HashMap::new();
    for id in snapshot.files.values().map(|file| file.commit) {
        if commits.contains_key(&id) {
            continue;
        }
        let info = known.get(&id).cloned();
        let info = info.or_else(|| source::commit_info(settings, &id).ok().map(Arc::new));
        commits.extend(info.map(|info| (id, info)));
    }
    commits
}

/// The Platform's source with its Secrets read.
async fn settings(ctx: &Context, platform: &Platform) -> Result<Settings, SourceError> {
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    let Some(source) = &platform.spec.source else {
        return Err(SourceError::InvalidReference {
            reference: String::new(),
            problem: "there is no source",
        });
    };
    let git = &source.git;
    let credentials = match &git.credentials {
        Some(secret) => Some(credentials(ctx, &secret.name).await?),
        None => None,
    };
    let ca_pem = match &git.ca {
        Some(secret) => Some(value(ctx, &secret.name, "ca.crt").await?),
        None => None,
    };
    Ok(Settings {
        url: git.url.clone(),
        reference: reference(git),
        path: git.path.clone().unwrap_or_default(),
        platform_path: git.platform_path.clone(),
        credentials,
        ca_pem,
        limits: limits(git),
        deadline: DEADLINE,
        repository: ctx.sources().join(name),
        program: None,
    })
}

fn reference(git: &GitSource) -> Reference {
    match (&git.commit, &git.tag, &git.branch) {
        (Some(commit), ..) => Reference::Commit(commit.clone()),
        (None, Some(tag), _) => Reference::Tag(tag.clone()),
        (None, None, branch) => Reference::Branch(branch.clone().unwrap_or_else(|| "main".to_owned())),
    }
}

fn limits(git: &GitSource) -> Limits {
    let bytes = |quantity: &Quantity, default: u64| {
        let milli = quantity.milli().map(|milli| milli.0 / 1000).unwrap_or_default();
        u64::try_from(milli).ok().filter(|bytes| *bytes > 0).unwrap_or(default)
    };
    let defaults = Limits::default();
    Limits {
        repository_bytes: bytes(&git.limits.repository_bytes, defaults.repository_bytes),
        file_bytes: bytes(&git.limits.file_bytes, defaults.file_bytes),
        files: usize::try_from(git.limits.files).unwrap_or(defaults.files),
        depth: usize::try_from(git.limits.depth).unwrap_or(defaults.depth),
        ..defaults
    }
}

async fn credentials(ctx: &Context, name: &str) -> Result<Credentials, SourceError> {
    let values = texts(ctx, CREDENTIALS, name).await?;
    if let Some(token) = values.get("token") {
        return Ok(Credentials::Bearer(Secret::new(token.trim())));
    }
    match (values.get("username"), values.get("password")) {
        (Some(username), Some(password)) => Ok(Credentials::Basic {
            username: username.trim().to_owned(),
            password: Secret::new(password.trim()),
        }),
        _ => Err(secret_error(
            CREDENTIALS,
            format!("Secret {}/{name} needs the keys username and password, or token", ctx.namespace),
        )),
    }
}

async fn value(ctx: &Context, name: &str, key: &str) -> Result<String, SourceError> {
    let mut values = texts(ctx, CA, name).await?;
    values
        .remove(key)
        .ok_or_else(|| secret_error(CA, format!("Secret {}/{name} has no key {key}", ctx.namespace)))
}

async fn texts(
    ctx: &Context,
    what: &'static str,
    name: &str,
) -> Result<BTreeMap<String, String>, SourceError> {
    let read = secrets::texts(&ctx.client, &ctx.namespace, name).await;
    read.map_err(|error| secret_error(what, error.to_string()))
}

fn secret_error(what: &'static str, problem: String) -> SourceError {
    SourceError::InvalidSecret { what, problem }
}
