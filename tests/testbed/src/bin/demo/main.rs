//! `cargo demo`: everything that Tenantry does, on this machine, in a minute.
//!
//! Builds what is missing, starts a real control plane with simulated nodes and a Git
//! server, applies the sample configuration, runs the operator as its own user, and
//! shows the Tenants until all are Ready.

mod audit;
mod backups;
mod build;
mod held;
mod hints;
mod samples;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tenantry_testbed::{
    Cluster, Error, GitServer, OPERATOR_USER, Operator, OperatorOptions, Options, RealNodes, Repo, Result,
    operator_groups, programs,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::samples::Samples;
use crate::table::{Tenants, Watcher};

/// Runs Tenantry against a real Kubernetes API on this machine, with the sample tenants.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --", version, about)]
struct Args {
    /// End as soon as all Tenants are Ready and a held commit was shown (exit code 0), or when the time is up.
    #[arg(long)]
    once: bool,
    /// Use this context of your kubeconfig instead of a cluster of its own.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Real nodes with running containers instead of simulated ones: root on Linux only. A small web server stands in for all images.
    #[arg(long, conflicts_with = "context")]
    real_nodes: bool,
    /// Seconds until all Tenants must be Ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
}

/// Everything that runs, in the order in which it ends.
struct Demo {
    operator: Operator,
    repo: Repo,
    binary: PathBuf,
    _git: GitServer,
    /// Before the cluster: the agent ends before the log that it reads.
    audit: Option<audit::Audit>,
    cluster: Cluster,
    samples: Samples,
    start: Instant,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: can't start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            outcome = demo(&args) => match outcome {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("\ndemo: {error}");
                    ExitCode::FAILURE
                }
            },
            () = stop_signal() => {
                eprintln!("\nstopping; everything that the demo started goes{}", left(&args));
                if args.once { ExitCode::from(130) } else { ExitCode::SUCCESS }
            }
        }
    });
    // A build that is still running in a helper thread must not hold us up.
    runtime.shutdown_background();
    code
}

/// What stays in a cluster that is not ours.
fn left(args: &Args) -> String {
    args.context.as_ref().map_or_else(String::new, |context| {
        format!(
            ", but the CRDs, the Platform, the Tenants and their namespaces stay in the context {context}; \
             the next `cargo demo -- --context {context}` goes on from there"
        )
    })
}

async fn stop_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn demo(args: &Args) -> Result<()> {
    let mut samples = Samples::load()?;
    let (context, real) = (args.context.is_some(), args.real_nodes);
    samples.agent = (!context).then_some(audit::AGENT);
    let binary = tokio::task::spawn_blocking(move || -> Result<PathBuf> {
        programs::git()?;
        if real {
            tenantry_testbed::prepare_real_nodes()?;
        } else {
            programs::kubernetes()?;
        }
        if !context && !real {
            programs::kwok()?;
        }
        build::tenantry()
    });
    let binary =
        binary.await.map_err(|error| Error::Invalid(format!("a helper thread ended: {error}")))??;
    let demo = Demo::start(args, samples, binary).await?;
    let mut tenants = demo.until_ready(Duration::from_secs(args.timeout)).await?;
    println!(
        "\nAll {} Tenants are Ready, {:.1} s after the start (builds not counted).",
        demo.samples.tenants.len(),
        demo.start.elapsed().as_secs_f32()
    );
    let mut _store = None;
    if args.real_nodes {
        println!();
        _store = Some(backups::show(&demo.cluster, |what| say(demo.start, what)).await?);
    }
    if args.once {
        demo.held(&mut tenants).await?;
        demo.audited().await?;
        if args.context.is_some() {
            println!("The demo ends{}.", left(args));
        }
        return Ok(());
    }
    if args.real_nodes {
        println!("\n{}", hints::real_nodes(&demo.cluster));
    }
    demo.audited().await?;
    println!("\n{}", hints::text(&demo.cluster, &demo.repo, &demo.samples, &left(args)).await);
    demo.forever(&mut tenants).await
}

impl Demo {
    async fn start(args: &Args, samples: Samples, binary: PathBuf) -> Result<Self> {
        let start = Instant::now();
        let audit_policy = args.context.is_none().then(|| audit::policy(&binary)).transpose()?;
        let cluster = match &args.context {
            None if args.real_nodes => {
                say(start, "starting etcd, kube-apiserver, controllers and three real nodes in three zones");
                let nodes = Options::real_nodes(RealNodes { images: samples.images.clone() });
                Cluster::start(Options { audit_policy, ..nodes }).await?
            }
            None => {
                say(start, "starting etcd, kube-apiserver, controllers and nodes in three zones");
                Cluster::start(Options { audit_policy, ..Options::default() }).await?
            }
            Some(context) => {
                say(start, &format!("using the cluster of your context {context}"));
                Cluster::from_context(context).await?
            }
        };
        if args.real_nodes {
            backups::prepare(&cluster, &binary).await?;
        }
        say(start, "applying the CRDs and the operator's rights");
        cluster.apply_path(samples.root.join("crds")).await?;
        cluster.apply_path(samples.root.join("manifests/install")).await?;
        let git = GitServer::start_in(cluster.run(), None).await?;
        let repo = git.create("config")?;
        let commit = repo.commit_dir(samples.root.join("manifests/samples"), "The first tenants")?;
        say(
            start,
            &format!("pushed {} Tenants as commit {:.8} to {}", samples.tenants.len(), commit, repo.url()),
        );
        let mut audit = None;
        if args.context.is_none() {
            say(start, "a second account's store, an audit agent beside the API server, and a witness");
            for file in ["namespace.yaml", "rbac.yaml"] {
                cluster.apply_path(samples.root.join("manifests/audit").join(file)).await?;
            }
            audit = Some(audit::Audit::start(&cluster, &binary, &cluster.run().folder("operator")?).await?);
        }
        cluster.apply_yaml(&samples.platform_for(repo.url())?).await?;
        let options = OperatorOptions {
            binary: binary.clone(),
            kubeconfig: cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?,
            data_dir: cluster.run().folder("operator")?,
            args: if args.real_nodes {
                vec![format!("--backup-image={}", backups::TOOLS)]
            } else {
                Vec::new()
            },
            env: Vec::new(),
        };
        let operator = Operator::start(cluster.run(), &options)?;
        say(start, &format!("the operator runs; its log is {}\n", operator.log_path().display()));
        Ok(Self { operator, repo, binary, _git: git, audit, cluster, samples, start })
    }

    /// Shows the Tenants until all of the repository are Ready.
    async fn until_ready(&self, timeout: Duration) -> Result<Watcher> {
        let mut watcher = Watcher::new(self.start);
        let deadline = Instant::now() + timeout;
        loop {
            self.operator.check()?;
            let tenants = Tenants::get(&self.cluster.client()).await?;
            watcher.show(&tenants);
            let missing = tenants.not_ready(&self.samples.tenants);
            if missing.is_empty() {
                watcher.lines_from_now();
                return Ok(watcher);
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: "all Tenants to be Ready".into(),
                    seconds: timeout.as_secs(),
                    last: missing.join("; "),
                });
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Shows a commit that is held, its plan and its release.
    async fn held(&self, watcher: &mut Watcher) -> Result<()> {
        let show = held::Show {
            cluster: &self.cluster,
            repo: &self.repo,
            samples: &self.samples,
            binary: &self.binary,
        };
        println!();
        show.run(|what| say(self.start, what)).await?;
        watcher.show(&Tenants::get(&self.cluster.client()).await?);
        Ok(())
    }

    /// Verifies the demo's own audit log, where it has one.
    async fn audited(&self) -> Result<()> {
        let Some(audit) = &self.audit else { return Ok(()) };
        println!();
        audit.show(&self.cluster, &self.binary, |what| say(self.start, what)).await
    }

    /// Says what changes, until someone presses Ctrl-C.
    async fn forever(&self, watcher: &mut Watcher) -> Result<()> {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.operator.check()?;
            // The user may well stop the API server to see what happens.
            if let Ok(tenants) = Tenants::get(&self.cluster.client()).await {
                watcher.show(&tenants);
            }
        }
    }
}

fn say(start: Instant, what: &str) {
    println!("{:5.1} s  {what}", start.elapsed().as_secs_f32());
}
