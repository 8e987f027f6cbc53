//! The paged lists behind [`super::loss`]. Metadata-only lists don't hold requests and taints, and watches of every pod would
//! keep them all: the lists are read now and then, and each page is dropped once it is counted.

use kube::{
    Client,
    api::{ListParams, ObjectList, Request},
};
use serde::de::DeserializeOwned;

use crate::{
    observe::watch::READ_DEADLINE,
    runtime::call::{CallError, deadline},
};

use super::loss::{
    Census,
    objects::{Node, Pod},
};

/// Objects in a page: at 10 KB each, 2 MB are held at once.
const PAGE: u32 = 200;

/// Pages of one list: 200,000 pods, more than Kubernetes is made for.
const MOST_PAGES: usize = 1000;

/// Counts every node and pod.
///
/// # Errors
/// A list can't be read, or ends before its end: a census of a part would promise room that is taken.
pub async fn take(client: &Client) -> Result<Census, CallError> {
    let mut census = Census::default();
    pages(client, "/api/v1/nodes", |node: Node| census.node(&node)).await?;
    pages(client, "/api/v1/pods", |pod: Pod| census.pod(&pod)).await?;
    Ok(census)
}

async fn pages<T: Clone + DeserializeOwned>(
    client: &Client,
    path: &str,
    mut take: impl FnMut(T),
) -> Result<(), CallError> {
    let mut params = ListParams::default().limit(PAGE);
    for _ in 0..MOST_PAGES {
        let request = Request::new(path).list(&params).map_err(kube::Error::BuildRequest)?;
        let page: ObjectList<T> = deadline(READ_DEADLINE, client.request(request)).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
    Err(CallError::Invalid(format!("{path} has more than {MOST_PAGES} pages of {PAGE}")))
}
