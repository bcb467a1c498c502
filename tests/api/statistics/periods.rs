//! Periods: the orders of a day, a week, a month and a year in the configured time zone, for every endpoint that takes
//! one.

use chrono::{Days, NaiveDate, TimeDelta};

use crate::support::{
    fixtures::{insert_orders, instant, shipped_order, snack_with_price, texts},
    test_app::{TestApp, TestUser},
};

/// Inserts an order of a snack of its own, named by its letter, at each of the instants.
async fn insert_lettered_orders(app: &TestApp, user: &TestUser, instants: &[(&str, &str)]) {
    let mut inserted = Vec::new();
    for (letter, at) in instants {
        let snack = snack_with_price(app, user, letter, "KRW", "1000").await;
        inserted.push(shipped_order(instant(at), &snack, 1));
    }
    insert_orders(app.db(), user, &inserted).await;
}

/// The letters of the orders in a period. All endpoints have to agree on them.
async fn letters(app: &TestApp, user: &TestUser, query: &str) -> String {
    let mut found = Vec::new();
    for list in ["/orders", "/statistics/orders"] {
        let path = format!("{list}?ordering=created_at&limit=100&{query}");
        let orders = app.get(user, &path).await.expect(200);
        let names = orders.rows().iter().map(|order| order["purchases"][0]["snack"]["name"].as_str());
        found.push(names.collect::<Option<String>>().expect("names"));
    }
    let path = format!("/statistics/snacks?ordering=name&limit=100&{query}");
    let snacks: Vec<_> = app.get(user, &path).await.expect(200).column("snack");
    found.push(texts(&snacks, "name").concat());
    assert!(found.iter().all(|letters| *letters == found[0]), "{query}: {found:?}");
    let summary = app.get(user, &format!("/statistics/summary?unit=month&{query}")).await.expect(200);
    let total: Option<i64> = summary.rows().iter().map(|period| period["order_count"].as_i64()).sum();
    assert_eq!(total, i64::try_from(found[0].len()).ok(), "{query}");
    found.swap_remove(0)
}

#[tokio::test]
async fn a_period_begins_and_ends_at_midnight_in_seoul() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let instants = [
        ("a", "2023-12-31T14:59:59.999999Z"),
        ("b", "2023-12-31T15:00:00Z"), // Monday, 1 January in Seoul
        ("c", "2024-01-03T15:00:00Z"),
        ("d", "2024-01-04T14:59:59Z"),
        ("e", "2024-01-04T15:00:00Z"),
        ("f", "2024-01-07T14:59:59.999999Z"), // the last of Sunday
        ("g", "2024-01-07T15:00:00Z"),
        ("h", "2024-01-28T15:00:00Z"), // Monday, 29 January: its Thursday is in February
        ("i", "2024-01-31T15:00:00Z"),
        ("j", "2024-02-04T14:59:59Z"),
        ("k", "2024-02-04T15:00:00Z"),
        ("l", "2024-02-29T14:59:59Z"), // a leap day's last second
        ("m", "2024-12-29T15:00:00Z"), // Monday, 30 December: its Thursday is in January
        ("n", "2024-12-31T14:59:59Z"),
        ("o", "2024-12-31T15:00:00Z"),
    ];
    insert_lettered_orders(&app, &member, &instants).await;
    let table = [
        ("", "abcdefghijklmno"),
        ("year=&month=&day=&week=&from=&to=", "abcdefghijklmno"),
        ("year=2023", "a"),
        ("year=2024", "bcdefghijklmn"),
        ("year=2024&month=", "bcdefghijklmn"),
        ("year=2025", "o"),
        ("year=2026", ""),
        ("year=2023&month=12", "a"),
        ("year=2024&month=1", "bcdefgh"),
        ("year=2024&month=2", "ijkl"),
        ("year=2024&month=3", ""),
        ("year=2024&month=12", "mn"),
        ("year=2024&month=1&day=1", "b"),
        ("year=2024&month=1&day=3", ""),
        ("year=2024&month=1&day=4", "cd"),
        ("year=2024&month=1&day=5", "e"),
        ("year=2024&month=2&day=29", "l"),
        ("year=2024&month=1&week=1", "bcdef"),
        ("year=2024&month=1&week=2", "g"),
        ("year=2024&month=1&week=4", ""),
        ("year=2024&month=2&week=1", "hij"),
        ("year=2024&month=2&week=2", "k"),
        ("year=2024&month=2&week=5", "l"),
        ("year=2025&month=1&week=1", "mno"),
        ("from=2024-01-04&to=2024-01-04", "cd"),
        ("from=2024-01-05&to=2024-01-08", "efg"),
        ("from=2024-12-30", "mno"),
        ("to=2024-01-01", "ab"),
        ("to=2023-12-30", ""),
        ("from=2025-01-02", ""),
    ];
    for (query, expected) in table {
        assert_eq!(letters(&app, &member, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_day_lasts_as_long_as_the_clocks_of_its_zone_say() {
    let table = [
        // The zone, a day, and the first instants of it and of the next day.
        ("America/New_York", "2024-03-10", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"),
        ("America/New_York", "2024-11-03", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"),
        // Midnight is skipped, comes at the end of a repeated hour, or comes twice.
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z"),
        ("Africa/Cairo", "2024-10-31", "2024-10-30T21:00:00Z", "2024-10-31T22:00:00Z"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"),
        ("Asia/Kathmandu", "2024-11-03", "2024-11-02T18:15:00Z", "2024-11-03T18:15:00Z"),
    ];
    for (zone, day, start, end) in table {
        let app = TestApp::with(|config| config.timezone = zone.parse().expect("a zone")).await;
        let member = app.member().await;
        let before = |text: &str| (instant(text) - TimeDelta::microseconds(1)).to_rfc3339();
        let instants = [("a", before(start)), ("b", start.to_owned()), ("c", before(end)), ("d", end.to_owned())];
        insert_lettered_orders(&app, &member, &instants.each_ref().map(|(letter, at)| (*letter, at.as_str()))).await;

        let date: NaiveDate = day.parse().expect("a date");
        let numbers = date.format("year=%Y&month=%-m&day=%-d").to_string();
        assert_eq!(letters(&app, &member, &numbers).await, "bc", "{zone} {day}");
        let range = format!("from={}&to={}", date - Days::new(1), date + Days::new(1));
        let summary = app.get(&member, &format!("/statistics/summary?unit=day&{range}")).await.expect(200);
        assert_eq!(summary["timezone"], zone);
        assert_eq!(summary.column("order_count"), [1, 2, 1], "{zone} {day}");
    }
}

#[tokio::test]
async fn a_query_that_names_no_period_is_a_400_everywhere() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let queries = [
        "month=1",
        "day=1",
        "week=1",
        "month=1&day=1",
        "year=&month=1",
        "year=2024&day=1",
        "year=2024&week=1",
        "year=2024&month=1&day=1&week=1",
        "year=2024&from=2024-01-01",
        "year=2024&to=2024-12-31",
        "year=2024&month=1&from=2024-01-01&to=2024-01-31",
        "month=1&to=2024-01-01",
        "week=1&from=2024-01-01",
        "from=2024-02-01&to=2024-01-31",
        "from=2024-02-30",
        "to=2023-02-29",
        "from=2024-1-4",
        "from=2024-01",
        "from=20240104",
        "from=2024-01-04T00:00:00Z",
        "from=0000-01-01",
        "to=12024-01-04",
        "from=yesterday",
        "from=%FF",
        "from=2024-01-01&from=2024-01-02",
        "year=2023&month=2&day=29",
        "year=2024&month=4&day=31",
        "year=2024&month=13",
        "year=2024&month=0",
        "year=2024&month=1&day=0",
        "year=2024&month=1&week=0",
        "year=2024&month=1&week=5",
        "year=2024&month=2&week=6",
        "year=0",
        "year=10000",
        "year=-2024",
        "year=99999999999",
        "year=2024.5",
        "year=this",
    ];
    for endpoint in ["/orders", "/statistics/orders", "/statistics/snacks", "/statistics/summary"] {
        for query in queries {
            app.get(&member, &format!("{endpoint}?{query}")).await.expect_error(400, "invalid_request");
        }
        // The extremes of the parameters succeed, and so does a week that only some months have.
        for query in
            ["year=1", "year=9999", "from=9999-12-31&to=9999-12-31", "to=0001-01-01", "year=2024&month=2&week=5"]
        {
            app.get(&member, &format!("{endpoint}?{query}")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn statistics_are_for_those_who_have_signed_in_and_know_what_they_ask() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for endpoint in ["/statistics/orders", "/statistics/snacks", "/statistics/summary"] {
        let without_token = app.request(reqwest::Method::GET, endpoint);
        app.send(without_token).await.expect_error(401, "not_authenticated");
        for query in ["include_canceled=maybe", "include_canceled=1", "include_canceled=TRUE"] {
            app.get(&member, &format!("{endpoint}?{query}")).await.expect_error(400, "invalid_request");
        }
        app.get(&member, &format!("{endpoint}/?include_canceled=")).await.expect(200);
    }
    for query in [
        "/statistics/summary?unit=hour",
        "/statistics/summary?unit=Month",
        "/statistics/snacks?ordering=price",
        "/statistics/snacks?ordering=-",
        "/statistics/snacks?limit=0",
        "/statistics/snacks?limit=101",
        "/statistics/snacks?cursor=x",
    ] {
        app.get(&member, query).await.expect_error(400, "invalid_request");
    }
}
