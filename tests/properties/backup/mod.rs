//! Backups on a simulated clock, and what holds for every schedule and every budget.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod asked;
mod clocks;
mod faults;
mod keeping;
mod known;
mod sixty;
mod spread;
mod volumes;
mod world;
