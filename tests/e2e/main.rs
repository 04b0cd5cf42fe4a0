//! Journeys through the command line and the ledger, and everything that can be broken on the way.

#![allow(clippy::unwrap_used, clippy::too_many_lines, reason = "tests, whose tables are long")]

mod access;
mod backup;
mod bundles;
mod cli;
mod cosigning;
mod demo;
mod doctor;
mod edge;
mod exchange;
mod forked;
mod found;
mod fuzz;
mod happenings;
mod kill;
mod lists;
mod live;
mod login;
mod objects;
mod offline;
mod operating;
mod outside;
mod postgres;
mod promote;
mod proofs;
mod publishing;
mod readme;
mod record;
mod remote;
mod schemas;
mod seeing;
mod serve;
mod spool;
mod ssh;
mod tamper;
mod tessera;
mod tidy;
mod traces;
mod turmoil;
mod views;
mod webhook;
mod witness;
mod witness_serve;
