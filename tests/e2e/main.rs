//! Journeys through the command line and the ledger, and everything that can be broken on the way.

#![allow(clippy::unwrap_used, clippy::too_many_lines, reason = "tests, whose tables are long")]

mod access;
mod backup;
mod cli;
mod demo;
mod doctor;
mod kill;
mod live;
mod offline;
mod operating;
mod outside;
mod postgres;
mod promote;
mod readme;
mod record;
mod schemas;
mod seeing;
mod serve;
mod tamper;
mod tidy;
mod traces;
mod views;
mod witness;
