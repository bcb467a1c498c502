//! Lists of orders: filters, orderings, and pages while orders are being added.

use std::collections::HashSet;

use serde_json::Value;

use crate::support::{
    fixtures::{FLOW, advance_order, created_at, order_body, order_with_status, texts, walk},
    test_app::{TestApp, TestUser},
};

async fn uids(app: &TestApp, user: &TestUser, path: &str) -> Vec<String> {
    let page = app.get(user, path).await.expect(200);
    texts(page.rows(), "uid").into_iter().map(str::to_owned).collect()
}

/// One order in each status, two minutes apart, in the order of the flow.
async fn one_in_each_status(app: &TestApp, admin: &TestUser) -> Vec<String> {
    let mut orders = Vec::new();
    for (minute, status) in FLOW.into_iter().enumerate() {
        let order = order_with_status(app, admin, status).await;
        created_at(app, &order, &format!("2024-01-04T03:0{minute}:00Z")).await;
        orders.push(order);
    }
    orders
}

#[tokio::test]
async fn a_list_has_everyones_orders_newest_first_unless_filtered() {
    let app = TestApp::start().await;
    let (admin, other, idle) = (app.admin().await, app.member().await, app.member().await);
    let all = one_in_each_status(&app, &admin).await;
    let snack = app.snack(&other, "새우깡").await;
    let others = app.order(&other, &[&snack]).await;
    let of = |picked: &[usize]| -> Vec<String> { picked.iter().map(|at| all[*at].clone()).collect() };
    let mut everything = vec![others.clone()];
    everything.extend(of(&[5, 4, 3, 2, 1, 0]));

    let unknown = uuid::Uuid::new_v4();
    let table = [
        (String::new(), everything.clone()),
        ("?status=".to_owned(), everything.clone()),
        ("?user=&uid=&ordering=&cursor=&limit=&year=&from=".to_owned(), everything),
        ("?status=shipping".to_owned(), of(&[3])),
        ("?status=canceled&status=approved".to_owned(), of(&[5, 1])),
        ("?status=approved&status=".to_owned(), of(&[1])),
        ("?status=created".to_owned(), vec![others.clone(), all[0].clone()]),
        (format!("?user={}", other.id), vec![others.clone()]),
        ("?user=me&status=created&status=ordered".to_owned(), of(&[2, 0])),
        (format!("?user={}", idle.id), vec![]),
        ("?user=999999".to_owned(), vec![]),
        (format!("?uid={}", all[4]), of(&[4])),
        (format!("?uid={}", all[4].to_uppercase()), of(&[4])),
        (format!("?uid={}&status=created", all[4]), vec![]),
        (format!("?uid={unknown}"), vec![]),
        (format!("?user=me&status=created&from=2024-01-05&uid={}", all[0]), vec![]),
        ("?year=2024&month=1&day=4&limit=2".to_owned(), of(&[5, 4])),
    ];
    for (query, expected) in table {
        assert_eq!(uids(&app, &admin, &format!("/orders{query}")).await, expected, "{query}");
    }
    assert_eq!(uids(&app, &idle, "/orders?user=me").await, Vec::<String>::new());
    assert_eq!(uids(&app, &other, "/orders?user=me").await, [others]);
}

#[tokio::test]
async fn orders_are_sorted_as_asked_and_backwards() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let all = one_in_each_status(&app, &admin).await;
    // Against the order of creation, so that the status decides.
    for (at, order) in all.iter().enumerate() {
        created_at(&app, order, &format!("2024-01-04T03:1{}:00Z", 9 - at)).await;
    }
    let second_created = order_with_status(&app, &admin, "created").await;
    let arrivals = [(2, "2030-03-01"), (3, "2030-01-01"), (4, "2030-02-01")];
    for (at, day) in arrivals {
        sqlx::query("UPDATE orders SET estimated_arrival_time = $2::text::date WHERE uid = $1::text::uuid")
            .bind(&all[at])
            .bind(day)
            .execute(app.db())
            .await
            .expect("an update");
    }
    let pick = |picked: &[usize]| -> Vec<String> {
        let all: Vec<_> = all.iter().chain([&second_created]).collect();
        picked.iter().map(|at| all[*at].clone()).collect()
    };
    let table = [
        ("created_at", pick(&[5, 4, 3, 2, 1, 0, 6])),
        ("status", pick(&[0, 6, 1, 2, 3, 4, 5])),
        // Orders without an arrival time, in the order of their creation.
        ("estimated_arrival_time", pick(&[3, 4, 2, 0, 1, 5, 6])),
    ];
    for (ordering, mut expected) in table {
        assert_eq!(uids(&app, &admin, &format!("/orders?ordering={ordering}")).await, expected, "{ordering}");
        expected.reverse();
        let reverse = format!("/orders?ordering=-{ordering}");
        assert_eq!(uids(&app, &admin, &reverse).await, expected, "-{ordering}");
        for path in [format!("/orders?ordering={ordering}"), reverse] {
            let one_by_one = walk(&app, &admin, &path, 1, async || {}).await;
            assert_eq!(texts(&one_by_one, "uid"), uids(&app, &admin, &path).await, "{path}");
        }
    }
    assert_eq!(uids(&app, &admin, "/orders").await, uids(&app, &admin, "/orders?ordering=-created_at").await);
}

#[tokio::test]
async fn what_a_list_does_not_offer_is_a_400() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for name in ["새우깡", "꼬깔콘"] {
        let snack = app.snack(&member, name).await;
        app.order(&member, &[&snack]).await;
    }
    let page = app.get(&member, "/orders?limit=1&ordering=status").await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let mut queries: Vec<String> = [
        "status=lost",
        "status=created&status=lost",
        "status=Created",
        "user=kim",
        "user=99999999999999999999",
        "user=1.5",
        "uid=7",
        "uid=새우깡",
        "ordering=price",
        "ordering=--created_at",
        "ordering=created_at,status",
        "ordering=-",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=99999999999999999999",
        "cursor=x",
        "cursor=e30",
        "cursor=%FF",
        "from=2024-1-4",
        "from=2024-02-30",
        "year=2024&from=2024-01-01",
    ]
    .map(str::to_owned)
    .into();
    // A cursor of another ordering, and of the reverse of the same one.
    queries.push(format!("cursor={cursor}"));
    queries.push(format!("cursor={cursor}&ordering=-status"));
    queries.push(format!("cursor={}&ordering=status", &cursor[1..]));
    queries.push(format!("cursor={}&ordering=status", &cursor[..cursor.len() - 2]));
    for list in ["/orders", "/statistics/orders"] {
        for query in &queries {
            app.get(&member, &format!("{list}?{query}")).await.expect_error(400, "invalid_request");
        }
        app.get(&member, &format!("{list}?cursor={cursor}&ordering=status")).await.expect(200);
    }
}

#[tokio::test]
async fn a_cursor_with_forged_keys_is_a_400_and_no_500() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    app.order(&member, &[&snack]).await;
    for keys in [
        r#"["x","1"]"#,
        r#"["2024-01-01","x"]"#,
        r#"["2024-13-01","1"]"#,
        r#"["","99999999999999999999"]"#,
        r#"["2024-01-01 00:00:00+99","1"]"#,
        r#"["2024-01-01 00:00:00 Mars/Olympus","1"]"#,
        r#"["294277-01-01","1"]"#,
        r#"["\u0000","1"]"#,
        r#"["2024-01-01"]"#,
        "[]",
        "7",
    ] {
        let cursor = URL_SAFE_NO_PAD.encode(format!(r#"{{"o":"-created_at","k":{keys}}}"#));
        app.get(&member, &format!("/orders?cursor={cursor}")).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_walk_while_orders_are_added_skips_and_repeats_none_that_stood_before() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut before = Vec::new();
    for number in 0..13 {
        let status = FLOW[number % FLOW.len()];
        let order = order_with_status(&app, &admin, status).await;
        // Many orders at one instant, so that a page ends within a tie.
        created_at(&app, &order, &format!("2024-01-0{}T03:00:00Z", number / 6 + 1)).await;
        before.push(order);
    }
    for ordering in ["created_at", "status", "estimated_arrival_time"] {
        for sign in ["", "-"] {
            let path = format!("/orders?ordering={sign}{ordering}");
            let mut statuses = FLOW.into_iter().cycle();
            let listed = walk(&app, &admin, &path, 2, async || {
                let snack = app.snack(&admin, &format!("{ordering} {}", uuid::Uuid::new_v4())).await;
                let order = app.post(&admin, "/orders", order_body(&[(&snack, 1)])).await.expect(201);
                advance_order(&app, &admin, &order.uid(), statuses.next().expect("a status")).await;
            });
            // An ascending walk also returns the orders that are added meanwhile, so two pages of old ones are enough.
            let listed: Vec<Value> = listed.await;
            let seen = texts(&listed, "uid");
            assert_eq!(seen.len(), seen.iter().collect::<HashSet<_>>().len(), "{path} repeats");
            let old: HashSet<&str> = seen.iter().copied().filter(|uid| before.iter().any(|old| old == uid)).collect();
            assert_eq!(old.len(), before.len(), "{path} skips");
        }
    }
}
