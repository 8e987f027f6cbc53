//! Cluster → plain data. Read only.
//!
//! - [`watch`]: the streams; each event becomes a change of the [`world`]
//! - [`slim`]: what is read of Deployments, StatefulSets, Pods and Nodes
//! - [`live`]: what is kept of a child, and how drift shows in it
//! - [`fields`]: managed fields as paths
//! - [`world`]: everything that is known, and what a change of it means
//! - [`crds`]: does the cluster have the schema that this version knows
//! - [`inputs`]: what a pass needs before it decides
//! - [`secrets`]: the Secrets that a Platform names
//! - [`trouble`]: what keeps a pod from being ready
//! - [`workloads`]: what status is made of after it wrote
//! - [`standing`]: what a plan has to know of a cluster
//! - [`runs`]: Jobs of backups and drills, and what people asked for; [`last_words`]: what their pods left
//! - [`volumes`]: claims and snapshots, while a run needs them
//! - [`census`]: every pod and node, read now and then
//! - [`loss`]: what the loss of a zone would do, played through now and then
//! - [`behind`], [`lists`]: what stands behind a condition, when somebody asks why

pub mod audit;
pub mod behind;
pub mod census;
pub mod crds;
pub mod fields;
pub mod inputs;
pub mod last_words;
pub mod lists;
pub mod live;
pub mod loss;
pub mod runs;
pub mod secrets;
pub mod slim;
pub mod standing;
pub mod trouble;
pub mod volumes;
pub mod watch;
pub mod workloads;
pub mod world;
