//! Backups on a simulated clock, and what holds for every schedule and every budget.

mod faults;
mod known;
mod sixty;
mod spread;
mod world;
