//! Responses of the reaction endpoints, and the rule of one reaction for each user.

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    counter_snapshot::{CounterProbe, key},
    response::Response,
    test_app::{TestApp, TestUser},
};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

async fn react(app: &TestApp, user: &TestUser, snack: &str, kind: &str) -> Response {
    app.post(user, &format!("/snacks/{snack}/reaction"), json!({"type": kind})).await
}

async fn cancel(app: &TestApp, user: &TestUser, snack: &str) -> Response {
    app.delete(user, &format!("/snacks/{snack}/reaction")).await
}

/// Likes, hates and ratio of a response or a snack.
fn figures(body: &Value) -> (i64, i64, f64) {
    let count = |name: &str| body[name].as_i64().expect("a count");
    let ratio = body["like_ratio"].as_f64().expect("a ratio");
    (count("like_reaction_count"), count("hate_reaction_count"), ratio)
}

async fn rows(app: &TestApp) -> Vec<(i64, String)> {
    sqlx::query_as("SELECT user_id, type::text FROM snack_reactions ORDER BY user_id, snack_id")
        .fetch_all(app.db())
        .await
        .expect("the rows")
}

#[tokio::test]
async fn a_reaction_is_left_changed_over_and_taken_back() {
    let app = TestApp::start().await;
    let (one, two) = (app.member().await, app.member().await);
    let uid = app.snack(&one, "새우깡").await;
    let steps = [
        (&one, Some("like"), (1, 0, 1.0)),
        (&two, Some("like"), (2, 0, 2.0)),
        (&two, Some("hate"), (1, 1, 1.0)),
        (&one, Some("hate"), (0, 2, 0.0)),
        (&one, None, (0, 1, 0.0)),
        (&two, Some("like"), (1, 0, 1.0)),
        (&two, None, (0, 0, 1.0)),
        (&one, Some("hate"), (0, 1, 0.0)),
    ];
    // Once counted in Postgres, once with counters in Redis, once with a flush after each step.
    for round in 0..3 {
        for (user, step, expected) in steps {
            let body = match step {
                Some(kind) => react(&app, user, &uid, kind).await.expect(200),
                None => cancel(&app, user, &uid).await.expect(200),
            };
            assert_eq!(body["snack_uid"], uid.as_str());
            assert_eq!(body["my_reaction"], json!(step));
            assert_eq!(figures(&body), expected, "round {round}, {step:?}");
            assert_eq!(body.as_object().expect("an object").len(), 5);
            let snack = app.get(user, &format!("/snacks/{uid}")).await.expect(200);
            assert_eq!((figures(&snack), &snack["my_reaction"]), (expected, &json!(step)));
            if round == 2 {
                app.flush().await;
            }
        }
        cancel(&app, &one, &uid).await.expect(200);
        app.flush().await;
    }
}

#[tokio::test]
async fn the_same_reaction_twice_is_refused_in_the_words_of_the_contract() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    for kind in ["like", "hate"] {
        react(&app, &member, &uid, kind).await.expect(200);
        let twice = react(&app, &member, &uid, kind).await.expect_error(409, "duplicate_reaction");
        let expected = json!({"type": "about:blank", "title": "Conflict", "status": 409, "code": "duplicate_reaction",
            "detail": "중복해서 reaction 을 남길 수 없습니다.", "errors": []});
        assert_eq!(twice.0, expected);
    }
    let english = app
        .request(Method::POST, &format!("/snacks/{uid}/reaction"))
        .bearer_auth(&member.access)
        .header("accept-language", "en-GB, ko;q=0.5")
        .json(&json!({"type": "hate"}));
    let english = app.send(english).await.expect_error(409, "duplicate_reaction");
    assert_eq!(english["detail"], "You have left this reaction already.");
    assert_eq!(rows(&app).await, [(member.id, "hate".to_owned())]);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_reacted_to_or_taken_back() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let uid = app.snack(&member, "새우깡").await;
    for unknown in [UNKNOWN, "새우깡", "1", "%FF"] {
        react(&app, &member, unknown, "like").await.expect_error(404, "not_found");
        cancel(&app, &member, unknown).await.expect_error(404, "not_found");
    }
    cancel(&app, &member, &uid).await.expect_error(404, "reaction_not_found");
    react(&app, &other, &uid, "like").await.expect(200);
    cancel(&app, &member, &uid).await.expect_error(404, "reaction_not_found");
    cancel(&app, &other, &uid).await.expect(200);
    cancel(&app, &other, &uid).await.expect_error(404, "reaction_not_found");
    let path = format!("/snacks/{uid}/reaction");
    app.post_open(&path, json!({"type": "like"})).await.expect_error(401, "not_authenticated");
    app.send(app.request(Method::DELETE, &path)).await.expect_error(401, "not_authenticated");
}

#[tokio::test]
async fn what_is_wrong_with_the_request_comes_before_what_is_wrong_with_the_path() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    let table = [
        (json!({"type": "love"}), "invalid_request"),
        (json!({"type": "Like"}), "invalid_request"),
        (json!({"type": ""}), "invalid_request"),
        (json!({"type": null}), "invalid_request"),
        (json!({"type": 1}), "invalid_request"),
        (json!({}), "validation_failed"),
        (json!([]), "invalid_request"),
        (json!("like"), "invalid_request"),
    ];
    for (body, code) in table {
        for snack in [uid.as_str(), UNKNOWN, "x"] {
            let path = format!("/snacks/{snack}/reaction");
            app.post(&member, &path, body.clone()).await.expect_error(400, code);
        }
    }
    assert!(rows(&app).await.is_empty());
}

#[tokio::test]
async fn of_fifty_equal_reactions_of_one_member_at_once_one_counts() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    for (kind, expected) in [("like", (1, 0, 1.0)), ("hate", (0, 1, 0.0))] {
        let attempts = (0..50).map(|at| react(if at % 2 == 0 { &app } else { &replica }, &member, &uid, kind));
        let (successes, failures): (Vec<_>, Vec<_>) =
            join_all(attempts).await.into_iter().partition(|response| response.status == 200);
        assert_eq!((successes.len(), failures.len()), (1, 49), "{kind}");
        for response in successes {
            assert_eq!(figures(&response.expect(200)), expected);
        }
        for response in failures {
            response.expect_error(409, "duplicate_reaction");
        }
        assert_eq!(rows(&app).await, [(member.id, kind.to_owned())]);
        app.flush().await;
    }
    let probe = CounterProbe::open(&app).await;
    probe.converge(&app).await;
}

#[tokio::test]
async fn likes_hates_and_cancels_of_one_member_at_once_leave_one_reaction_at_the_most() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let probe = CounterProbe::open(&app).await;
    for round in 0..4 {
        let uid = app.snack(&member, &format!("간식 {round}")).await;
        let likes = join_all((0..20).map(|_| react(&app, &member, &uid, "like")));
        let hates = join_all((0..20).map(|_| react(&app, &member, &uid, "hate")));
        let cancels = join_all((0..10).map(|_| cancel(&app, &member, &uid)));
        let (mut responses, cancels) = join(join(likes, hates), cancels).await;
        responses.0.append(&mut responses.1);
        for response in responses.0 {
            match response.status.as_u16() {
                409 => drop(response.expect_error(409, "duplicate_reaction")),
                _ => drop(response.expect(200)),
            }
        }
        for response in cancels {
            match response.status.as_u16() {
                404 => drop(response.expect_error(404, "reaction_not_found")),
                _ => drop(response.expect(200)),
            }
        }
        let snack = app.get(&member, &format!("/snacks/{uid}")).await.expect(200);
        let mine = snack["my_reaction"].as_str();
        let expected = (i64::from(mine == Some("like")), i64::from(mine == Some("hate")));
        app.flush().await;
        assert_eq!(probe.snapshots(&app).await[&uid].rows, expected);
    }
    probe.converge(&app).await;
}

#[tokio::test]
async fn every_response_of_many_at_once_counts_its_own_reaction() {
    let app = TestApp::start().await;
    let users = app.users(30).await;
    let uid = app.snack(&users[0], "새우깡").await;
    // First without counters in Redis, then with them.
    for kind in ["like", "hate"] {
        let responses = join_all(users.iter().map(|user| react(&app, user, &uid, kind))).await;
        let mut highest = 0;
        for response in responses {
            let body = response.expect(200);
            let (likes, hates, _) = figures(&body);
            let own = if kind == "like" { likes } else { hates };
            assert!((1..=30).contains(&own) && likes + hates <= 30, "{:?}", body.0);
            highest = highest.max(own);
        }
        assert_eq!(highest, 30, "the last one counts them all");
        let snack = app.get(&users[0], &format!("/snacks/{uid}")).await.expect(200);
        let expected = if kind == "like" { (30, 0, 30.0) } else { (0, 30, 0.0) };
        assert_eq!(figures(&snack), expected);
        app.flush().await;
    }
}

#[tokio::test]
async fn a_snack_is_counted_at_once_and_the_list_after_the_flush() {
    let app = TestApp::start().await;
    let (one, two) = (app.member().await, app.member().await);
    let uid = app.snack(&one, "새우깡").await;
    app.snack(&one, "감자깡").await;
    let path = format!("/snacks/{uid}");
    let listed = async || {
        let list = app.get(&one, &format!("/snacks?uid={uid}")).await.expect(200);
        figures(&list.rows()[0])
    };
    react(&app, &one, &uid, "hate").await.expect(200);
    assert_eq!(figures(&app.get(&one, &path).await.expect(200)), (0, 1, 0.0));
    assert_eq!(listed().await, (0, 0, 1.0));
    assert_eq!(app.flush().await, 1);
    assert_eq!(listed().await, (0, 1, 0.0));

    react(&app, &two, &uid, "like").await.expect(200);
    react(&app, &one, &uid, "like").await.expect(200);
    assert_eq!(figures(&app.get(&one, &path).await.expect(200)), (2, 0, 2.0));
    assert_eq!(listed().await, (0, 1, 0.0));
    assert_eq!(app.get(&one, "/snacks").await.expect(200).column("name"), ["감자깡", "새우깡"]);
    assert_eq!(app.flush().await, 1);
    assert_eq!(listed().await, (2, 0, 2.0));
    assert_eq!(app.get(&one, "/snacks").await.expect(200).column("name"), ["새우깡", "감자깡"]);
    assert_eq!(app.flush().await, 0, "nothing has changed since");
}

/// Number of connections on which the reactions of a single snack were counted.
async fn counts_of_one(app: &TestApp) -> i64 {
    let statements = "SELECT count(*) FROM pg_prepared_statements
        WHERE statement LIKE 'SELECT count(*)%FROM snack_reactions WHERE snack_id = (SELECT id FROM snacks WHERE uid = $1)'";
    // All that there can be, so that none is left out which is just being returned.
    let connections = join_all((0..app.db().options().get_max_connections()).map(|_| app.db().acquire())).await;
    let mut sum = 0;
    for connection in connections {
        let mut connection = connection.expect("a connection");
        let count: i64 = sqlx::query_scalar(statements).fetch_one(&mut *connection).await.expect("a number");
        sum += count;
    }
    sum
}

#[tokio::test]
async fn a_snack_that_was_never_counted_takes_no_statement_for_its_counts() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    let shown = async || figures(&app.get(&member, &format!("/snacks/{uid}")).await.expect(200));
    assert_eq!(shown().await, (0, 0, 1.0));
    app.add_reactions(&uid, 3, 2).await;
    assert_eq!(shown().await, (3, 2, 1.5));
    assert_eq!(counts_of_one(&app).await, 0);
    // Once Redis should have counts and has lost them, they are counted by themselves.
    app.flush().await;
    CounterProbe::open(&app).await.wipe().await;
    assert_eq!(shown().await, (3, 2, 1.5));
    assert_ne!(counts_of_one(&app).await, 0);
}

#[tokio::test]
async fn the_counters_in_redis_have_the_keys_of_the_contract_and_live_for_ever() {
    let app = TestApp::start().await;
    let users = app.users(3).await;
    let uid = app.snack(&users[0], "새우깡").await;
    app.snack(&users[0], "감자깡").await;
    let probe = CounterProbe::open(&app).await;
    for (user, kind) in users.iter().zip(["like", "hate", "like"]) {
        react(&app, user, &uid, kind).await.expect(200);
    }
    app.flush().await;
    let names = ["epoch", "hate_count", "like_count"].map(|name| (key(&uid, name), -1));
    let mut keys = probe.keys().await;
    // The server sets it when it starts.
    keys.remove(&key("0", "generation"));
    assert_eq!(keys, names.into());
    assert_eq!(probe.get(&uid, "like_count").await.as_deref(), Some("2"));
    assert_eq!(probe.get(&uid, "hate_count").await.as_deref(), Some("1"));
    assert!(!app.state.config.redis_prefix.is_empty());
}

#[tokio::test]
async fn between_flushes_redis_counts_up_and_down() {
    let app = TestApp::start().await;
    let users = app.users(2).await;
    let uid = app.snack(&users[0], "새우깡").await;
    let probe = CounterProbe::open(&app).await;
    let counts = async || (probe.get(&uid, "like_count").await, probe.get(&uid, "hate_count").await);
    let pair = |likes: &str, hates: &str| (Some(likes.to_owned()), Some(hates.to_owned()));
    react(&app, &users[0], &uid, "like").await.expect(200);
    assert_eq!(counts().await, (None, None), "only the flush makes counters");
    app.flush().await;
    react(&app, &users[1], &uid, "like").await.expect(200);
    assert_eq!(counts().await, pair("2", "0"));
    react(&app, &users[1], &uid, "hate").await.expect(200);
    assert_eq!(counts().await, pair("1", "1"));
    cancel(&app, &users[0], &uid).await.expect(200);
    assert_eq!(counts().await, pair("0", "1"));
    react(&app, &users[1], &uid, "hate").await.expect_error(409, "duplicate_reaction");
    assert_eq!(counts().await, pair("0", "1"), "an error counts nothing");
}

#[tokio::test]
async fn two_flushes_at_once_count_every_snack_once() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    for round in 0..5 {
        for at in 0..4 {
            let uid = app.snack(&member, &format!("간식 {round}-{at}")).await;
            app.add_reactions(&uid, at, round).await;
            react(&app, &member, &uid, "like").await.expect(200);
        }
        let (here, there) = join(app.flush(), replica.flush()).await;
        // A concurrent flush leaves the work to the one that runs.
        assert_eq!(here + there, 4, "{here} and {there}");
    }
    CounterProbe::open(&app).await.converge(&app).await;
}

#[tokio::test]
async fn a_member_who_resigned_has_reacted_all_the_same() {
    let app = TestApp::start().await;
    let (deleted_snack, other) = (app.member().await, app.member().await);
    let uid = app.snack(&deleted_snack, "새우깡").await;
    react(&app, &deleted_snack, &uid, "like").await.expect(200);
    app.delete(&deleted_snack, "/auth/users/resign").await.expect(204);
    react(&app, &deleted_snack, &uid, "hate").await.expect_error(401, "invalid_token");
    let response = react(&app, &other, &uid, "hate").await.expect(200);
    assert_eq!(figures(&response), (1, 1, 1.0));
}
