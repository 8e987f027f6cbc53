//! What the operator knows of the cluster: which events wake it, and which do not.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod children;
mod claims;
mod customers;
mod model;
mod objects;
mod places;
