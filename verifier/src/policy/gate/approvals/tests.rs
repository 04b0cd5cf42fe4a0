use schemas::predicate::approval::Approval;
use schemas::predicate::review;
use schemas::predicate::review::ReviewOutcome;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::cast::{APPROVER, SECURITY};
use crate::fixture::{DAY, HOUR, World, commit};
use crate::policy::gate::cases::{
    Row, Table, app, build_of, check, compromise, other, refused, source, unseen, waived,
};

const ONE: &str = r#"{"approvals":{"count":1,"roles":["release-approver","security"]}}"#;
const TWO: &str = r#"{"approvals":{"count":2,"roles":["release-approver","security"]}}"#;
const FULL: &str = r#"{"approvals":{"count":1,"roles":["release-approver"],"meaning":"release",
    "not":["author","requester"],"within":"72h"}}"#;

/// Asks for `prod`; the build's commit is by `alex`.
fn asked(world: &mut World) -> u64 {
    world.build(&app(), &source()).unwrap();
    world.review(&source(), "alex@acme.example").unwrap();
    world.request(&app(), "prod").unwrap()
}

/// One approval by each of these.
fn by<'a>(people: &'a [(&'a str, &'a str)]) -> impl Fn(&mut World) -> Vec<u64> + 'a {
    move |world| {
        let request = asked(world);
        let approve = |(who, role): &(&str, &str)| world.approve(who, role, request).unwrap();
        people.iter().map(approve).collect()
    }
}

/// One approval by `ben` that says something else than usual.
fn saying(change: impl Fn(&mut Approval)) -> impl Fn(&mut World) -> Vec<u64> {
    move |world| {
        let request = asked(world);
        let mut body = world.approval_body(request, APPROVER);
        change(&mut body);
        vec![world.answer("ben", &body).unwrap()]
    }
}

pub const TABLE: Table = Table {
    gate: r#"{"approvals":{"count":1,"roles":["release-approver"],"meaning":"release",
        "not":["author","requester"],"within":"72h"},"waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(|w| by(&[("ben", APPROVER)])(w), Pass, "1 of 1: ben (release-approver)"),
    fail: Row::case(
        |w| {
            saying(|it| {
                it.outcome = ApprovalOutcome::Rejected;
                it.reason = "on Friday?".to_owned();
            })(w)
        },
        Fail,
        "rejected by ben (release-approver): on Friday?",
    ),
    waived: Row::case(
        |w| {
            asked(w);
            waived(w, "approvals", vec![])
        },
        Waived,
        "\"not reachable\"; 0 of 1",
    ),
    waiting: Row::case(|w| unseen(asked(w)), Waiting, "0 of 1"),
    indeterminate: Row::case(
        |w| {
            w.build(&app(), &source()).unwrap();
            let review = w.review(&source(), "who").unwrap();
            let request = w.request(&app(), "prod").unwrap();
            w.approve("ben", APPROVER, request).unwrap();
            vec![review]
        },
        Indeterminate,
        "author who",
    ),
    another_artifact: Row::case(
        |w| {
            let request = w.request(&other(), "prod").unwrap();
            unseen(w.approve("ben", APPROVER, request).unwrap())
        },
        Waiting,
        "0 of 1, nothing is requested yet",
    ),
    too_old: Row::case(
        |w| {
            let entries = by(&[("ben", APPROVER)])(w);
            w.wait(72 * HOUR + 1);
            entries
        },
        Waiting,
        "0 of 1; ben does not count: it is too old",
    ),
    without_role: Row::case(
        |w| {
            let request = asked(w);
            refused(w.approve("nora", APPROVER, request))
        },
        Waiting,
        "0 of 1",
    ),
};

#[test]
fn nothing_is_approved_before_it_is_requested() {
    check(ONE, |_| vec![], Waiting, "nothing is requested yet");
    let another = |w: &mut World| {
        let request = w.request(&other(), "prod").unwrap();
        w.approve("ben", APPROVER, request).unwrap();
        vec![]
    };
    check(ONE, another, Waiting, "nothing is requested yet");
    let elsewhere = |w: &mut World| {
        let request = w.request(&app(), "staging").unwrap();
        w.approve("ben", APPROVER, request).unwrap();
        vec![]
    };
    check(ONE, elsewhere, Waiting, "nothing is requested yet");
    let expired = |w: &mut World| {
        let request = asked(w);
        let mut body = w.approval_body(request, APPROVER);
        body.expires_at = w.now.plus_ms(90 * DAY);
        w.answer("ben", &body).unwrap();
        w.wait(30 * DAY);
        vec![]
    };
    check(ONE, expired, Waiting, "nothing is requested yet");
}

#[test]
fn distinct_people_are_counted() {
    let (anna, ben, sara) = (("anna", APPROVER), ("ben", APPROVER), ("sara", SECURITY));
    check(TWO, by(&[]), Waiting, "0 of 2");
    check(TWO, by(&[anna]), Waiting, "1 of 2: anna (release-approver)");
    check(TWO, by(&[anna, ben]), Pass, "2 of 2");
    check(TWO, by(&[anna, sara]), Pass, "sara (security)");
    check(TWO, by(&[anna, anna]), Waiting, "1 of 2");
    check(TWO, by(&[anna, ("anna-2", APPROVER)]), Waiting, "1 of 2");
    check(TWO, by(&[anna, ("anna-2", APPROVER), ben]), Pass, "2 of 2");
    check(FULL, by(&[sara]), Waiting, "does not ask for security");
}

#[test]
fn author_and_requester_do_not_count() {
    check(FULL, by(&[("ben", APPROVER)]), Pass, "1 of 1: ben");
    check(FULL, by(&[("alex", APPROVER)]), Waiting, "alex does not count: wrote");
    check(FULL, by(&[("mia", APPROVER)]), Waiting, "mia does not count: asked for it");
    check(ONE, by(&[("alex", APPROVER)]), Pass, "alex");
    for author in ["alexcodes", "alex"] {
        let by_alias = |w: &mut World| {
            w.build(&app(), &source()).unwrap();
            w.review(&source(), author).unwrap();
            let request = w.request(&app(), "prod").unwrap();
            vec![w.approve("alex", APPROVER, request).unwrap()]
        };
        check(FULL, by_alias, Waiting, "wrote");
    }
    let wrote_a_part = |w: &mut World| {
        build_of(w, &[&source(), &commit("lib")]);
        w.review(&source(), "mia@acme.example").unwrap();
        w.review(&commit("lib"), "alexcodes").unwrap();
        let request = w.request(&app(), "prod").unwrap();
        vec![w.approve("alex", APPROVER, request).unwrap()]
    };
    check(FULL, wrote_a_part, Waiting, "wrote");
}

/// Who cannot be told to be somebody else does not approve.
#[test]
fn an_unknown_author_is_never_somebody_else() {
    let request = |w: &mut World| w.request(&app(), "prod").unwrap();
    let no_build = |w: &mut World| {
        request(w);
        vec![]
    };
    check(FULL, no_build, Waiting, "no build is recorded, so the author is unknown");
    let no_review = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        request(w);
        vec![]
    };
    check(FULL, no_review, Waiting, "so its author is unknown");
    let stranger = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        let review = w.review(&source(), "ALEX@acme.example").unwrap();
        let request = request(w);
        w.approve("alex", APPROVER, request).unwrap();
        vec![review]
    };
    check(FULL, stranger, Indeterminate, "is no known identity");
    let one_known = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        let authors = ["alexcodes", "who"];
        let body = w.review_body(&authors, ReviewOutcome::Approved);
        let review = w.record("ci", &source(), review::TYPE, &body).unwrap();
        request(w);
        vec![review]
    };
    check(FULL, one_known, Indeterminate, "author who");
    let no_commit = |w: &mut World| {
        let build = build_of(w, &[]);
        request(w);
        vec![build]
    };
    check(FULL, no_commit, Indeterminate, "does not name all its commits");
}

/// A thief of a build key cannot choose the commit whose author is excluded.
#[test]
fn a_doubtful_build_names_no_author() {
    let tainted_build = |w: &mut World| {
        w.review(&source(), "mia@acme.example").unwrap();
        let entry = w.build(&app(), &source()).unwrap();
        let request = w.request(&app(), "prod").unwrap();
        w.approve("ben", APPROVER, request).unwrap();
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(FULL, tainted_build, Waiting, "compromised");
    let tainted_review = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        let entry = w.review(&source(), "mia@acme.example").unwrap();
        let request = w.request(&app(), "prod").unwrap();
        w.approve("ben", APPROVER, request).unwrap();
        compromise(w, "ci", entry);
        vec![]
    };
    check(FULL, tainted_review, Waiting, "no review of");
    let unreadable = |w: &mut World| {
        by(&[("ben", APPROVER)])(w);
        let kind = schemas::predicate::build::TYPE;
        vec![super::super::cases::unreadable(w, kind)]
    };
    check(FULL, unreadable, Indeterminate, "cannot be read");
}

#[test]
fn an_approval_holds_for_its_meaning_and_its_time() {
    check(FULL, saying(|_| {}), Pass, "ben");
    check(FULL, saying(|it| it.meaning = "review".into()), Waiting, "it means review");
    let aged = |ms: i64| {
        move |w: &mut World| {
            let entries = saying(|_| {})(w);
            w.wait(ms);
            entries
        }
    };
    check(FULL, aged(72 * HOUR), Pass, "ben");
    check(FULL, aged(72 * HOUR + 1), Waiting, "too old");
    check(ONE, aged(7 * DAY - 1001), Pass, "ben");
    check(ONE, aged(7 * DAY), Waiting, "expired");
}

#[test]
fn a_changed_policy_asks_again() {
    let changed = |w: &mut World| {
        let entries = by(&[("ben", APPROVER)])(w);
        w.policy("paul", &crate::fixture::body::policy_json("[]", &format!("[{FULL}]"))).unwrap();
        entries
    };
    check(ONE, changed, Waiting, "the policy has changed since");
}

#[test]
fn a_role_must_still_be_held() {
    let revoked = |w: &mut World| {
        let entries = by(&[("ben", APPROVER)])(w);
        w.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "ben")).unwrap();
        entries
    };
    check(ONE, revoked, Waiting, "no longer release-approver");
    let admin_since = |w: &mut World| {
        let entries = by(&[("ben", APPROVER)])(w);
        let admin = crate::fixture::cast::grant("ben", "admin", &[], "shop");
        w.amend(|it| it.grants.push(admin)).unwrap();
        entries
    };
    check(ONE, admin_since, Waiting, "does not count: the key's holder is an admin");
    let stolen = |w: &mut World| {
        let entries = by(&[("ben", APPROVER)])(w);
        compromise(w, "ben", entries[0]);
        entries
    };
    check(ONE, stolen, Waiting, "compromised");
    let elsewhere = |w: &mut World| {
        let entries = by(&[("ben", APPROVER)])(w);
        w.amend(|it| {
            let staging = vec!["staging".parse().unwrap()];
            let ben = it.grants.iter_mut().find(|it| it.identity.as_str() == "ben");
            ben.unwrap().environments = staging;
        })
        .unwrap();
        entries
    };
    check(ONE, elsewhere, Waiting, "no longer release-approver");
}

#[test]
fn one_rejection_is_enough_until_it_is_withdrawn() {
    let rejected = |w: &mut World| {
        let request = asked(w);
        w.approve("anna", APPROVER, request).unwrap();
        let mut body = w.approval_body(request, APPROVER);
        body.outcome = ApprovalOutcome::Rejected;
        body.reason = "on Friday?".to_owned();
        let entry = w.answer("ben", &body).unwrap();
        (request, entry)
    };
    let stands = |w: &mut World| vec![rejected(w).1];
    check(ONE, stands, Fail, "rejected by ben (release-approver): on Friday?");
    let withdrawn = |w: &mut World| {
        let (request, entry) = rejected(w);
        withdraw(w, request, entry);
        vec![entry - 1]
    };
    check(ONE, withdrawn, Pass, "1 of 1: anna");
    let grant_withdrawn = |w: &mut World| {
        let request = asked(w);
        let entry = w.approve("ben", APPROVER, request).unwrap();
        withdraw(w, request, entry);
        vec![]
    };
    check(ONE, grant_withdrawn, Waiting, "0 of 1");
}

/// An objection holds as long as an approval would, and through a change of policy.
#[test]
fn a_rejection_expires_as_approvals_do() {
    let rejected = |ms: i64| {
        move |w: &mut World| {
            let request = asked(w);
            let mut body = w.approval_body(request, APPROVER);
            (body.outcome, body.meaning) = (ApprovalOutcome::Rejected, "review".into());
            let entry = w.answer("ben", &body).unwrap();
            w.wait(ms);
            vec![entry]
        }
    };
    check(FULL, rejected(72 * HOUR), Fail, "rejected by ben");
    check(FULL, rejected(72 * HOUR + 1), Waiting, "ben does not count: it is too old");
    check(ONE, rejected(7 * DAY - 1001), Fail, "rejected by ben");
    check(ONE, rejected(7 * DAY), Waiting, "ben does not count: it has expired");
    let policy_changed = |w: &mut World| {
        let entries = rejected(0)(w);
        w.policy("paul", &crate::fixture::body::policy_json("[]", &format!("[{FULL}]"))).unwrap();
        entries
    };
    check(ONE, policy_changed, Fail, "rejected by ben");
}

/// `ben` takes back what he signed at an entry.
fn withdraw(world: &mut World, request: u64, entry: u64) {
    let (_, open) = world.open_request(request);
    let given = open.approvals.iter().find(|it| it.entry == entry).unwrap();
    let mut body = world.approval_body(request, APPROVER);
    body.outcome = ApprovalOutcome::Withdrawn;
    body.withdraws = Some(given.statement);
    world.answer("ben", &body).unwrap();
}

/// A gate for one approval with these further parameters.
fn gate(rest: &str) -> String {
    format!(r#"{{"approvals":{{"count":1,"roles":["release-approver","security"],{rest}}}}}"#)
}

#[test]
fn a_committer_does_not_count() {
    let gate = gate(r#""not":["committer"]"#);
    let committed = |names: Option<&'static [&'static str]>| {
        move |w: &mut World| {
            w.build(&app(), &source()).unwrap();
            let mut body = w.review_body(&["alexcodes"], ReviewOutcome::Approved);
            body.committers = names.map(|it| it.iter().map(|name| (*name).to_owned()).collect());
            let review = w.record("ci", &source(), review::TYPE, &body).unwrap();
            let request = w.request(&app(), "prod").unwrap();
            let known = names.is_some_and(|it| !it.contains(&"who"));
            let approval = w.approve("ben", APPROVER, request).unwrap();
            vec![if known { approval } else { review }]
        }
    };
    check(&gate, committed(Some(&["alexcodes"])), Pass, "1 of 1: ben");
    check(&gate, committed(Some(&["ben@acme.example"])), Waiting, "ben does not count: committed");
    check(&gate, committed(None), Indeterminate, "names no committer");
    check(&gate, committed(Some(&["who"])), Indeterminate, "committer who of ");
}

#[test]
fn an_implementer_does_not_count() {
    let gate = gate(r#""not":["implementer"]"#);
    check(&gate, by(&[("ben", APPROVER)]), Pass, "1 of 1: ben");
    let may = |w: &mut World, kind: &str| {
        let grant = crate::fixture::cast::grant("ben", "emitter", &[kind], "payments");
        w.amend(|it| it.grants.push(grant)).unwrap();
    };
    let built = |w: &mut World| {
        may(w, "build");
        let body = crate::fixture::body::build(crate::fixture::body::BUILDER, &[]);
        w.record("ben", &app(), schemas::predicate::build::TYPE, &body).unwrap();
        let request = w.request(&app(), "prod").unwrap();
        vec![w.approve("ben", APPROVER, request).unwrap()]
    };
    check(&gate, built, Waiting, "ben does not count: built it");
    let deployed = |w: &mut World| {
        may(w, "deployment");
        w.build(&app(), &source()).unwrap();
        let result = schemas::predicate::deployment::DeploymentResult::Succeeded;
        let body = w.deployment_body("staging", result);
        let kind = schemas::predicate::deployment::TYPE;
        w.record("ben", &app(), kind, &body).unwrap();
        let request = w.request(&app(), "prod").unwrap();
        vec![w.approve("ben", APPROVER, request).unwrap()]
    };
    check(&gate, deployed, Waiting, "ben does not count: deployed it to staging");
    let no_build = |w: &mut World| {
        w.request(&app(), "prod").unwrap();
        vec![]
    };
    check(&gate, no_build, Waiting, "so the implementer is unknown");
}

#[test]
fn some_roles_must_be_there() {
    let gate = r#"{"approvals":{"count":2,"roles":["release-approver","security"],
        "each":{"security":1}}}"#;
    let (anna, ben, sara) = (("anna", APPROVER), ("ben", APPROVER), ("sara", SECURITY));
    check(gate, by(&[anna, ben]), Waiting, "2 of 2: anna (release-approver), ben");
    check(gate, by(&[anna, ben]), Waiting, "; 0 of 1 security");
    check(gate, by(&[sara]), Waiting, "1 of 2: sara (security)");
    check(gate, by(&[anna, sara]), Pass, "2 of 2");
}

/// A person counts once, in whatever roles they sign.
#[test]
fn two_roles_of_one_person_are_one_person() {
    let gate = r#"{"approvals":{"count":2,"roles":["release-approver","security"],
        "each":{"release-approver":1,"security":1}}}"#;
    let both = |w: &mut World| {
        let grant = crate::fixture::cast::grant("anna", SECURITY, &[], "payments");
        w.amend(|it| it.grants.push(grant)).unwrap();
        by(&[("anna", APPROVER), ("anna", SECURITY)])(w)
    };
    check(gate, both, Waiting, "1 of 2: anna (release-approver), anna (security)");
}

#[test]
fn only_people_of_a_group_count() {
    let gate = gate(r#""groups":["leads"]"#);
    let json = crate::fixture::body::policy_json("[]", &format!("[{gate}]"));
    let groups = r#""groups":{"leads":["anna","mia"],"others":["ben"]},"environments""#;
    let json = json.replacen(r#""environments""#, groups, 1);
    let of = |who: &'static str, verdict, reason: &str| {
        let mut world = World::new();
        world.policy("paul", &json).unwrap();
        let request = asked(&mut world);
        let entry = world.approve(who, APPROVER, request).unwrap();
        let answer = crate::policy::gate::cases::ask(&world).remove(0);
        crate::policy::gate::cases::assert_answer(&answer, verdict, reason, &[entry]);
    };
    of("anna", Pass, "1 of 1: anna");
    of("ben", Waiting, "ben does not count: not of leads");
}

#[test]
fn a_key_is_held_as_the_policy_asks() {
    let gate = gate(r#""signing":["key"]"#);
    check(&gate, by(&[("ben", APPROVER)]), Pass, "1 of 1: ben");
}

#[test]
fn an_approval_by_nobody_in_particular_is_refused() {
    let mut world = World::with_gates("[]", &format!("[{ONE}]"));
    let request = asked(&mut world);
    for who in ["nora", "ci", "adam", "stranger", "root-1"] {
        assert!(world.approve(who, APPROVER, request).is_err(), "{who}");
    }
}

#[test]
fn a_reason_tells_whose_answer_does_not_count() {
    let anna = "anna".parse().unwrap();
    let check = |reason: &str, expected: Option<&str>| {
        assert_eq!(why_not(reason, &anna, APPROVER), expected, "{reason}");
    };
    check("0 of 2", None);
    check("0 of 2; anna does not count: wrote 9c27d10", Some("wrote 9c27d10"));
    check("1 of 2: ben (security); ben2 does not count: x; anna does not count: y", Some("y"));
    check("0 of 2; joanna does not count: wrote 9c27d10", None);
    // She signed twice, and one of the two counts.
    check("1 of 2: anna (release-approver); anna does not count: it has expired", None);
    check("1 of 2: anna (security); anna does not count: no longer x", Some("no longer x"));
    check("rejected by anna (release-approver): later; anna does not count: x", None);
}
