//! The append: receipts, repeats, refusals, forks, restarts.

use ledger::init::{generate_key, sign_trust};
use ledger::{LedgerError, Submission};
use schemas::report::Code;
use verifier::receipt::verify_receipt;
use verifier::signature::SigningKey;

use crate::world::world;

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_event_has_a_receipt_and_a_repeat_has_the_same() {
    let world = world().await;
    let envelope = world.note("hello", &world.writer);
    let logged = world.submit(envelope.clone()).await.unwrap();
    assert_eq!((logged.index, logged.repeated), (2, false));
    let verified = verify_receipt(logged.receipt.as_bytes(), world.ledger.pin().log()).unwrap();
    assert_eq!(verified.index(), 2);
    let again = world.submit(envelope).await.unwrap();
    assert_eq!((again.index, again.repeated), (2, true));
    assert_eq!(world.ledger.size().await.unwrap(), 3);
    let report = world.verify().await;
    assert_eq!((report.findings, report.size), (vec![], 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_and_logs_what_may_be() {
    let world = world().await;
    let good = world.note("good", &world.writer);
    let stranger = generate_key().unwrap();
    let batch = [good.clone(), world.note("bad", &stranger), b"{}".to_vec(), good]
        .map(|envelope| Submission { envelope, project: None, attachments: Vec::new() });
    let answers = world.ledger.submit(batch.into()).await.unwrap();
    let codes: Vec<Option<Code>> = answers
        .iter()
        .map(|answer| match answer {
            Err(LedgerError::Refused(finding)) => Some(finding.code),
            _ => None,
        })
        .collect();
    let expected = [None, Some(Code::SignatureInvalid), Some(Code::EnvelopeMalformed), None];
    assert_eq!(codes, expected);
    assert!(answers[3].as_ref().unwrap().repeated);
    assert_eq!(world.ledger.size().await.unwrap(), 3);
    assert_eq!(world.verify().await.findings, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_restored_from_an_older_copy_signs_nothing() {
    let world = world().await;
    let root = world.ledger.folder().root.clone();
    let old = world.folder.path().join("old.db");
    world.submit(world.note("one", &world.writer)).await.unwrap();
    world.ledger.close().await;
    std::fs::copy(root.join("ledger.db"), &old).unwrap();
    let ledger = world.reopen(&root).await.unwrap();
    let two = Submission {
        envelope: world.note("two", &world.writer),
        project: None,
        attachments: Vec::new(),
    };
    ledger.submit(vec![two]).await.unwrap().remove(0).unwrap();
    ledger.close().await;
    std::fs::copy(&old, root.join("ledger.db")).unwrap();
    let refused = world.reopen(&root).await.err().unwrap();
    assert!(matches!(&refused, LedgerError::Forked(_)), "{refused}");
    // The file beside the database gone, the high-water file still knows.
    std::fs::remove_file(root.join("checkpoint")).unwrap();
    let refused = world.reopen(&root).await.err().unwrap();
    assert!(refused.to_string().contains("high-water"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_behind_or_ahead_stops_the_append() {
    let world = world().await;
    for (ms, stops) in [(-4 * 60_000, false), (-6 * 60_000, true), (40 * 86_400_000, true)] {
        world.clock.advance(ms);
        let one = Submission {
            envelope: world.note("x", &world.writer),
            project: None,
            attachments: Vec::new(),
        };
        let answer = world.ledger.submit(vec![one]).await;
        assert_eq!(matches!(answer, Err(LedgerError::Clock { .. })), stops, "{ms}");
        world.clock.advance(-ms);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_roots_change_trust() {
    let world = world().await;
    let trust = world.ledger.control().await.unwrap().trust.unwrap();
    let stranger = [generate_key().unwrap()];
    let forged = sign_trust(&trust.document, Some(trust.statement), &stranger).unwrap();
    let Err(LedgerError::Refused(finding)) = world.submit(forged).await else { panic!() };
    assert_eq!(finding.code, Code::SignatureInvalid);
    let writer = [SigningKey::from_pkcs8_pem(&world.writer.to_pkcs8_pem().unwrap()).unwrap()];
    let forged = sign_trust(&trust.document, Some(trust.statement), &writer).unwrap();
    let Err(LedgerError::Refused(finding)) = world.submit(forged).await else { panic!() };
    assert_eq!(finding.code, Code::ThresholdMissed);
    let stale = sign_trust(&trust.document, None, &[world.root]).unwrap();
    let one = Submission { envelope: stale, project: None, attachments: Vec::new() };
    let answer = world.ledger.submit(vec![one]).await.unwrap().remove(0);
    let Err(LedgerError::Refused(finding)) = answer else { panic!() };
    assert_eq!(finding.code, Code::NotReplacing);
}
