//! Endpoints, their place in the log, leases, and what became of deliveries.

use schemas::id::{KeyId, Time};

use super::hash;
use crate::store::Store;
use crate::store::outbox::{
    Attempt, Delivery, Endpoint, KEPT_MAX, Lease, Message, NOTICE, NOTICE_MS_KEPT, REVIEW_NOTICE,
    Subscription, WAITING_MAX,
};

const KEY: u64 = 7;

fn subscription(url: &str) -> Subscription {
    let key: KeyId = hash(KEY);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (projects, kinds) = (names(&["a", "b"]), names(&[]));
    Subscription { url: url.into(), projects, kinds, key }
}

fn message(suppression: &str, index: u64) -> Message {
    Message {
        suppression: suppression.into(),
        webhook: format!("evt_{index}"),
        kind: "promotion.granted".into(),
        index,
        body: format!("{{\"index\":{index}}}"),
    }
}

async fn claim<S: Store>(store: &S, size: u64, holder: &str, now: i64) -> Option<Endpoint> {
    let (now, until) = (Time(now), Time(now + 100));
    store.claim(&hash(KEY), size, holder, now, until).await.unwrap()
}

async fn due<S: Store>(store: &S, lease: &Lease, now: i64) -> Option<Delivery> {
    store.next_due(lease, Time(now), Time(now + 100)).await.unwrap()
}

fn lease(endpoint: u64, holder: &str) -> Lease {
    Lease { endpoint, holder: holder.into() }
}

/// An endpoint that somebody has claimed, with these messages.
async fn filled<S: Store>(store: &S, messages: &[Message]) -> Lease {
    let id = store.add_endpoint(&subscription("https://a.example/"), 0).await.unwrap();
    assert_eq!(claim(store, 1, "one", 0).await.unwrap().id, id);
    let lease = lease(id, "one");
    assert!(store.fill(&lease, 0, 1, messages, Time(0)).await.unwrap());
    lease
}

pub async fn endpoints<S: Store>(store: &S) {
    assert_eq!(store.endpoints().await.unwrap(), []);
    let (a, b) = (subscription("https://a.example/x?y=1"), subscription("https://b.example/"));
    let first = store.add_endpoint(&a, 5).await.unwrap();
    let second = store.add_endpoint(&b, 6).await.unwrap();
    let expected =
        |id, subscription, next| Endpoint { id, subscription, next, disabled: None, waiting: 0 };
    let all = [expected(first, a, 5), expected(second, b.clone(), 6)];
    assert_eq!(store.endpoints().await.unwrap(), all);
    let lease = lease(claim(store, 6, "one", 0).await.unwrap().id, "one");
    assert_eq!(lease.endpoint, first, "nothing is new for the second");
    assert!(store.fill(&lease, 5, 6, &[message("x", 5)], Time(0)).await.unwrap());
    assert!(store.remove_endpoint(first).await.unwrap());
    assert!(!store.remove_endpoint(first).await.unwrap());
    assert_eq!(store.deliveries(false, 9).await.unwrap(), [], "they went with it");
    assert!(store.add_endpoint(&b, 0).await.unwrap() > second, "no id is given twice");
}

/// The same outcome is told once, and a place that somebody else has moved stays where it is.
pub async fn places_move_with_their_deliveries<S: Store>(store: &S) {
    let id = store.add_endpoint(&subscription("https://a.example/"), 0).await.unwrap();
    assert_eq!(claim(store, 0, "one", 0).await, None, "nothing is published");
    let lease = lease(claim(store, 9, "one", 0).await.unwrap().id, "one");
    let granted = "promotion:P-1:granted";
    let messages = [message(granted, 2), message("other", 3), message(granted, 4)];
    assert!(store.fill(&lease, 0, 5, &messages, Time(1)).await.unwrap());
    assert!(!store.fill(&lease, 0, 5, &messages, Time(1)).await.unwrap(), "moved already");
    assert!(store.fill(&lease, 5, 9, &[message(granted, 7)], Time(1)).await.unwrap());
    let found: Vec<u64> =
        store.deliveries(false, 9).await.unwrap().iter().map(|it| it.message.index).collect();
    assert_eq!(found, [3, 2]);
    let endpoint = store.endpoints().await.unwrap().remove(0);
    assert_eq!((endpoint.id, endpoint.next, endpoint.waiting), (id, 9, 2));
}

pub async fn one_holder_at_a_time<S: Store>(store: &S) {
    let one = filled(store, &[message("x", 0)]).await;
    let two = lease(one.endpoint, "two");
    assert_eq!(claim(store, 9, "two", 99).await, None);
    assert_eq!(due(store, &two, 99).await, None);
    let first = due(store, &one, 99).await.unwrap();
    assert_eq!(claim(store, 9, "two", 198).await, None, "it was renewed");
    assert_eq!(claim(store, 9, "two", 199).await.unwrap().id, two.endpoint);
    // Who was paused finds that it has lost the lease, and changes nothing.
    assert!(!store.settle(&one, first.id, &Attempt::Delivered, "204", Time(200)).await.unwrap());
    assert!(!store.fill(&one, 1, 2, &[], Time(200)).await.unwrap());
    store.release(&one, Time(200)).await.unwrap();
    assert_eq!(claim(store, 9, "three", 200).await, None);
    let again = due(store, &two, 200).await.unwrap();
    assert_eq!(again, first, "told again, by the same id");
    assert!(store.settle(&two, again.id, &Attempt::Delivered, "204", Time(201)).await.unwrap());
    store.release(&two, Time(201)).await.unwrap();
    assert_eq!(claim(store, 1, "three", 202).await, None, "nothing is left to do");
    assert_eq!(claim(store, 2, "three", 202).await.unwrap().next, 1);
    // Another key is not ours to claim.
    store.release(&lease(one.endpoint, "three"), Time(203)).await.unwrap();
    let other = store.claim(&hash(8), 9, "four", Time(204), Time(300)).await.unwrap();
    assert_eq!(other, None);
    // Of several that claim at once, one gets it.
    let (a, b) = tokio::join!(claim(store, 9, "a", 210), claim(store, 9, "b", 210));
    assert_eq!([a, b].iter().flatten().count(), 1);
}

pub async fn attempts<S: Store>(store: &S) {
    let lease = filled(store, &[message("x", 0), message("y", 1), message("z", 2)]).await;
    let settle = async |id, attempt: Attempt, answer: &str, now| {
        assert!(store.settle(&lease, id, &attempt, answer, Time(now)).await.unwrap());
    };
    let first = due(store, &lease, 1).await.unwrap();
    assert_eq!((first.message.clone(), first.attempts), (message("x", 0), 0));
    settle(first.id, Attempt::Retry(Time(50)), "500", 2).await;
    let second = due(store, &lease, 3).await.unwrap();
    assert_eq!(second.message, message("y", 1), "one that waits keeps no other waiting");
    settle(second.id, Attempt::GivenUp, "404", 4).await;
    let third = due(store, &lease, 5).await.unwrap();
    settle(third.id, Attempt::Delivered, "204", 6).await;
    assert_eq!(due(store, &lease, 49).await, None);
    let again = due(store, &lease, 50).await.unwrap();
    assert_eq!(
        (again.message, again.attempts, again.answer),
        (first.message, 1, Some("500".into()))
    );
    let told = |it: &Delivery| (it.message.index, it.due, it.delivered, it.attempts);
    let all: Vec<_> = store.deliveries(false, 9).await.unwrap().iter().map(told).collect();
    let expected = [(2, None, Some(Time(6)), 1), (1, None, None, 1), (0, Some(Time(50)), None, 1)];
    assert_eq!(all, expected);
    let given_up: Vec<u64> =
        store.deliveries(true, 9).await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(given_up, [second.id]);
    // Replayed as if it were new.
    assert!(store.replay(second.id, Time(60)).await.unwrap());
    assert!(!store.replay(9999, Time(60)).await.unwrap());
    settle(first.id, Attempt::Delivered, "200", 61).await;
    let replayed = due(store, &lease, 61).await.unwrap();
    assert_eq!((replayed.id, replayed.attempts, replayed.since), (second.id, 0, Time(60)));
    // Gone: nothing more is sent there.
    settle(replayed.id, Attempt::Gone, "410 Gone", 62).await;
    store.release(&lease, Time(63)).await.unwrap();
    assert_eq!(store.endpoints().await.unwrap()[0].disabled.as_deref(), Some("410 Gone"));
    assert_eq!(claim(store, 9, "two", 99).await, None);
}

pub async fn what_waits_and_what_is_kept_is_bounded<S: Store>(store: &S) {
    let messages: Vec<Message> =
        (0..WAITING_MAX + 1).map(|index| message(&index.to_string(), index)).collect();
    let lease = filled(store, &messages).await;
    store.release(&lease, Time(-5)).await.unwrap();
    assert_eq!(claim(store, 9, "two", -1).await, None, "full, and nothing is due yet");
    assert!(claim(store, 9, "one", 0).await.is_some());
    while let Some(delivery) = due(store, &lease, 0).await {
        let id = delivery.id;
        assert!(store.settle(&lease, id, &Attempt::Delivered, "204", Time(0)).await.unwrap());
    }
    store.release(&lease, Time(0)).await.unwrap();
    let kept = store.deliveries(false, u32::MAX).await.unwrap();
    assert_eq!(kept.len() as u64, KEPT_MAX);
    assert_eq!(kept.last().unwrap().message.index, 1, "the oldest has gone");
}

/// A notice comes from no entry: it is told once because it is kept, whatever else was sent since.
pub async fn notices_are_told_once<S: Store>(store: &S) {
    let notice = |gate: &str| {
        let suppression = format!("overdue:P-1:{gate}");
        Message { kind: NOTICE.into(), ..message(&suppression, 1) }
    };
    let notify =
        async |notices: &[(u64, Message)], now| store.notify(notices, Time(now)).await.unwrap();
    let one = filled(store, &[]).await;
    let id = one.endpoint;
    let review = (id, Message { kind: REVIEW_NOTICE.into(), ..message("review-overdue:P-1", 1) });
    assert_eq!(notify(std::slice::from_ref(&review), 4).await, 1);
    let both = [(id, notice("soak")), (id, notice("approvals")), (id + 1, notice("soak"))];
    assert_eq!(notify(&both, 5).await, 2, "there is no other endpoint");
    assert_eq!(notify(&both, 6).await, 0);
    // The log's own deliveries come and go beside them.
    let messages: Vec<Message> =
        (2..KEPT_MAX + 2).map(|index| message(&index.to_string(), index)).collect();
    for some in messages.chunks(100) {
        let from = store.endpoints().await.unwrap()[0].next;
        assert!(store.fill(&one, from, from + 1, some, Time(7)).await.unwrap());
        while let Some(it) = due(store, &one, 8).await {
            assert!(store.settle(&one, it.id, &Attempt::Delivered, "204", Time(8)).await.unwrap());
        }
    }
    store.release(&one, Time(9)).await.unwrap();
    let kept = async || store.deliveries(false, u32::MAX).await.unwrap().len() as u64;
    assert_eq!(kept().await, KEPT_MAX + 3, "they are older than all of these, and stay");
    assert_eq!(notify(&both, 10).await, 0);
    assert!(claim(store, 0, "one", 20).await.is_none(), "nothing is due");
    // By then no request of which they told can be open.
    let over = 5 + NOTICE_MS_KEPT;
    let published = store.endpoints().await.unwrap()[0].next + 1;
    assert!(claim(store, published, "one", over).await.is_some());
    store.release(&one, Time(over)).await.unwrap();
    assert_eq!(kept().await, KEPT_MAX + 1);
    // A review is overdue for as long as nobody signs it.
    assert_eq!(notify(&[review], over + 1).await, 0);
}

pub async fn notices_keep_to_the_room_there_is<S: Store>(store: &S) {
    let messages: Vec<Message> =
        (0..WAITING_MAX).map(|index| message(&index.to_string(), index)).collect();
    let one = filled(store, &messages).await;
    let notice =
        [(one.endpoint, Message { kind: NOTICE.into(), ..message("overdue:P-1:soak", 1) })];
    assert_eq!(store.notify(&notice, Time(1)).await.unwrap(), 0, "full");
    let first = due(store, &one, 1).await.unwrap();
    assert!(store.settle(&one, first.id, &Attempt::Gone, "410", Time(2)).await.unwrap());
    assert_eq!(store.notify(&notice, Time(3)).await.unwrap(), 0, "it wants nothing any more");
    let two = store.add_endpoint(&subscription("https://b.example/"), 0).await.unwrap();
    let notice = [(two, notice[0].1.clone())];
    assert_eq!(store.notify(&notice, Time(4)).await.unwrap(), 1);
    assert_eq!(claim(store, 0, "two", 5).await.unwrap().id, two, "it is due at once");
}
