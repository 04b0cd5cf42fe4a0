//! The ledger as its callers see it, on a real database in a new folder.

#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod append;
mod full;
mod heads;
mod open;
mod pack;
mod unsynced;
mod world;
