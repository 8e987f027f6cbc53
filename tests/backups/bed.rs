//! A real PostgreSQL, a real store, real restic, and Jobs as plain processes: what Kubernetes would start, started here.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tenantry::backup::layout::Place;
use tenantry::backup::record::Record;
use tenantry::backup::task::{Backup, Drill, PointRef, Restore, Task, VARIABLE, Work};
use tenantry::store::StoreAddress;
use tenantry_testbed::{
    PostgresServer, Proxy, REGION, Run, StoreKeys, Versitygw, as_database_user, database_folder,
    give_to_database_user, make_bucket, programs,
};

pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub const BUCKET: &str = "backups";
pub const DATABASE: &str = "shop";

/// What no output may hold.
const CANARIES: [&str; 3] = ["canary-key-of-", "canary-database-password", "rootsecretrootsecret"];

/// The servers.
pub struct Bed {
    pub postgres: PostgresServer,
    pub store: Versitygw,
    tools: PathBuf,
    pub folder: PathBuf,
    _run: Arc<Run>,
}

impl Bed {
    /// None, and said so, where programs are missing that the testbed can't build.
    pub async fn start() -> Outcome<Option<Self>> {
        if programs::skip() {
            return Ok(None);
        }
        let run = Run::start()?;
        let (postgres, store) = tokio::try_join!(PostgresServer::start_in(&run), Versitygw::start_in(&run))?;
        make_bucket(&store.client(), BUCKET, None).await?;
        postgres.database(DATABASE, "canary-database-password")?;
        let folder = database_folder(&run, "b")?;
        let tools = folder.join("tools");
        let bed = Self { postgres, store, tools, folder, _run: run };
        bed.copy_tools().await?;
        Ok(Some(bed))
    }

    /// What the init container of a Job does.
    async fn copy_tools(&self) -> Outcome {
        let restic = tokio::task::spawn_blocking(programs::stores::restic).await??;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(["backup", "tools", "--to"]).arg(&self.tools).arg("--restic").arg(restic);
        let output = command.output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Rows that don't compress well, so that a dump has several packs.
    pub fn fill(&self, table: &str, rows: u32) -> Outcome {
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {table} (id bigserial PRIMARY KEY, name text, body bytea, at timestamptz DEFAULT now()); \
             INSERT INTO {table} (name, body) SELECT 'Name ' || i, \
             decode(md5(random()::text) || md5(random()::text) || md5(random()::text), 'hex') \
             FROM generate_series(1, {rows}) AS i"
        );
        self.postgres.sql(DATABASE, &make)?;
        self.postgres.sql(DATABASE, &format!("ALTER TABLE {table} OWNER TO {DATABASE}"))?;
        Ok(())
    }

    pub fn restic(&self) -> PathBuf {
        self.tools.join("restic")
    }
}

/// A tenant: its secrets, its scratch folder, its part of the store.
pub struct Tenant<'a> {
    bed: &'a Bed,
    name: &'static str,
    url: String,
    pub secrets: PathBuf,
    pub scratch: PathBuf,
    /// Before the others on the worker's `PATH`.
    pub path: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub record: Record,
    pub said: String,
    pub code: Option<i32>,
}

impl<'a> Tenant<'a> {
    pub fn new(bed: &'a Bed, name: &'static str) -> Outcome<Self> {
        let folder = bed.folder.join(name);
        let (secrets, scratch) = (folder.join("secrets"), folder.join("s"));
        std::fs::create_dir_all(secrets.join("connection"))?;
        std::fs::create_dir_all(secrets.join("other"))?;
        std::fs::create_dir_all(&scratch)?;
        let tenant = Self { bed, name, url: bed.store.url(), secrets, scratch, path: None };
        tenant.secret("password", &format!("canary-key-of-{name}\n"))?;
        tenant.keys("", &bed.store.root())?;
        for (variable, value) in bed.postgres.connection(DATABASE, "canary-database-password", DATABASE) {
            tenant.secret(&format!("connection/{variable}"), &value)?;
        }
        give_to_database_user(&bed.folder)?;
        Ok(tenant)
    }

    pub fn secret(&self, name: &str, value: &str) -> Outcome {
        std::fs::write(self.secrets.join(name), value)?;
        Ok(give_to_database_user(&self.secrets)?)
    }

    pub fn keys(&self, below: &str, keys: &StoreKeys) -> Outcome {
        self.secret(&format!("{below}aws-access-key-id"), &keys.id)?;
        self.secret(&format!("{below}aws-secret-access-key"), &keys.secret)
    }

    /// From now on through a proxy in which things can go wrong.
    pub fn through(&mut self, proxy: &Proxy) {
        self.url = proxy.url(&self.bed.store.url()).trim_end_matches('/').to_owned();
    }

    pub fn place(&self) -> Place {
        Place::of("test", "platform", self.name)
    }

    pub fn task(&self, work: Work) -> Task {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let store = StoreAddress {
            endpoint: Some(self.url.clone()),
            region: REGION.into(),
            bucket: BUCKET.into(),
            path_style: true,
            ..StoreAddress::default()
        };
        Task {
            id: format!("{}-{}", work.word(), COUNT.fetch_add(1, Ordering::Relaxed)),
            install_id: "install".into(),
            tenant: self.name.into(),
            platform: "platform".into(),
            store,
            place: self.place(),
            generation: 1,
            deadline_seconds: 300,
            work,
        }
    }

    /// The worker's process: not root, with nothing of our environment.
    pub fn command(&self, task: &Task) -> Outcome<Command> {
        let mut command = as_database_user(self.bed.tools.join("tenantry"));
        let path = std::env::var("PATH")?;
        let path = self.path.as_ref().map_or(path.clone(), |first| format!("{}:{path}", first.display()));
        command.env_clear().env("PATH", path).env(VARIABLE, serde_json::to_string(task)?);
        command.args(["backup", "work", "--secrets"]).arg(&self.secrets).arg("--scratch").arg(&self.scratch);
        command.arg("--report").arg(self.report()).current_dir("/").stdin(Stdio::null());
        Ok(command)
    }

    fn report(&self) -> PathBuf {
        self.scratch.join("last-words")
    }

    /// Starts a run that is not waited for.
    pub fn start(&self, task: &Task) -> Outcome<Child> {
        Ok(self.command(task)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    /// Runs a task to its end; its output holds no secret, and its last words are its record.
    pub async fn run(&self, work: Work) -> Outcome<Ran> {
        self.run_task(self.task(work)).await
    }

    pub async fn run_task(&self, task: Task) -> Outcome<Ran> {
        let mut command = self.command(&task)?;
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        self.ran(&output)
    }

    pub fn ran(&self, output: &Output) -> Outcome<Ran> {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        let words = std::fs::read_to_string(self.report()).map_err(|error| format!("{error}: {said}"))?;
        for canary in CANARIES {
            assert!(!said.contains(canary) && !words.contains(canary), "{canary} in {said}{words}");
        }
        assert_eq!(out.trim(), words, "what is printed is what the kubelet reads");
        let left: Vec<_> =
            std::fs::read_dir(&self.scratch)?.flatten().map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name == "engine" || name == "manifest.json"), "left: {left:?}");
        Ok(Ran { record: serde_json::from_str(&words)?, said, code: output.status.code() })
    }

    /// A backup as the operator would ask for one.
    pub fn backup(&self) -> Backup {
        Backup {
            database: "app".into(),
            slot: "2026-11-22T03:00:00Z".into(),
            initialise: true,
            before: None,
            least_percent: 50,
            shrink_acknowledged: false,
            sampled_tables: 5,
            sentinel: false,
            dead_hosts: Vec::new(),
        }
    }

    /// Makes a good restore point.
    pub async fn good_backup(&self) -> Outcome<PointRef> {
        let ran = self.run(Work::Backup(self.backup())).await?;
        assert!(ran.record.succeeded, "{ran:#?}");
        Ok(point(&ran.record))
    }

    pub fn drill(&self, point: &PointRef) -> Drill {
        Drill {
            database: "app".into(),
            point: point.clone(),
            rpo_limit_seconds: Some(3600),
            checks: Vec::new(),
            room_bytes: 4 << 30,
            try_other: false,
        }
    }

    pub fn restore(&self, point: &PointRef, to: Option<&str>) -> Restore {
        Restore { database: "app".into(), point: point.clone(), to: to.map(str::to_owned) }
    }

    /// Plain restic, as a person would use it who has the key.
    pub fn restic(&self, args: &[&str]) -> Command {
        let keys = self.bed.store.root();
        let mut command = Command::new(self.bed.restic());
        let address = format!("s3:{}/{BUCKET}/{}", self.bed.store.url(), self.place().repository(1));
        command.env("RESTIC_REPOSITORY", address).env("RESTIC_PASSWORD_FILE", self.secrets.join("password"));
        command.env("AWS_ACCESS_KEY_ID", keys.id).env("AWS_SECRET_ACCESS_KEY", keys.secret);
        command.env("AWS_DEFAULT_REGION", REGION).env("RESTIC_CACHE_DIR", self.bed.folder.join("cache"));
        command.args(["-o", "s3.bucket-lookup=path"]).args(args).stdin(Stdio::null());
        command
    }

    /// What plain restic says.
    pub fn restic_says(&self, args: &[&str]) -> Outcome<String> {
        let output = self.restic(args).output()?;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the store lists in a folder of the repository: key and bytes.
    async fn listed(&self, folder: &str) -> Outcome<Vec<(String, i64)>> {
        let prefix = format!("{}/{folder}/", self.place().repository(1));
        let answer = self.bed.store.client().list_objects_v2().bucket(BUCKET).prefix(prefix).send().await?;
        assert_ne!(answer.is_truncated(), Some(true), "tests are small");
        let one = |object: aws_sdk_s3::types::Object| Some((object.key?, object.size.unwrap_or_default()));
        Ok(answer.contents.unwrap_or_default().into_iter().filter_map(one).collect())
    }

    /// Names of the objects in a folder of the repository.
    pub async fn names(&self, folder: &str) -> Outcome<Vec<String>> {
        let name = |(key, _): (String, i64)| key.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(self.listed(folder).await?.into_iter().map(name).collect())
    }

    /// Bytes of all packs.
    pub async fn stored(&self) -> Outcome<i64> {
        Ok(self.listed("data").await?.iter().map(|(_, size)| size).sum())
    }

    /// The largest pack, as a file on the store's disk.
    pub async fn pack(&self) -> Outcome<PathBuf> {
        let packs = self.listed("data").await?;
        let (key, _) = packs.into_iter().max_by_key(|(_, size)| *size).ok_or("no pack")?;
        Ok(self.bed.store.files(BUCKET).join(key))
    }

    /// Removes an object, as somebody with a key would.
    pub async fn remove(&self, key: &str) -> Outcome {
        let key = format!("{}/{key}", self.place().repository(1));
        self.bed.store.client().delete_object().bucket(BUCKET).key(key).send().await?;
        Ok(())
    }

    /// Brings an object back.
    pub async fn put(&self, key: &str, content: Vec<u8>) -> Outcome {
        let key = format!("{}/{key}", self.place().repository(1));
        self.bed.store.client().put_object().bucket(BUCKET).key(key).body(content.into()).send().await?;
        Ok(())
    }

    /// Removes the whole repository.
    pub async fn remove_all(&self) -> Outcome {
        let list = self.bed.store.client().list_objects_v2().bucket(BUCKET);
        let prefix = format!("{}/", self.place().repository(1));
        for object in list.prefix(&prefix).send().await?.contents() {
            self.remove(object.key().and_then(|key| key.strip_prefix(&prefix)).ok_or("a key")?).await?;
        }
        Ok(())
    }

    /// Saves a changed manifest of a point with plain restic; the point with it.
    pub fn forged(&self, point: &PointRef, change: impl Fn(&mut serde_json::Value)) -> Outcome<PointRef> {
        let text = self.restic_says(&["dump", &point.manifest, "manifest.json"])?;
        let mut manifest: serde_json::Value = serde_json::from_str(&text)?;
        change(&mut manifest);
        let folder = self.bed.folder.join("forged");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("manifest.json"), manifest.to_string())?;
        let mut command = self.restic(&["backup", "--json", "manifest.json"]);
        let output = command.current_dir(&folder).output()?;
        let out = String::from_utf8(output.stdout)?;
        let summary = tenantry::backup::engine::snapshot::summary(&out).ok_or("no summary")?;
        Ok(PointRef { manifest: summary.snapshot_id, ..point.clone() })
    }
}

/// The restore point of a record.
pub fn point(record: &Record) -> PointRef {
    let point = record.point.clone().expect("a restore point");
    PointRef { snapshot: point.snapshot, manifest: point.manifest, time: point.time }
}

/// A folder with the real programs of PostgreSQL, of which some are scripts.
pub fn programs_but(bed: &Bed, name: &str, scripts: &[(&str, String)]) -> Outcome<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let folder = bed.folder.join(name);
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(bed.postgres.programs())?.flatten() {
        let file = entry.file_name();
        if scripts.iter().all(|(script, _)| file != *script) {
            std::os::unix::fs::symlink(entry.path(), folder.join(file))?;
        }
    }
    for (script, text) in scripts {
        let path = folder.join(script);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

/// Ends a process and all that it started, as the end of a container does: at once.
pub fn kill_tree(pid: u32) {
    for child in children(pid) {
        kill_tree(child);
    }
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn children(of: u32) -> Vec<u32> {
    let parent = |stat: &str| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        stat.is_ok_and(|stat| parent(&stat) == Some(of))
    })
    .collect()
}
