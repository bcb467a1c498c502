//! Status transitions: every status to every other, arrival times, and the rule against hated snacks.

use serde_json::{Value, json};
use snack_server::order::status::OrderStatus;

use crate::support::{
    fixtures::{FLOW, advance_order, count, order_with_status},
    response::Response,
    test_app::{TestApp, TestUser},
};

const ARRIVAL: &str = "2030-01-09T03:00:00Z";

async fn change(app: &TestApp, user: &TestUser, order: &str, body: Value) -> Response {
    app.put(user, &format!("/orders/{order}/status"), body).await
}

/// True when the server's state machine has the transition.
fn is_transition(from: &str, to: &str) -> bool {
    let status = |name: &str| -> OrderStatus { serde_json::from_value(json!(name)).expect("a status") };
    status(from).transition(status(to)).is_ok()
}

#[tokio::test]
async fn an_order_goes_where_the_flow_goes_and_nowhere_else() {
    const STEPS: [(&str, &str); 6] = [
        ("created", "approved"),
        ("approved", "ordered"),
        ("ordered", "shipping"),
        ("shipping", "completed"),
        ("created", "canceled"),
        ("approved", "canceled"),
    ];
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for from in FLOW {
        for to in FLOW {
            let order = order_with_status(&app, &admin, from).await;
            let path = format!("/orders/{order}");
            let before = app.get(&admin, &path).await.expect(200);
            let steps = app.get(&admin, &format!("{path}/history")).await.expect(200);
            let response = app.set_status(&admin, &order, to).await;
            let after = app.get(&admin, &path).await.expect(200);
            if STEPS.contains(&(from, to)) {
                assert_eq!(response.expect(200), after);
                assert_eq!(after["status"], to);
            } else {
                // The error names both statuses.
                let detail = response.expect_error(409, "invalid_transition")["detail"].to_string();
                assert!(detail.contains(from) && detail.contains(to), "{detail}");
                assert_eq!(after, before);
                let same = app.get(&admin, &format!("{path}/history")).await.expect(200);
                assert_eq!(same, steps);
            }
            assert_eq!(is_transition(from, to), STEPS.contains(&(from, to)), "{from} to {to}");
        }
    }
}

#[tokio::test]
async fn the_database_has_the_same_flow_whoever_writes_to_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for from in FLOW {
        for to in FLOW {
            let order = order_with_status(&app, &admin, from).await;
            let written = sqlx::query(
                "UPDATE orders SET status = $2::text::order_status, estimated_arrival_time = now() WHERE uid = $1::text::uuid",
            )
            .bind(&order)
            .bind(to)
            .execute(app.db())
            .await;
            // Setting the present status is not a transition.
            if from == to || is_transition(from, to) {
                assert_eq!(written.expect("a step of the flow").rows_affected(), 1, "{from} to {to}");
            } else {
                let error = written.expect_err("no step of the flow");
                let constraint = error.as_database_error().and_then(|error| error.constraint());
                assert_eq!(constraint, Some("orders_status_flow"), "{from} to {to}: {error}");
            }
        }
    }
    for status in FLOW {
        let inserted = sqlx::query(
            "INSERT INTO orders (user_id, status, estimated_arrival_time) VALUES ($1, $2::text::order_status, now())",
        )
        .bind(admin.id)
        .bind(status)
        .execute(app.db())
        .await;
        assert_eq!(inserted.is_ok(), status == "created", "an order created as {status}");
    }
}

#[tokio::test]
async fn a_change_of_status_that_cannot_be_read_or_is_incomplete_is_a_400() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let order = order_with_status(&app, &admin, "approved").await;
    let at = |arrival: Value| json!({"status": "ordered", "estimated_arrival_time": arrival});
    let unreadable = [
        json!({"status": "lost"}),
        json!({"status": "Ordered"}),
        json!({"status": null}),
        json!({"status": 2}),
        json!([]),
        json!("ordered"),
        at(json!("2030-01-09")),
        at(json!("2030-01-09T03:00:00")),
        at(json!("2030-02-30T03:00:00Z")),
        at(json!("2030-01-09T25:00:00Z")),
        at(json!("tomorrow")),
        at(json!("")),
        at(json!(1_700_000_000)),
        at(json!("+12030-01-09T03:00:00Z")),
        // The year has four digits in its own offset, and more or fewer in UTC.
        at(json!("9999-12-31T23:30:00-01:00")),
        at(json!("0000-01-01T00:30:00+01:00")),
    ];
    for body in unreadable {
        let shown = body.to_string();
        let response = change(&app, &admin, &order, body).await;
        assert_eq!(response.status, 400, "{shown}");
        response.expect_error(400, "invalid_request");
    }
    let error = change(&app, &admin, &order, json!({"estimated_arrival_time": ARRIVAL})).await;
    assert_eq!(error.expect_error(400, "validation_failed").error_fields(), ["status"]);
    for missing in [json!({"status": "ordered"}), at(Value::Null)] {
        change(&app, &admin, &order, missing).await.expect_error(400, "estimated_arrival_time_required");
    }
    // A readable time is required even where it is ignored.
    let body = json!({"status": "canceled", "estimated_arrival_time": "tomorrow"});
    change(&app, &admin, &order, body).await.expect_error(400, "invalid_request");
    let order = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
    assert_eq!(order["status"], "approved");
}

#[tokio::test]
async fn ordered_and_shipping_need_an_arrival_time_of_their_own() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for to in ["ordered", "shipping"] {
        for from in FLOW {
            let order = order_with_status(&app, &admin, from).await;
            let response = change(&app, &admin, &order, json!({"status": to})).await;
            if is_transition(from, to) {
                response.expect_error(400, "estimated_arrival_time_required");
            } else {
                // An impossible transition is reported before a missing time.
                response.expect_error(409, "invalid_transition");
            }
            let shown = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
            assert_eq!(shown["status"], from);
        }
    }
}

#[tokio::test]
async fn an_arrival_time_is_an_instant_and_the_other_steps_keep_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let order = order_with_status(&app, &admin, "created").await;
    let (early, late) = (json!("2001-02-03T04:05:06Z"), json!("2030-01-08T23:00:00.250Z"));
    // Sent and stored: a past time is allowed, an offset is converted.
    let steps = [
        ("approved", json!(ARRIVAL), Value::Null),
        ("ordered", json!("2001-02-03T13:05:06+09:00"), early),
        ("shipping", json!("2030-01-08T18:00:00.25-05:00"), late.clone()),
        ("completed", json!("2031-01-01T00:00:00Z"), late.clone()),
    ];
    for (status, sent, stands) in steps {
        let body = json!({"status": status, "estimated_arrival_time": sent});
        let moved = change(&app, &admin, &order, body).await.expect(200);
        assert_eq!(moved["estimated_arrival_time"], stands, "{status}");
        let shown = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
        assert_eq!(shown, moved);
    }
    let history = app.get(&admin, &format!("/orders/{order}/history")).await.expect(200);
    assert_eq!(history.rows().last().map(|step| &step["estimated_arrival_time"]), Some(&late));

    for from in ["created", "approved"] {
        let order = order_with_status(&app, &admin, from).await;
        let body = json!({"status": "canceled", "estimated_arrival_time": ARRIVAL});
        let canceled = change(&app, &admin, &order, body).await.expect(200);
        assert_eq!(canceled["estimated_arrival_time"], Value::Null);
    }
}

#[tokio::test]
async fn an_order_with_a_hated_snack_is_neither_approved_nor_ordered() {
    let app = TestApp::start().await;
    let (admin, one, two) = (app.admin().await, app.member().await, app.member().await);
    let react = async |user: &TestUser, snack: &str, kind: &str| {
        app.post(user, &format!("/snacks/{snack}/reaction"), json!({"type": kind})).await.expect(200);
    };
    let (liked, hated) = (app.snack(&admin, "새우깡").await, app.snack(&admin, "꼬깔콘").await);
    for to in ["approved", "ordered"] {
        let order = app.order(&admin, &[&liked, &hated]).await;
        let before = if to == "approved" { "created" } else { "approved" };
        advance_order(&app, &admin, &order, before).await;
        react(&one, &liked, "like").await;
        react(&one, &hated, "hate").await;
        // Nothing has been flushed: the columns and the statistics lag behind.
        let trailing = count(app.db(), "SELECT sum(hate_reaction_count) FROM snacks").await;
        assert_eq!(trailing, 0);
        let error = app.set_status(&admin, &order, to).await.expect_error(409, "hated_snack");
        assert_eq!(error.error_fields(), ["snacks[1].uid"]);
        let shown = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
        assert_eq!(shown["status"], before);
        // It can still be canceled, and as many likes as hates are enough.
        react(&two, &hated, "like").await;
        app.set_status(&admin, &order, to).await.expect(200);
        for (user, snack) in [(&one, &liked), (&one, &hated), (&two, &hated)] {
            app.delete(user, &format!("/snacks/{snack}/reaction")).await.expect(200);
        }
        if to == "approved" {
            app.set_status(&admin, &order, "canceled").await.expect(200);
        }
    }
}

#[tokio::test]
async fn hates_that_have_been_flushed_and_taken_back_since_do_not_count() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let snack = app.snack(&admin, "새우깡").await;
    let order = app.order(&admin, &[&snack]).await;
    let reaction = format!("/snacks/{snack}/reaction");
    app.post(&member, &reaction, json!({"type": "hate"})).await.expect(200);
    app.flush().await;
    app.set_status(&admin, &order, "approved").await.expect_error(409, "hated_snack");
    app.delete(&member, &reaction).await.expect(200);
    let trailing = count(app.db(), "SELECT sum(hate_reaction_count) FROM snacks").await;
    assert_eq!(trailing, 1);
    app.set_status(&admin, &order, "approved").await.expect(200);
}

#[tokio::test]
async fn hates_stop_no_order_on_its_other_steps() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    for (from, to) in
        [("created", "canceled"), ("approved", "canceled"), ("ordered", "shipping"), ("shipping", "completed")]
    {
        let order = order_with_status(&app, &admin, from).await;
        let shown = app.get(&admin, &format!("/orders/{order}")).await.expect(200);
        let snack = shown["purchases"][0]["snack"]["uid"].as_str().expect("a uid");
        let reaction = format!("/snacks/{snack}/reaction");
        app.post(&member, &reaction, json!({"type": "hate"})).await.expect(200);
        app.set_status(&admin, &order, to).await.expect(200);
    }
}
