//! A control plane, a repository, and the operator as its own user.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::hmac;
use kube::Client;
use tenantry_testbed::{
    Cluster, GitServer, NodeShape, OPERATOR_USER, Operator, OperatorOptions, Options, Repo, operator_groups,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Outcome, tenants};

/// What signs push hooks.
const TOKEN: &str = "the token of the benchmark";

/// Everything that runs; dropped from top to bottom.
pub struct Bed {
    /// The operator, while it runs.
    pub operator: Option<Operator>,
    /// The tenants' repository.
    pub repo: Repo,
    /// A client with all rights.
    pub client: Client,
    /// Whom the operator, and the bare client, are.
    pub kubeconfig: PathBuf,
    /// How many tenants the operator gets.
    pub size: usize,
    /// Where the operator takes push hooks.
    hooks: u16,
    binary: PathBuf,
    _git: GitServer,
    /// The control plane.
    pub cluster: Cluster,
}

impl Bed {
    /// A fresh cluster whose nodes hold any number of pods, and a repository without tenants.
    pub async fn start(size: usize, binary: &Path) -> Outcome<Self> {
        crate::report::say(&format!("{size} tenants: starting a control plane"));
        let node = NodeShape { cpu: "10000".into(), memory: "100Ti".into(), pods: 100_000 };
        let cluster = Cluster::start(Options { node, ..Options::default() }).await?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        cluster.apply_path(root.join("crds")).await?;
        cluster.apply_path(root.join("manifests/install")).await?;
        let git = GitServer::start_in(cluster.run(), None).await?;
        let repo = git.create("config")?;
        repo.commit(&[("tenants/README.md", Some("One file a tenant.\n"))], "No tenants yet")?;
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "tenantry-system"},
            "stringData": {"token": TOKEN},
        });
        cluster.apply_yaml(&secret.to_string()).await?;
        cluster.apply_yaml(&tenants::platform(repo.url()).to_string()).await?;
        let hooks = cluster.run().port()?;
        let kubeconfig = cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?;
        let client = cluster.client();
        Ok(Self {
            operator: None,
            repo,
            client,
            kubeconfig,
            size,
            hooks,
            binary: binary.to_owned(),
            _git: git,
            cluster,
        })
    }

    /// Starts the operator and waits until it works.
    pub async fn start_operator(&mut self, kubeconfig: &Path) -> Outcome<()> {
        let options = OperatorOptions {
            binary: self.binary.clone(),
            kubeconfig: kubeconfig.to_owned(),
            data_dir: self.cluster.run().folder("operator")?,
            // What proves isolation has a budget of its own.
            args: ["--proof-interval", "0s", "--hooks", &format!("127.0.0.1:{}", self.hooks)]
                .map(str::to_owned)
                .into(),
            env: Vec::new(),
        };
        let operator = Operator::start(self.cluster.run(), &options)?;
        operator.ready(Duration::from_secs(120)).await?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Ends it as a roll-out does: it gives its Lease back.
    pub fn stop_operator(&mut self) -> Outcome<()> {
        let Some(operator) = self.operator.take() else { return Ok(()) };
        match tokio::task::block_in_place(|| operator.stop()) {
            Some(_) => Ok(()),
            None => Err("the operator did not end on SIGTERM".into()),
        }
    }

    /// The operator, which must be running.
    pub fn operator(&self) -> Outcome<&Operator> {
        let operator = self.operator.as_ref().ok_or("the operator is not running")?;
        operator.check()?;
        Ok(operator)
    }

    /// The end of the operator's log, for somebody who has to find out why.
    pub fn show_log(&self) {
        let logs = self.operator.as_ref().map(Operator::logs).unwrap_or_default();
        let lines: Vec<&str> = logs.lines().filter(|line| !line.contains("Tenant created")).collect();
        for line in &lines[lines.len().saturating_sub(20)..] {
            crate::report::say(line);
        }
    }

    /// The names of the operator's tenants.
    pub fn names(&self) -> Vec<String> {
        (0..self.size).map(|index| tenants::name("t", index)).collect()
    }

    /// Commits and pushes files.
    pub fn commit(&self, files: &[(String, String)], message: &str) -> Outcome<String> {
        let files: Vec<(&str, Option<&str>)> =
            files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        Ok(tokio::task::block_in_place(|| self.repo.commit(&files, message))?)
    }

    /// Sends a push hook, signed as GitHub signs it, and waits for the answer.
    pub async fn trigger(&self) -> Outcome<()> {
        let body = r#"{"ref":"refs/heads/main"}"#;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes()), body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = format!(
            "POST /hooks/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Hub-Signature-256: sha256={hex}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            tenants::PLATFORM,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.hooks)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 202 ") { Ok(()) } else { Err(format!("push hook: {answer}").into()) }
    }
}
