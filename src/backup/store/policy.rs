//! What one run may do in the store: a session policy for its tenant's folder. Pure.

use serde_json::{Value, json};

use crate::backup::layout::Place;
use crate::backup::task::Work;

/// Bytes that a session policy may have, by STS.
pub const MOST_BYTES: usize = 2048;

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Adds to the repository. It can't read back what it wrote, nor remove anything but locks.
    Backup,
    /// Removes snapshots and gives space back. Neither the key nor a record can be removed.
    Prune,
    /// Reads, and leaves a record: drills, restores, and reading the packs again.
    Read,
}

impl Role {
    /// The role of a run.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        match work {
            Work::Backup(_) | Work::Volume(_) => Self::Backup,
            Work::Expire { .. } => Self::Prune,
            Work::Check { .. } | Work::Drill(_) | Work::Restore(_) | Work::VolumeDrill(_) => Self::Read,
        }
    }
}

/// The document. `partition` is the second part of the role's ARN (`aws`, `aws-cn`).
///
/// restic's folders are named one by one: `g????` is a generation. Nobody may write or remove the wrapped key.
#[must_use]
pub fn document(role: Role, partition: &str, bucket: &str, place: &Place) -> String {
    let all = format!("arn:{partition}:s3:::{bucket}");
    let below = |path: &str| format!("{all}/{}/{path}", place.prefix);
    let allow = |actions: Value, resources: Vec<String>| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    let mut list = allow(json!("s3:ListBucket"), vec![all.clone()]);
    list["Condition"] = json!({"StringLike": {"s3:prefix": format!("{}/*", place.prefix)}});
    let mut statements = vec![list, allow(json!("s3:GetBucketLocation"), vec![all.clone()])];
    let write = json!(["s3:PutObject", "s3:AbortMultipartUpload"]);
    let record = json!(["s3:PutObject", "s3:PutObjectRetention"]);
    statements.push(allow(record, vec![below("records/*")]));
    match role {
        Role::Backup => {
            statements.push(allow(json!("s3:GetObject"), vec![below("*")]));
            let data = vec![below("g????/data/*")];
            statements.push(json!({"Effect": "Deny", "Action": "s3:GetObject", "Resource": data}));
            statements.push(allow(write, vec![below("g????/*")]));
            statements.push(allow(json!("s3:DeleteObject"), vec![below("g????/locks/*")]));
        }
        Role::Prune => {
            statements.push(allow(json!("s3:GetObject"), vec![below("*")]));
            statements.push(allow(write, vec![below("g????/*")]));
            statements.push(allow(json!("s3:DeleteObject"), vec![below("g????/*")]));
        }
        Role::Read => statements.push(allow(json!("s3:GetObject"), vec![below("*")])),
    }
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The partition of an ARN; `aws` where it isn't one.
#[must_use]
pub fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).filter(|one| !one.is_empty()).unwrap_or("aws")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = r#"{"Statement":[{"Action":"s3:ListBucket","Condition":{"StringLike":{"s3:prefix":"b/shop/acme/*"}},"Effect":"Allow","Resource":["arn:aws:s3:::bucket"]},{"Action":"s3:GetBucketLocation","Effect":"Allow","Resource":["arn:aws:s3:::bucket"]},{"Action":["s3:PutObject","s3:PutObjectRetention"],"Effect":"Allow","Resource":["arn:aws:s3:::bucket/b/shop/acme/records/*"]},{"Action":"s3:GetObject","Effect":"Allow","Resource":["arn:aws:s3:::bucket/b/shop/acme/*"]},{"Action":"s3:GetObject","Effect":"Deny","Resource":["arn:aws:s3:::bucket/b/shop/acme/g????/data/*"]},{"Action":["s3:PutObject","s3:AbortMultipartUpload"],"Effect":"Allow","Resource":["arn:aws:s3:::bucket/b/shop/acme/g????/*"]},{"Action":"s3:DeleteObject","Effect":"Allow","Resource":["arn:aws:s3:::bucket/b/shop/acme/g????/locks/*"]}],"Version":"2012-10-17"}"#;

    fn of(role: Role) -> String {
        document(role, "aws", "bucket", &Place::of("b", "shop", "acme"))
    }

    #[test]
    fn a_backup_neither_reads_data_nor_removes_any() {
        assert_eq!(of(Role::Backup), BACKUP);
    }

    #[test]
    fn nobody_touches_the_key_and_readers_remove_nothing() {
        for role in [Role::Backup, Role::Prune, Role::Read] {
            let policy: Value = serde_json::from_str(&of(role)).unwrap();
            for statement in policy["Statement"].as_array().unwrap() {
                let text = statement.to_string();
                let changes = text.contains("s3:Put") || text.contains("s3:Delete");
                assert!(!changes || !text.contains("acme/*\""), "{role:?}: {text}");
                assert!(role != Role::Read || !text.contains("Delete"), "{text}");
            }
        }
    }

    /// A Platform's and a Tenant's name have 40 characters at most, a bucket's 63; the prefix is what is left.
    #[test]
    fn it_fits_for_long_names() {
        let name = "n".repeat(40);
        let place = Place::of(&"p".repeat(32), &name, &name);
        let text = document(Role::Backup, "aws", &"b".repeat(40), &place);
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        assert_eq!(partition("arn:aws-cn:iam::1:role/x"), "aws-cn");
    }
}
