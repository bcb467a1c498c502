//! Statistics: the sums of each snack, and the series of sums.

use chrono::{Days, NaiveDate, Utc};
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};

use crate::support::{
    fixtures::{
        LineFixture, OrderFixture, advance_order, created_at, insert_orders, instant, order_body, shipped_order,
        snack_with_price, texts, walk,
    },
    test_app::{TestApp, TestUser},
};

/// Name, order count and quantity of every row.
fn sums(rows: &[Value]) -> Vec<(&str, i64, i64)> {
    let number = |row: &Value, key: &str| row[key].as_i64().expect("a number");
    rows.iter()
        .map(|row| {
            let name = row["snack"]["name"].as_str().expect("a name");
            (name, number(row, "order_count"), number(row, "quantity"))
        })
        .collect()
}

async fn snack_sums(app: &TestApp, user: &TestUser, query: &str) -> Vec<Value> {
    app.get(user, &format!("/statistics/snacks?{query}")).await.expect(200).rows().clone()
}

#[tokio::test]
async fn a_snack_is_summed_by_currency_whatever_it_costs_today() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = snack_with_price(&app, &member, "Pringles", "KRW", "3000").await;
    let mut orders = Vec::new();
    for (currency, price, quantity) in [("USD", "3.99", 2), ("KRW", "3000", 5), ("USD", "4.01", 1), ("JPY", "400", 7)] {
        let change = json!({"currency": currency, "price": price});
        app.patch(&member, &format!("/snacks/{snack}"), change).await.expect(200);
        let order = app.post(&member, "/orders", order_body(&[(&snack, quantity)])).await.expect(201);
        advance_order(&app, &admin, &order.uid(), "shipping").await;
        orders.push(order.uid());
    }
    let page = app.get(&member, "/statistics/snacks").await.expect(200);
    let summary = json!({"uid": snack, "name": "Pringles", "url": "", "desc": "", "image": null, "thumbnail": null,
        "like_reaction_count": 0, "hate_reaction_count": 0});
    let amounts = json!([{"currency": "KRW", "amount": "15000"}, {"currency": "USD", "amount": "11.99"},
        {"currency": "JPY", "amount": "2800"}]);
    assert_eq!(
        page.0,
        json!({"results": [{"snack": summary, "order_count": 4, "quantity": 15, "amounts": amounts}], "next_cursor": null})
    );
    let summary = app.get(&member, "/statistics/summary?unit=year").await.expect(200);
    let year = &summary["results"][0];
    assert_eq!((&year["order_count"], &year["snack_quantity"]), (&json!(4), &json!(15)));
    assert_eq!(year["amounts"], amounts);
}

#[tokio::test]
async fn canceled_orders_count_only_when_asked_for() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let (kept, canceled_orders) = (app.snack(&member, "새우깡").await, app.snack(&member, "꼬깔콘").await);
    let first = app.order(&member, &[&canceled_orders, &kept]).await;
    advance_order(&app, &admin, &first, "canceled").await;
    created_at(&app, &first, "2024-01-04T03:00:00Z").await;
    let second = app.order(&member, &[&kept]).await;
    created_at(&app, &second, "2024-02-04T03:00:00Z").await;

    for (query, snacks, months, first_day) in [
        ("", vec![("새우깡", 1, 1)], vec![1], "2024-02-04"),
        ("include_canceled=", vec![("새우깡", 1, 1)], vec![1], "2024-02-04"),
        ("include_canceled=false", vec![("새우깡", 1, 1)], vec![1], "2024-02-04"),
        ("include_canceled=true", vec![("새우깡", 2, 2), ("꼬깔콘", 1, 1)], vec![1, 1], "2024-01-04"),
    ] {
        assert_eq!(sums(&snack_sums(&app, &member, query).await), snacks, "{query}");
        let orders = app.get(&member, &format!("/statistics/orders?{query}")).await.expect(200);
        assert_eq!(orders.rows().len(), months.len(), "{query}");
        let summary = app.get(&member, &format!("/statistics/summary?to=2024-02-29&{query}")).await.expect(200);
        assert_eq!(summary.column("order_count"), months, "{query}");
        // An open end is the first day that has an order to count.
        assert_eq!(summary["from"], first_day, "{query}");
    }
    // A status filter does not include them, and `GET /orders` always does.
    for (path, rows) in [
        ("/statistics/orders?status=canceled", 0),
        ("/statistics/orders?status=canceled&include_canceled=true", 1),
        ("/orders", 2),
    ] {
        assert_eq!(app.get(&member, path).await.expect(200).rows().len(), rows, "{path}");
    }
}

#[tokio::test]
async fn the_orders_of_a_period_are_filtered_and_sorted_as_orders_are() {
    let app = TestApp::start().await;
    let (one, two, admin) = (app.member().await, app.member().await, app.admin().await);
    let mut orders = Vec::new();
    for (number, user) in [&one, &two, &one, &two].into_iter().enumerate() {
        let snack = app.snack(user, &format!("간식 {number}")).await;
        let order = app.order(user, &[&snack]).await;
        created_at(&app, &order, &format!("2024-01-0{}T03:00:00Z", number + 1)).await;
        orders.push(order);
    }
    advance_order(&app, &admin, &orders[1], "ordered").await;
    advance_order(&app, &admin, &orders[2], "approved").await;
    let last = format!("uid={}", orders[3]);
    for (query, expected) in [
        ("", vec![3, 2, 1, 0]),
        ("from=2024-01-02&to=2024-01-03", vec![2, 1]),
        ("user=me", vec![2, 0]),
        ("status=approved&status=ordered&ordering=status", vec![2, 1]),
        ("ordering=estimated_arrival_time&from=2024-01-02", vec![1, 2, 3]),
        ("ordering=created_at&year=2024&month=1&week=1", vec![0, 1, 2, 3]),
        (last.as_str(), vec![3]),
    ] {
        let found = walk(&app, &one, &format!("/statistics/orders?{query}"), 1, async || {}).await;
        let expected: Vec<&str> = expected.into_iter().map(|at: usize| orders[at].as_str()).collect();
        assert_eq!(texts(&found, "uid"), expected, "{query}");
        let same = app.get(&one, &format!("/orders?{query}")).await.expect(200);
        assert_eq!(same.rows(), &found, "{query}");
    }
}

/// Snacks with sums that tie in one way and differ in another, in orders of one day each.
async fn ranked(app: &TestApp, user: &TestUser) -> Vec<String> {
    let mut snacks = Vec::new();
    let mut inserted = Vec::new();
    let table: [(&str, &[i32]); 6] =
        [("나", &[5]), ("b", &[2, 3]), ("A", &[9]), ("가", &[1, 1, 1]), ("다", &[9]), ("Ｃ", &[2, 7])];
    for (name, quantities) in table {
        let snack = app.snack(user, name).await;
        for (day, quantity) in quantities.iter().enumerate() {
            let at = instant("2024-01-04T03:00:00Z") + Days::new(day as u64);
            inserted.push(shipped_order(at, &snack, *quantity));
        }
        snacks.push(snack);
    }
    insert_orders(app.db(), user, &inserted).await;
    snacks
}

#[tokio::test]
async fn snacks_are_ranked_as_asked_and_backwards() {
    let app = TestApp::start().await;
    let member = app.member().await;
    ranked(&app, &member).await;
    for (ordering, expected) in [
        ("quantity", ["가", "나", "b", "A", "다", "Ｃ"]),
        ("order_count", ["나", "A", "다", "b", "Ｃ", "가"]),
        ("name", ["A", "b", "가", "나", "다", "Ｃ"]),
    ] {
        for reverse in [false, true] {
            let mut expected = expected.to_vec();
            let query = if reverse {
                expected.reverse();
                format!("ordering=-{ordering}")
            } else {
                format!("ordering={ordering}")
            };
            let rows = snack_sums(&app, &member, &query).await;
            let names: Vec<_> = sums(&rows).into_iter().map(|(name, ..)| name).collect();
            assert_eq!(names, expected, "{query}");
            let listed = walk(&app, &member, &format!("/statistics/snacks?{query}"), 1, async || {}).await;
            assert_eq!(listed, rows, "{query}");
        }
    }
    assert_eq!(snack_sums(&app, &member, "").await, snack_sums(&app, &member, "ordering=-quantity").await);
    let page = app.get(&member, "/statistics/snacks?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    for query in [format!("ordering=quantity&cursor={cursor}"), format!("ordering=name&cursor={cursor}")] {
        let path = format!("/statistics/snacks?{query}");
        app.get(&member, &path).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_walk_through_the_sums_shows_them_as_they_stood_when_it_began() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut snacks = ranked(&app, &member).await;
    // A snack without orders.
    snacks.push(app.snack(&member, "새우깡").await);
    for ordering in ["quantity", "-quantity", "order_count", "-order_count", "name", "-name"] {
        let path = format!("/statistics/snacks?year=2024&ordering={ordering}");
        let before = app.get(&member, &path).await.expect(200);
        let mut turn = 0;
        let listed = walk(&app, &member, &path, 2, async || {
            // Enough to move any of them past all the others.
            let at = instant("2024-01-05T03:00:00Z");
            turn += 1;
            let inserted: Vec<OrderFixture> = snacks.iter().map(|snack| shipped_order(at, snack, 100 * turn)).collect();
            insert_orders(app.db(), &member, &inserted[..usize::try_from(turn).expect("a number")]).await;
        })
        .await;
        assert_eq!(&listed, before.rows(), "{ordering}");
        let after = app.get(&member, &path).await.expect(200);
        assert_ne!(after, before, "the next walk sees what was added");
    }
}

#[tokio::test]
async fn a_summary_has_every_period_of_its_range_and_clips_those_at_the_ends() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    let usd = app.snack(&member, "Pringles").await;
    let mut order = shipped_order(instant("2024-01-31T14:59:59Z"), &snack, 3);
    order.lines.push(LineFixture { snack: usd, quantity: 2, currency: "USD", cents: 199 });
    insert_orders(app.db(), &member, &[order]).await;
    let period = |label: &str, from: &str, to: &str| {
        let is_it = from <= "2024-01-31" && to >= "2024-01-31";
        let amounts = if is_it {
            json!([{"currency": "KRW", "amount": "3000"}, {"currency": "USD", "amount": "3.98"}])
        } else {
            json!([])
        };
        json!({"period": label, "from": from, "to": to, "order_count": i32::from(is_it),
            "snack_quantity": if is_it { 5 } else { 0 }, "amounts": amounts})
    };
    let table = [
        (
            "unit=year&from=2023-12-31&to=2024-02-02",
            "year",
            vec![period("2023", "2023-12-31", "2023-12-31"), period("2024", "2024-01-01", "2024-02-02")],
        ),
        (
            "from=2023-12-31&to=2024-02-02",
            "month",
            vec![
                period("2023-12", "2023-12-31", "2023-12-31"),
                period("2024-01", "2024-01-01", "2024-01-31"),
                period("2024-02", "2024-02-01", "2024-02-02"),
            ],
        ),
        (
            "unit=week&year=2024&month=1",
            "week",
            vec![
                period("2024-01-W1", "2024-01-01", "2024-01-07"),
                period("2024-01-W2", "2024-01-08", "2024-01-14"),
                period("2024-01-W3", "2024-01-15", "2024-01-21"),
                period("2024-01-W4", "2024-01-22", "2024-01-28"),
                period("2024-02-W1", "2024-01-29", "2024-01-31"),
            ],
        ),
        (
            "unit=day&from=2024-01-30&to=2024-02-01",
            "day",
            vec![
                period("2024-01-30", "2024-01-30", "2024-01-30"),
                period("2024-01-31", "2024-01-31", "2024-01-31"),
                period("2024-02-01", "2024-02-01", "2024-02-01"),
            ],
        ),
        // A period within a longer unit is one clipped period.
        ("unit=year&year=2024&month=2&week=1", "year", vec![period("2024", "2024-01-29", "2024-02-04")]),
        ("unit=&to=2023-12-24", "month", vec![period("2023-12", "2023-12-24", "2023-12-24")]),
    ];
    for (query, unit, results) in table {
        let summary = app.get(&member, &format!("/statistics/summary?{query}")).await.expect(200);
        let (from, to) = (results[0]["from"].clone(), results[results.len() - 1]["to"].clone());
        assert_eq!(
            summary.0,
            json!({"timezone": "Asia/Seoul", "unit": unit, "from": from, "to": to, "results": results}),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_open_end_is_the_first_orders_day_or_today() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let today = || Utc::now().with_timezone(&Seoul).date_naive();
    let ends = async |query: &str| -> (Value, Value, usize) {
        let path = format!("/statistics/summary?unit=year&{query}");
        let summary = app.get(&member, &path).await.expect(200);
        (summary["from"].clone(), summary["to"].clone(), summary.rows().len())
    };
    let before = today();
    let days = ends("").await;
    let possible = [before, today()].map(|day| (json!(day), json!(day), 1));
    assert!(possible.contains(&days), "without an order there is only today: {days:?}");

    let snack = app.snack(&member, "새우깡").await;
    // 1 January in Seoul, 31 December in UTC.
    insert_orders(app.db(), &member, &[shipped_order(instant("2023-12-31T15:00:00Z"), &snack, 1)]).await;
    let before = today();
    let (from, to, _) = ends("").await;
    assert_eq!(from, "2024-01-01");
    assert!([before, today()].iter().any(|day| to == json!(day)), "{to}");
    let (day, number) = (|text: &str| json!(text), 1);
    assert_eq!(ends("to=2024-06-30").await, (day("2024-01-01"), day("2024-06-30"), number));
    assert_eq!(ends("from=2023-06-30&to=2024-06-30").await, (day("2023-06-30"), day("2024-06-30"), 2));
    let later = today() + Days::new(30);
    assert_eq!(ends(&format!("from={later}")).await, (json!(later), json!(later), number));
}

#[tokio::test]
async fn a_summary_of_more_than_a_thousand_periods_is_a_400() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let first: NaiveDate = "2024-01-01".parse().expect("a date");
    for (unit, last, more) in [
        ("day", "2026-09-26", "2026-09-27"),
        ("week", "2043-03-01", "2043-03-02"),
        ("month", "2107-04-30", "2107-05-01"),
        ("year", "3023-12-31", "3024-01-01"),
    ] {
        let path = |to: &str| format!("/statistics/summary?unit={unit}&from={first}&to={to}");
        let summary = app.get(&member, &path(last)).await.expect(200);
        assert_eq!(summary.rows().len(), 1000, "{unit}");
        assert_eq!(summary["results"][999]["to"], last, "{unit}");
        app.get(&member, &path(more)).await.expect_error(400, "invalid_request");
    }
    let widest = "/statistics/summary?unit=day&from=0001-01-01&to=9999-12-31";
    app.get(&member, widest).await.expect_error(400, "invalid_request");
}
