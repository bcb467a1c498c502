//! Concurrent orders: a snack is in one open order at most, a transition is made by one admin, and the history is
//! complete.

use futures_util::future::{join, join_all, join3};
use sqlx::{Connection, PgConnection};

use crate::support::{
    fixtures::{FLOW, advance_order, count, insert_snacks, order_body, uncommitted_order, wait_for_blocked},
    response::Response,
    test_app::TestApp,
};

/// Checks the rows against the rules, independently of the responses.
async fn assert_consistent(app: &TestApp) {
    let duplicates = "SELECT count(*) FROM (
        SELECT snack_id FROM purchases JOIN orders ON orders.id = order_id
        WHERE orders.status IN ('created', 'approved', 'ordered') GROUP BY snack_id HAVING count(*) > 1) AS doubled";
    assert_eq!(count(app.db(), duplicates).await, 0, "a snack is in two open orders");
    let stale = "SELECT count(*) FROM purchases JOIN orders ON orders.id = order_id
        WHERE purchases.blocks <> (orders.status IN ('created', 'approved', 'ordered'))";
    assert_eq!(count(app.db(), stale).await, 0, "a purchase blocks and its order does not");
    let empty = "SELECT count(*) FROM orders WHERE NOT EXISTS (SELECT FROM purchases WHERE order_id = orders.id)";
    assert_eq!(count(app.db(), empty).await, 0, "an order is empty");
    // Every history is a chain from the first status to the present one.
    let broken = "SELECT count(*) FROM (
        SELECT order_id, from_status, to_status,
            lag(to_status) OVER way AS before, lead(to_status) OVER way AS next, orders.status
        FROM order_history JOIN orders ON orders.id = order_id
        WINDOW way AS (PARTITION BY order_id ORDER BY order_history.id)) AS step
        WHERE from_status IS DISTINCT FROM before OR (next IS NULL AND to_status <> status)";
    assert_eq!(count(app.db(), broken).await, 0, "a history is not a chain");
    let unrecorded =
        "SELECT count(*) FROM orders WHERE NOT EXISTS (SELECT FROM order_history WHERE order_id = orders.id)";
    assert_eq!(count(app.db(), unrecorded).await, 0, "an order has no history");
}

/// Splits responses into the successful ones and the others, which are all 409 with `code`.
#[track_caller]
fn successes(responses: Vec<Response>, code: &str) -> usize {
    let (successes, failures): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|response| response.status.is_success());
    for response in failures {
        response.expect_error(409, code);
    }
    successes.len()
}

#[tokio::test]
async fn of_twenty_orders_for_one_snack_at_once_one_wins() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (one, two) = (app.member().await, app.member().await);
    for round in 0..5 {
        let snack = app.snack(&one, &format!("새우깡 {round}")).await;
        let attempts = (0..20).map(|number| {
            let server = if number % 2 == 0 { &app } else { &replica };
            let user = if number % 3 == 0 { &one } else { &two };
            server.post(user, "/orders", order_body(&[(&snack, 1)]))
        });
        assert_eq!(successes(join_all(attempts).await, "snack_already_requested"), 1);
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM orders").await, 5);
    assert_eq!(count(app.db(), "SELECT count(*) FROM order_history").await, 5);
    assert_consistent(&app).await;
}

#[tokio::test]
async fn overlapping_orders_in_opposite_order_never_deadlock() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snacks = insert_snacks(&app, 9).await;
    let lines: Vec<(&str, i64)> = snacks.iter().map(|uid| (uid.as_str(), 1)).collect();
    let backwards: Vec<_> = lines.iter().rev().copied().collect();
    for _ in 0..10 {
        // Both transactions wait for a snack that a third one locks. If they locked snacks in opposite orders, each
        // would by now hold the snack that the other needs next.
        let middle = uncommitted_order(&app, &member, &snacks[4], 1).await;
        let forwards = app.post(&member, "/orders", order_body(&lines));
        let reversed = replica.post(&member, "/orders", order_body(&backwards));
        let release = async {
            wait_for_blocked(&app, 2).await;
            middle.rollback().await.expect("a rollback");
        };
        let (forwards, reversed, ()) = join3(forwards, reversed, release).await;
        let order =
            [&forwards, &reversed].into_iter().find_map(|response| response.body["uid"].as_str().map(str::to_owned));
        assert_eq!(successes(vec![forwards, reversed], "snack_already_requested"), 1);
        advance_order(&app, &admin, &order.expect("a winner"), "canceled").await;
    }
    assert_consistent(&app).await;
    // Postgres resolves a deadlock after a second. There must be none. A connection reports its statistics when it
    // ends.
    let database = app.state.config.database.clone();
    replica.stop().await;
    app.stop().await;
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    let deadlocks: i64 =
        sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            .fetch_one(&mut connection)
            .await
            .expect("a number");
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn of_two_admins_who_make_one_transition_at_once_one_succeeds() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (one, two) = (app.admin().await, app.admin().await);
    for (round, [first, second]) in [["approved", "approved"], ["approved", "canceled"], ["canceled", "canceled"]]
        .into_iter()
        .cycle()
        .take(12)
        .enumerate()
    {
        let snack = app.snack(&one, &format!("새우깡 {round}")).await;
        let order = app.order(&one, &[&snack]).await;
        let (a, b) = join(app.set_status(&one, &order, first), replica.set_status(&two, &order, second)).await;
        if [first, second] == ["approved", "canceled"] && a.status == 200 && b.status == 200 {
            // One after the other: approved first, then canceled.
            let version = app.get(&one, &format!("/orders/{order}")).await.expect(200);
            assert_eq!(version["status"], "canceled");
            continue;
        }
        assert_eq!(successes(vec![a, b], "invalid_transition"), 1);
    }
    let snack = app.snack(&one, "꼬깔콘").await;
    let order = app.order(&one, &[&snack]).await;
    for step in &FLOW[1..5] {
        let attempts = (0..10).map(|number| {
            let server = if number % 2 == 0 { &app } else { &replica };
            server.set_status(if number % 3 == 0 { &one } else { &two }, &order, step)
        });
        assert_eq!(successes(join_all(attempts).await, "invalid_transition"), 1, "{step}");
    }
    let history = app.get(&one, &format!("/orders/{order}/history")).await.expect(200);
    assert_eq!(history.column("to"), FLOW[..5]);
    assert_consistent(&app).await;
}

#[tokio::test]
async fn an_edit_and_an_approval_at_once_come_one_after_the_other() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let (mut edited, mut refused) = (0, 0);
    for round in 0..15 {
        let before = app.snack(&member, &format!("새우깡 {round}")).await;
        let after = app.snack(&member, &format!("꼬깔콘 {round}")).await;
        let order = app.order(&member, &[&before]).await;
        let path = format!("/orders/{order}");
        let edit = app.put(&member, &path, order_body(&[(&after, 1)]));
        let (edit, approval) = join(edit, app.set_status(&admin, &order, "approved")).await;
        let approved = approval.expect(200);
        let holds = if edit.status == 200 {
            edited += 1;
            &after
        } else {
            edit.expect_error(409, "order_not_editable");
            refused += 1;
            &before
        };
        // The approved version is the one that the admin saw, and it stays.
        assert_eq!(approved["purchases"][0]["snack"]["uid"], *holds);
        assert_eq!(app.get(&member, &path).await.expect(200), approved);
    }
    assert_eq!(edited + refused, 15);
    assert_consistent(&app).await;
}

#[tokio::test]
async fn two_orders_that_swap_their_snacks_at_once_end_in_one_order_each() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let member = app.member().await;
    let (left_order, right_order) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let a = format!("/orders/{}", app.order(&member, &[&left_order]).await);
    let b = format!("/orders/{}", app.order(&member, &[&right_order]).await);
    for _ in 0..4 {
        // Each edit needs the snack that the other order holds, so neither can succeed first.
        let (to_right, to_left) = (order_body(&[(&right_order, 1)]), order_body(&[(&left_order, 1)]));
        let (one, two) = join(app.put(&member, &a, to_right), replica.put(&member, &b, to_left)).await;
        assert_eq!(successes(vec![one, two], "snack_already_requested"), 0);
        for (path, snack) in [(&a, &left_order), (&b, &right_order)] {
            let order = app.get(&member, path).await.expect(200);
            assert_eq!(order["purchases"][0]["snack"]["uid"], *snack);
        }
    }
    // Both add a third snack: one succeeds and frees its own, which the other may add afterwards.
    let third = app.snack(&member, "포카칩").await;
    let both = [&a, &b].map(|path| app.put(&member, path, order_body(&[(&third, 1)])));
    assert_eq!(successes(join_all(both).await, "snack_already_requested"), 1);
    assert_consistent(&app).await;
}

#[tokio::test]
async fn an_order_made_while_another_is_canceled_waits_for_it_or_is_refused() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let mut open = app.order(&member, &[&snack]).await;
    for _ in 0..15 {
        let again = (0..3).map(|_| replica.post(&member, "/orders", order_body(&[(&snack, 1)])));
        let (canceled, again) = join(app.set_status(&admin, &open, "canceled"), join_all(again)).await;
        canceled.expect(200);
        let next = again.iter().find_map(|response| response.body["uid"].as_str().map(str::to_owned));
        assert!(successes(again, "snack_already_requested") <= 1);
        // After the cancellation the snack is free.
        open = match next {
            Some(next) => next,
            None => app.order(&member, &[&snack]).await,
        };
    }
    let open_now = "SELECT count(*) FROM orders WHERE status = 'created'";
    assert_eq!(count(app.db(), open_now).await, 1);
    assert_consistent(&app).await;
}

#[tokio::test]
async fn concurrent_orders_edits_and_transitions_leave_consistent_rows() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let mut snacks = Vec::new();
    for number in 0..5 {
        snacks.push(app.snack(&member, &format!("간식 {number}")).await);
    }
    let mut orders: Vec<String> = Vec::new();
    let mut steps = 0;
    for round in 0..12_usize {
        let pick = |at: usize| (snacks[at % snacks.len()].as_str(), 1);
        let attempts = (0..6).map(|at| {
            let server = if at % 2 == 0 { &app } else { &replica };
            server.post(&member, "/orders", order_body(&[pick(round + at), pick(round + at + 2)]))
        });
        let edits = orders.iter().enumerate().map(|(at, order)| {
            let path = format!("/orders/{order}");
            let body = order_body(&[pick(round * at + 1)]);
            let replica = &replica;
            let member = &member;
            async move { replica.put(member, &path, body).await }
        });
        let steps_tried = orders.iter().enumerate().map(|(at, order)| {
            let status = FLOW[1 + (round + at) % 5];
            app.set_status(&admin, order, status)
        });
        let (created, (edited, moved)) = join(join_all(attempts), join(join_all(edits), join_all(steps_tried))).await;
        steps += moved.iter().filter(|response| response.status == 200).count();
        for response in created.iter().chain(&edited).chain(&moved) {
            assert!([200, 201, 409].contains(&response.status.as_u16()), "{}", response.text);
        }
        orders.extend(created.iter().filter_map(|response| response.body["uid"].as_str().map(str::to_owned)));
        assert_consistent(&app).await;
    }
    assert!(!orders.is_empty() && steps > 0, "{} orders, {steps} steps", orders.len());
    assert_eq!(
        count(app.db(), "SELECT count(*) FROM order_history").await,
        i64::try_from(orders.len() + steps).expect("a number")
    );
    let listed = app.get(&member, "/orders?limit=100").await.expect(200);
    assert_eq!(listed.rows().len(), orders.len());
}
