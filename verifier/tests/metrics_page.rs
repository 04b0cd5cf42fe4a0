//! docs/metrics.md is written from the definitions; `ATTESTRY_BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test of a file")]

use std::fmt::Write as _;
use std::path::Path;

use verifier::metrics::{DEFINITIONS, WATCH_MS};

#[test]
fn the_page_says_what_the_code_counts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = page();
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/metrics.md is stale: ATTESTRY_BLESS=1 writes it anew");
}

fn page() -> String {
    let mut page = BEFORE.replace("DAYS", &(WATCH_MS / 86_400_000).to_string());
    for it in DEFINITIONS {
        let mut text = it.text.to_owned();
        text[..1].make_ascii_uppercase();
        let _ = write!(page, "\n### {}\n\n{text}.\n", it.id);
    }
    page.push_str(AFTER);
    page
}

const BEFORE: &str = "\
# Measured delivery

`attestry metrics` and `GET /api/v1/metrics` compute these numbers from the log alone, by a pure function
([verifier/src/metrics.rs](../verifier/src/metrics.rs)). Whoever has the log at a size gets the same numbers for
that size: `--size N`, or `as_of=N`.

- **Period**: an event counts by the time of its entry, from `--from` up to, not including, `--to`.
- **Watched**: a deployment is watched for DAYS days (`--watch`). Before that time is over, what has not failed is
  **pending**: it is in neither part of a rate, and never a success.
- **Once**: a statement counts at its first entry; a repeat adds a signer and nothing else.
- **n** is what a number is made of; the entries behind it are in `indexes` (ascending, at most 1,000).
- A mean stands beside the median and the 90th percentile (nearest rank: values that occurred). Spans are in
  whole milliseconds, rates in whole hundredths of a percent, rounded half up.
- A request for **several artifacts** is one promotion: deployed when all of them are, failed when one of them
  is. A gate's failure is overturned when the gate has admitted each of them since.
- An incident is **caused** by the deployment that it names: by the deployment's entry, by the request that the
  deployment carries out, or by the artifact, then the newest successful deployment of it there before the
  incident's first event. The newest attribution counts.

This file is written from the code; a test fails when it is stale.

## The numbers
";

const AFTER: &str = "
## The gates

For every gate of every environment, over the decisions of the period: how often it was decided on, how often it
failed, how often it was waived, how many failures were **overturned** (the same gate admitted the same artifact
there in a later decision, without a waiver), and how long requests waited for it: from the request to the newest
entry that the gate rested on, nothing where all of them were older than the request. A gate that never fails, or
whose failures are mostly overturned, costs time and stops nothing.
";
