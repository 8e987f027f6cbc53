//! A real Kubernetes control plane, simulated nodes and a real Git server on one
//! machine, as ordinary processes: for Tenantry's tests, benchmarks and demo.
//!
//! ```no_run
//! # async fn example() -> tenantry_testbed::Result<()> {
//! use tenantry_testbed::{Cluster, GitServer, Options};
//!
//! let cluster = Cluster::start(Options::default()).await?;
//! let git = GitServer::start(None).await?;
//! let repo = git.create("config")?;
//! repo.commit(&[("tenants/acme.yaml", Some("kind: Tenant"))], "Add acme")?;
//! cluster.apply_yaml("apiVersion: v1\nkind: Namespace\nmetadata: {name: acme}").await?;
//! # Ok(()) }
//! ```

mod archive;
mod certs;
mod cluster;
mod error;
mod git;
mod gitea;
mod image;
mod nodes;
mod operator;
mod owner;
mod postgres;
mod process;
pub mod programs;
mod proxy;
mod registry;
mod ssh;
mod stores;
mod vault;
mod wait;

pub use archive::{AUDIT_WRITES, AuditArchive, audit_policy};
pub use certs::{mutual_tls, server_tls};
pub use cluster::{ADMIN, Cluster, NodeShape, OPERATOR_USER, Options, Zone, operator_groups};
pub use error::{Error, Result};
pub use git::{Credentials, GitServer, Repo, git_as, git_command};
pub use gitea::Gitea;
pub use image::{
    ImageConfig, ImageFile, database_image, image_config, oci_layout, operator_image, program_files,
};
pub use nodes::{CSI_CLASS, CSI_DRIVER, RealNodes, WEB_IMAGE, prepare_real_nodes, skip_real_nodes};
pub use operator::{Operator, OperatorOptions};
pub use owner::run_owner;
pub use postgres::{
    PostgresServer, as_database_user, database_folder, give_to_database_user, postgres_programs,
};
pub use process::Process;
pub use proxy::{Fault, FaultId, Matcher, Proxy, RequestKind};
pub use registry::Run;
pub use ssh::{SshOptions, SshServer, ssh_certificate, ssh_key};
pub use stores::{Ministack, REGION, StoreKeys, Versitygw, make_bucket, s3_client};
pub use vault::{DATABASE_IMAGE, Vault};
pub use wait::eventually;
