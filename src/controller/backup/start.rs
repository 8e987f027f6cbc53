//! A run's Job, its Secret and its task. The Job comes first: the Secret belongs to it. Whoever dies between the
//! two finds the Job without its Secret, and makes it ([`super::tend`]).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    api::{
        Platform, Tenant,
        backup::Backups,
        data::{Database, Volume},
        quantity::Quantity,
        tenant_status::Purpose,
    },
    apply::runs::Made,
    backup::{
        connection,
        decide::Want,
        job::{self, Plan},
        task::{Task, Work},
        volumes::{self, TAKEN},
    },
    controller::context::Context,
    observe::secrets::{self, SecretError},
    runtime::call::CallError,
};

use super::{tend::Tended, vault::Vault};

/// The namespaces of runs, once they are there: for backups, and for drills.
pub(super) fn namespaces(tenant: &Tenant) -> Option<(&str, &str)> {
    let all = &tenant.status.as_ref()?.namespaces;
    let find = |purpose| all.iter().find(|one| one.purpose == purpose && !one.uid.is_empty());
    Some((&find(Purpose::Backup)?.name, &find(Purpose::Drill)?.name))
}

/// Why a run can't begin.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is missing, for people.
    pub(super) text: String,
    /// Whether it is the API server that asks everybody to wait.
    pub(super) later: bool,
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self { text, later: false }
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self { text: error.to_string(), later: error.is_throttled() }
    }
}

impl From<SecretError> for Refusal {
    fn from(error: SecretError) -> Self {
        let text = error.to_string();
        match error {
            SecretError::Unreadable { source, .. } => Self { text, ..source.into() },
            _ => text.into(),
        }
    }
}

/// Starts a run. Returns whether it was new.
///
/// # Errors
/// As [`Refusal`].
pub(super) async fn start(
    ctx: &Context,
    platform: &Platform,
    vault: &mut Vault,
    tenant: &Tenant,
    want: &Want,
) -> Result<bool, Refusal> {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let (backup, drill) = namespaces(tenant).ok_or("its namespaces for backups aren't there yet")?;
    let backups = platform.spec.backups.as_ref().ok_or("the Platform has no backups")?;
    let tools = ctx
        .tools
        .as_deref()
        .ok_or("the operator doesn't know the image that runs are made of; start it with --backup-image")?;
    let subject = Subject::find(tenant, &want.database);
    let engine = subject.image(backups, tools)?;
    let user = subject.database.and_then(|one| one.run_as_user).or(backups.postgresql.run_as_user);
    let task = Task {
        id: want.job.clone(),
        install_id: ctx.install_id.to_string(),
        tenant: name.clone(),
        platform: platform.metadata.name.clone().unwrap_or_default(),
        store: vault.address(),
        place: vault.place(&name),
        generation: want.generation,
        deadline_seconds: backups.run_deadline.0.as_secs(),
        work: want.work.clone(),
    };
    let mut files = vault.files(&ctx.install_id, &name, &want.work).await?;
    files.extend(connection(ctx, tenant, subject.database, &want.work).await?);
    let waits = matches!(want.work, Work::Volume(_));
    if waits {
        files.insert(TAKEN.to_owned(), String::new());
    }
    let claim = volumes::objects::name(&want.job);
    let namespace = if want.kind.is_drill() { drill } else { backup };
    let tenant_uid = tenant.metadata.uid.as_deref().unwrap_or_default();
    let slot = want.slot.to_string();
    let mut job = job::job(Plan {
        task: &task,
        namespace,
        kind: want.kind.word(),
        database: &want.database,
        slot: &slot,
        tools,
        engine,
        user,
        pull_secret: !platform.spec.images.pull_secret_refs.is_empty(),
        resources: &backups.postgresql.resources,
        memory_times: want.memory_times,
        scratch: subject.scratch(backups),
        tenant_uid,
        claim: waits.then_some(claim.as_str()),
    });
    job::place_files(&mut job, files.keys().map(String::as_str));
    match ctx.writer.make_job(&job).await? {
        // Its Secret says when the snapshot was taken: there is none yet.
        Made::New(_) if waits => Ok(true),
        Made::New(uid) => {
            let secret = job::secret(&task, (namespace, &uid), tenant_uid, &files);
            ctx.writer.make_run_secret(&secret).await?;
            vault.tended.insert(uid, Tended::of(&files, Timestamp::now()));
            Ok(true)
        }
        Made::Before => Ok(false),
    }
}

/// What the Tenant says of what a run is about: neither, where it is about the repository or is no longer listed.
struct Subject<'a> {
    database: Option<&'a Database>,
    volume: Option<&'a Volume>,
}

impl<'a> Subject<'a> {
    fn find(tenant: &'a Tenant, key: &str) -> Self {
        let volume = volumes::name_of(key);
        Self {
            database: tenant.spec.databases.iter().find(|one| one.name == key),
            volume: volume.and_then(|name| tenant.spec.volumes.iter().find(|one| one.name == name)),
        }
    }

    /// The image that the work is done in.
    fn image(&self, backups: &'a Backups, tools: &'a str) -> Result<&'a str, &'static str> {
        if self.volume.is_some() {
            // What reads files has all it needs with it.
            return Ok(tools);
        }
        let own = self.database.and_then(|one| one.image.as_deref());
        own.or(backups.postgresql.image.as_deref()).ok_or(
            "no image has the programs of its database; set Platform.spec.backups.postgresql.image, or the database's own",
        )
    }

    fn scratch(&self, backups: &'a Backups) -> Option<&'a Quantity> {
        let own = self.database.and_then(|one| one.scratch.as_ref());
        own.or(self.volume.and_then(|one| one.scratch.as_ref())).or(backups.postgresql.scratch.as_ref())
    }
}

/// How its database is reached, where it needs one.
///
/// # Errors
/// As [`Refusal`].
pub(super) async fn connection(
    ctx: &Context,
    tenant: &Tenant,
    database: Option<&Database>,
    work: &Work,
) -> Result<BTreeMap<String, String>, Refusal> {
    if matches!(work, Work::Backup(_) | Work::Restore(_)) {
        let database = database.ok_or("the Tenant no longer lists the database")?;
        let secret = &database.connection_secret_ref.name;
        let namespace = tenant.namespace();
        let values = secrets::texts(&ctx.client, namespace, secret).await?;
        return connection::files(&values, namespace)
            .map_err(|problem| format!("Secret {namespace}/{secret} {problem}").into());
    }
    Ok(BTreeMap::new())
}
