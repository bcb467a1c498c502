//! Statistics as CSV: all rows of a period, for spreadsheets, with Korean text and without formulas.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    fixtures::{
        LineFixture, OrderFixture, advance_order, count, created_at, insert_orders, insert_snacks, instant, order_body,
        shipped_order, snack_with_price,
    },
    response::Response,
    test_app::{TestApp, TestUser},
};

const BOM: &str = "\u{feff}";
const CALLS: [&str; 3] = ["/statistics/orders", "/statistics/snacks", "/statistics/summary"];

async fn get_as(app: &TestApp, user: &TestUser, path: &str, accept: &str) -> Response {
    let request = app.request(Method::GET, path).bearer_auth(&user.access);
    app.send(request.header("accept", accept)).await
}

/// The cells of a CSV file, the header line first.
async fn cells(app: &TestApp, user: &TestUser, path: &str) -> Vec<Vec<String>> {
    let response = get_as(app, user, path, "text/csv").await;
    assert_eq!(response.status, 200, "{path}: {}", response.text);
    assert_eq!(response.header("content-type"), "text/csv; charset=utf-8");
    let text = response.text.strip_prefix(BOM).expect("a byte order mark");
    assert!(!text.contains(BOM), "one byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Result<Vec<Vec<String>>, _> = reader.deserialize().collect();
    rows.expect("lines of the same length")
}

#[tokio::test]
async fn the_header_lines_are_as_documented_even_with_nothing_below() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (path, header) in [
        (
            "/statistics/orders",
            "uid,status,created_at,user_name,user_email,snack_name,quantity,unit_price,currency,amount,estimated_arrival_time",
        ),
        ("/statistics/snacks", "uid,name,order_count,quantity,currency,amount"),
    ] {
        let response = get_as(&app, &member, path, "text/csv").await;
        assert_eq!(response.text.trim_end(), format!("{BOM}{header}"));
        assert!(!response.text.contains(['"', '\'']));
    }
    let path = "/statistics/summary?from=2024-01-01&to=2024-01-01";
    let response = get_as(&app, &member, path, "text/csv").await;
    let lines: Vec<_> = response.text.lines().collect();
    assert_eq!(
        lines,
        [
            format!("{BOM}period,from,to,order_count,snack_quantity,KRW,USD,JPY").as_str(),
            "2024-01,2024-01-01,2024-01-01,0,0,0,0.00,0",
        ]
    );
}

#[tokio::test]
async fn a_line_has_what_the_json_has() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let krw = app.snack(&member, "새우깡, \"매운맛\"").await;
    let usd = snack_with_price(&app, &member, "Pringles\u{3000}Sour", "USD", "3.90").await;
    let first = app.post(&member, "/orders", order_body(&[(&usd, 3), (&krw, 2)])).await.expect(201).uid();
    advance_order(&app, &admin, &first, "shipping").await;
    created_at(&app, &first, "2024-01-04T03:00:00Z").await;
    let change = json!({"currency": "KRW", "price": "5000"});
    app.patch(&member, &format!("/snacks/{usd}"), change).await.expect(200);
    let second = app.order(&member, &[&usd]).await;
    created_at(&app, &second, "2024-02-04T03:00:00.5Z").await;

    let shown = app.get(&member, &format!("/orders/{first}")).await.expect(200);
    let name = |at: usize| shown["purchases"][at]["snack"]["name"].as_str().expect("a name");
    let user = shown["user"]["name"].as_str().expect("a name");
    let owner = [user, member.email.as_str()];
    let line = |uid: &str, status: &str, at: &str, rest: [&str; 6]| -> Vec<String> {
        [&[uid, status, at][..], &owner, &rest].concat().into_iter().map(str::to_owned).collect()
    };
    let arrival = "2030-01-09T03:00:00Z";
    let at = "2024-01-04T03:00:00Z";
    let rows = cells(&app, &member, "/statistics/orders?ordering=created_at").await;
    assert_eq!(
        rows[1..],
        [
            line(&first, "shipping", at, [name(0), "3", "3.90", "USD", "11.70", arrival]),
            line(&first, "shipping", at, [name(1), "2", "1500", "KRW", "3000", arrival]),
            line(&second, "created", "2024-02-04T03:00:00.500Z", [name(0), "1", "5000", "KRW", "5000", ""]),
        ]
    );
    assert_eq!(name(1), "새우깡, \"매운맛\"");

    let rows = cells(&app, &member, "/statistics/snacks").await;
    let expected = [
        [usd.as_str(), name(0), "1", "1", "KRW", "5000"],
        [usd.as_str(), name(0), "1", "3", "USD", "11.70"],
        [krw.as_str(), name(1), "1", "2", "KRW", "3000"],
    ];
    assert_eq!(rows[1..], expected.map(|row| row.map(str::to_owned).to_vec()));

    let rows = cells(&app, &member, "/statistics/summary?year=2024&month=1").await;
    assert_eq!(rows[1..], [["2024-01", "2024-01-01", "2024-01-31", "1", "5", "3000", "11.70", "0"]]);
    let rows = cells(&app, &member, "/statistics/summary?unit=week&from=2024-02-03&to=2024-02-05").await;
    assert_eq!(
        rows[1..],
        [
            ["2024-02-W1", "2024-02-03", "2024-02-04", "1", "1", "5000", "0.00", "0"],
            ["2024-02-W2", "2024-02-05", "2024-02-05", "0", "0", "0", "0.00", "0"],
        ]
    );
}

#[tokio::test]
async fn the_filters_and_orderings_of_the_json_apply() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let mut orders = Vec::new();
    for (number, status) in ["created", "approved", "canceled"].into_iter().enumerate() {
        let snack = app.snack(&admin, &format!("간식 {number}")).await;
        let order = app.order(if number == 0 { &admin } else { &member }, &[&snack]).await;
        advance_order(&app, &admin, &order, status).await;
        created_at(&app, &order, &format!("2024-01-0{}T03:00:00Z", number + 1)).await;
        orders.push(order);
    }
    for (query, expected) in [
        ("", vec![1, 0]),
        ("ordering=created_at", vec![0, 1]),
        ("include_canceled=true", vec![2, 1, 0]),
        ("user=me", vec![1]),
        ("status=created", vec![0]),
        ("year=2024&month=1&day=2", vec![1]),
        ("from=2024-01-04", vec![]),
    ] {
        let rows = cells(&app, &member, &format!("/statistics/orders?{query}")).await;
        let uids: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
        let expected: Vec<&str> = expected.into_iter().map(|at: usize| orders[at].as_str()).collect();
        assert_eq!(uids, expected, "{query}");
    }
    let canceled = cells(&app, &member, "/statistics/snacks?include_canceled=true&ordering=-name").await;
    let names: Vec<&str> = canceled[1..].iter().map(|row| row[1].as_str()).collect();
    assert_eq!(names, ["간식 2", "간식 1", "간식 0"]);
    // Errors are problem documents whatever the Accept header says.
    for query in ["/statistics/orders?status=lost", "/statistics/snacks?ordering=x", "/statistics/summary?from=x"] {
        get_as(&app, &member, query, "text/csv").await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn all_rows_of_the_period_are_in_the_file_whatever_the_limit() {
    const ORDERS: i64 = 1203;
    let app = TestApp::start().await;
    let member = app.member().await;
    // More snacks than the server reads in one batch.
    let snacks = insert_snacks(&app, 1203).await;
    // All at one instant, so that a page ends within a tie.
    let at = instant("2024-01-04T03:00:00Z");
    let inserted: Vec<OrderFixture> = snacks
        .iter()
        .map(|snack| {
            let mut order_fixture = shipped_order(at, snack, 2);
            order_fixture.lines.push(LineFixture {
                snack: if *snack == snacks[0] { snacks[1].clone() } else { snacks[0].clone() },
                ..order_fixture.lines[0].clone()
            });
            order_fixture
        })
        .collect();
    insert_orders(app.db(), &member, &inserted).await;
    assert_eq!(count(app.db(), "SELECT count(*) FROM orders").await, ORDERS);

    for query in ["", "limit=1", "limit=100&ordering=status"] {
        let rows = cells(&app, &member, &format!("/statistics/orders?{query}")).await;
        let mut lines: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[0].as_str(), row[5].as_str())).collect();
        assert_eq!(lines.len(), 2 * 1203, "{query}");
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 2 * 1203, "each line once: {query}");

        let rows = cells(&app, &member, &format!("/statistics/snacks?{}", query.replace("status", "name"))).await;
        let mut uids: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
        uids.sort_unstable();
        uids.dedup();
        assert_eq!((rows.len() - 1, uids.len()), (1203, 1203), "{query}");
    }
    let summary = cells(&app, &member, "/statistics/summary?unit=day&from=2022-01-01&to=2024-01-04&limit=1").await;
    assert_eq!(summary.len() - 1, 734);
    assert_eq!(summary[734][3], "1203");
}

#[tokio::test]
async fn no_cell_is_a_formula() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    // The last four are the full-width forms of the first four, which a spreadsheet runs as well.
    let names =
        ["=1+1", "+82", "-1", "@SUM(A1)", "=HYPERLINK(\"x\",\"y\")", "＝1+1", "＋82", "－1", "＠SUM(A1)", "﹦1", "−2"];
    for name in names {
        let member = app.member().await;
        app.patch(&member, "/auth/users/profile", json!({"name": name})).await.expect(200);
        let snack = app.snack(&member, name).await;
        app.order(&member, &[&snack]).await;
    }
    let plain = app.snack(&admin, "1 + 1 = 2").await;
    app.order(&admin, &[&plain]).await;
    let orders = cells(&app, &admin, "/statistics/orders?ordering=created_at").await;
    let snacks = cells(&app, &admin, "/statistics/snacks?ordering=quantity").await;
    for (at, name) in names.iter().enumerate() {
        let row = &orders[at + 1];
        assert_eq!((row[3].as_str(), row[5].as_str()), (format!("'{name}").as_str(), format!("'{name}").as_str()));
        assert_eq!(snacks[at + 1][1], format!("'{name}"));
    }
    assert_eq!((orders[12][5].as_str(), snacks[12][1].as_str()), ("1 + 1 = 2", "1 + 1 = 2"));
    for row in orders.iter().chain(&snacks) {
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])), "{row:?}");
    }
    // Earlier releases accepted such names.
    for (name, cell) in [("\tx", "'\tx"), ("\r=1", "'\r=1"), ("\n=1", "'\n=1"), (" \u{200b}=1", "' \u{200b}=1")] {
        sqlx::query("UPDATE users SET name = $2 WHERE id = $1")
            .bind(admin.id)
            .bind(name)
            .execute(app.db())
            .await
            .expect("a name");
        let orders = cells(&app, &admin, "/statistics/orders?user=me").await;
        assert_eq!(orders[1][3], cell);
    }
    // JSON is for programs, which get the names unchanged.
    let shown = app.get(&admin, "/statistics/snacks?ordering=quantity").await.expect(200);
    assert_eq!(shown["results"][0]["snack"]["name"], names[0]);
}

#[tokio::test]
async fn csv_is_sent_to_those_who_prefer_it() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for endpoint in CALLS {
        for (accept, is_csv) in [
            ("text/csv", true),
            ("Text/CSV; charset=utf-8", true),
            ("text/csv, application/json;q=0.9", true),
            ("application/json;q=0.5, text/csv;q=0.8", true),
            ("text/csv, */*;q=0.1", true),
            ("application/json", false),
            ("application/json, text/csv;q=0.9", false),
            ("*/*", false),
            ("text/html, */*;q=0.8", false),
            ("text/csv;q=0, */*", false),
            ("text/plain", false),
        ] {
            let response = get_as(&app, &member, endpoint, accept).await;
            assert_eq!(response.status, 200, "{endpoint} {accept}");
            let kind = if is_csv { "text/csv; charset=utf-8" } else { "application/json" };
            assert_eq!(response.header("content-type"), kind, "{endpoint} {accept}");
            assert_eq!(response.text.starts_with(BOM), is_csv, "{endpoint} {accept}");
            assert_eq!(response.body == Value::Null, is_csv, "{endpoint} {accept}");
        }
        let without_token = app.request(Method::GET, endpoint).header("accept", "text/csv");
        app.send(without_token).await.expect_error(401, "not_authenticated");
    }
    // Other lists have no CSV.
    let orders = get_as(&app, &member, "/orders", "text/csv").await;
    assert_eq!(orders.header("content-type"), "application/json");
}
