//! Statistics against a plain recount: a few hundred orders, many of them at the edge of a day, with random ranges and
//! units.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::{Asia::Seoul, Tz};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{
    fixtures::{LineFixture, OrderFixture, amounts, insert_orders, walk},
    test_app::{TestApp, TestUser},
};

const ZONE: Tz = Seoul;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// A line of an order: the index of its snack, the quantity and the price.
fn any_line(snack: String) -> impl Strategy<Value = LineFixture> {
    let price = prop_oneof![
        (1..90_000_i64).prop_map(|won| ("KRW", won * 100)),
        (1..5_000_i64).prop_map(|cents| ("USD", cents)),
        (1..9_000_i64).prop_map(|yen| ("JPY", yen * 100)),
    ];
    (1..=1000, price).prop_map(move |(quantity, (currency, cents))| LineFixture {
        snack: snack.clone(),
        quantity,
        currency,
        cents,
    })
}

/// An order of some of `snacks` within fourteen months. Half of them are within a microsecond of a midnight in Seoul.
fn any_order(snacks: Vec<String>) -> impl Strategy<Value = OrderFixture> {
    let count = snacks.len();
    let lines = prop::sample::subsequence(snacks, 1..=count)
        .prop_flat_map(|snacks| snacks.into_iter().map(any_line).collect::<Vec<_>>());
    let second =
        prop_oneof![(0..86_400_i64).prop_map(TimeDelta::seconds), (-1..=0_i64).prop_map(TimeDelta::microseconds),];
    (0..430_u64, second, prop::bool::weighted(0.2), lines).prop_map(|(days, second, is_canceled, lines)| {
        let midnight = (day("2023-12-20") + Days::new(days)).and_time(NaiveTime::MIN);
        let midnight = midnight.and_local_timezone(ZONE).single().expect("a midnight");
        OrderFixture { created_at: midnight.to_utc() + second, is_canceled, lines }
    })
}

/// A period: its query, and its days.
#[derive(Clone, Debug)]
struct Period {
    query: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

fn any_period() -> impl Strategy<Value = Period> {
    let any_day = || (0..500_u64).prop_map(|days| day("2023-11-15") + Days::new(days));
    let between = |query: String, from, to| Period { query, from: Some(from), to: Some(to) };
    prop_oneof![
        Just(Period { query: String::new(), from: None, to: None }),
        any_day().prop_map(|from| Period { query: format!("from={from}"), from: Some(from), to: None }),
        any_day().prop_map(|to| Period { query: format!("to={to}"), from: None, to: Some(to) }),
        (any_day(), any_day())
            .prop_map(move |(a, b)| { between(format!("from={}&to={}", a.min(b), a.max(b)), a.min(b), a.max(b)) }),
        any_day().prop_map(move |day| between(day.format("year=%Y&month=%m&day=%d").to_string(), day, day)),
        any_day().prop_map(move |day| {
            let days: Vec<_> =
                day.with_day(1).expect("a first").iter_days().take_while(|d| d.month() == day.month()).collect();
            between(day.format("year=%Y&month=%m").to_string(), days[0], days[days.len() - 1])
        }),
        any_day().prop_map(move |day| {
            let year = |month, last| NaiveDate::from_ymd_opt(day.year(), month, last).expect("a date");
            between(day.format("year=%Y").to_string(), year(1, 1), year(12, 31))
        }),
        // The week of any day is the week of its Thursday.
        any_day().prop_map(move |day| {
            let thursday = thursday_of(day);
            let query = format!("{}&week={}", thursday.format("year=%Y&month=%m"), week_number(thursday));
            between(query, thursday - Days::new(3), thursday + Days::new(3))
        }),
    ]
}

fn thursday_of(day: NaiveDate) -> NaiveDate {
    let monday = (0..7).map(|back| day - Days::new(back)).find(|day| day.weekday() == Weekday::Mon);
    monday.expect("a Monday") + Days::new(3)
}

/// The number of the Thursday in its month, from 1.
fn week_number(thursday: NaiveDate) -> usize {
    let month = thursday.with_day(1).expect("a first").iter_days();
    month.take_while(|day| *day <= thursday).filter(|day| day.weekday() == Weekday::Thu).count()
}

fn label(unit: &str, day: NaiveDate) -> String {
    match unit {
        "year" => day.format("%Y").to_string(),
        "month" => day.format("%Y-%m").to_string(),
        "week" => {
            let thursday = thursday_of(day);
            format!("{}-W{}", thursday.format("%Y-%m"), week_number(thursday))
        }
        _ => day.to_string(),
    }
}

fn day_of(instant: DateTime<Utc>) -> NaiveDate {
    instant.with_timezone(&ZONE).date_naive()
}

/// The orders that count.
fn counted<'a>(
    dated_orders: &'a [OrderFixture],
    range: &Period,
    canceled: bool,
) -> Vec<(NaiveDate, &'a [LineFixture])> {
    let dated_orders = dated_orders.iter().filter(|order| canceled || !order.is_canceled);
    dated_orders
        .map(|order| (day_of(order.created_at), order.lines.as_slice()))
        .filter(|(day, _)| range.from.is_none_or(|from| from <= *day) && range.to.is_none_or(|to| *day <= to))
        .collect()
}

/// The summary counted day by day, or nothing when it has too many periods.
fn recount(
    dated_orders: &[OrderFixture],
    range: &Period,
    unit: &str,
    canceled: bool,
    today: NaiveDate,
) -> Option<Value> {
    let everything = Period { query: String::new(), from: None, to: None };
    let first = counted(dated_orders, &everything, canceled).iter().map(|(day, _)| *day).min().expect("an order");
    let from = range.from.unwrap_or(first.min(range.to.unwrap_or(first)));
    let to = range.to.unwrap_or(today);
    let mut by_day: HashMap<NaiveDate, Vec<&[LineFixture]>> = HashMap::new();
    for (day, lines) in counted(dated_orders, range, canceled) {
        by_day.entry(day).or_default().push(lines);
    }
    let mut periods: Vec<(String, NaiveDate, NaiveDate, Vec<&[LineFixture]>)> = Vec::new();
    for day in from.iter_days().take_while(|day| *day <= to) {
        let label = label(unit, day);
        let orders = by_day.remove(&day).unwrap_or_default();
        match periods.last_mut() {
            Some(period) if period.0 == label => {
                period.2 = day;
                period.3.extend(orders);
            }
            _ => periods.push((label, day, day, orders)),
        }
    }
    assert!(by_day.is_empty(), "an order outside of its range");
    if periods.len() > 1000 {
        return None;
    }
    let results: Vec<Value> = periods
        .into_iter()
        .map(|(label, from, to, orders)| {
            let lines: Vec<&LineFixture> = orders.iter().copied().flatten().collect();
            json!({"period": label, "from": from, "to": to, "order_count": orders.len(),
                "snack_quantity": lines.iter().map(|line| i64::from(line.quantity)).sum::<i64>(),
                "amounts": amounts(&lines)})
        })
        .collect();
    Some(json!({"timezone": "Asia/Seoul", "unit": unit, "from": from, "to": to, "results": results}))
}

struct Setup {
    app: TestApp,
    member: TestUser,
    dated_orders: Vec<OrderFixture>,
    snacks: Vec<String>,
    random: TestRunner,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let member = app.member().await;
        let mut snacks = Vec::new();
        for name in ["새우깡", "꼬깔콘", "포카칩", "Pringles", "ポッキー", "오징어땅콩"] {
            snacks.push(app.snack(&member, name).await);
        }
        let mut random = TestRunner::deterministic();
        let orders = prop::collection::vec(any_order(snacks.clone()), 400);
        let dated_orders = orders.new_tree(&mut random).expect("orders").current();
        insert_orders(app.db(), &member, &dated_orders).await;
        Self { app, member, dated_orders, snacks, random }
    }

    fn draw<T>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(&mut self.random).expect("a value").current()
    }
}

#[tokio::test]
async fn summaries_are_what_a_plain_recount_gives() {
    let mut setup = Setup::new().await;
    let mut refused = 0;
    for _ in 0..120 {
        let range = setup.draw(any_period());
        let unit = setup.draw(prop::sample::select(vec!["year", "month", "week", "day", ""]));
        let canceled = setup.draw(any::<bool>());
        let path = format!("/statistics/summary?{}&unit={unit}&include_canceled={canceled}", range.query);
        let unit = if unit.is_empty() { "month" } else { unit };
        let today_before = day_of(Utc::now());
        let response = setup.app.get(&setup.member, &path).await;
        // The day may change in between.
        let todays = [today_before, day_of(Utc::now())];
        let expected = todays.map(|today| recount(&setup.dated_orders, &range, unit, canceled, today));
        if expected.iter().any(Option::is_none) {
            refused += 1;
            response.expect_error(400, "invalid_request");
            continue;
        }
        let summary = response.expect(200);
        assert!(expected.contains(&Some(summary.0.clone())), "{path}\n{}\n{}", summary.0, json!(expected[0]));
    }
    assert!(refused < 30, "{refused} of the queries had too many periods");
}

#[tokio::test]
async fn sums_by_snack_are_what_a_plain_recount_gives() {
    let mut setup = Setup::new().await;
    for _ in 0..60 {
        let range = setup.draw(any_period());
        let canceled = setup.draw(any::<bool>());
        let query = format!("{}&include_canceled={canceled}", range.query);
        let orders = counted(&setup.dated_orders, &range, canceled);
        let mut expected: Vec<(usize, Value)> = Vec::new();
        for (at, snack) in setup.snacks.iter().enumerate() {
            let of_it = orders.iter().flat_map(|(_, lines)| lines.iter());
            let lines: Vec<&LineFixture> = of_it.filter(|line| line.snack == *snack).collect();
            if lines.is_empty() {
                continue;
            }
            let quantity: i64 = lines.iter().map(|line| i64::from(line.quantity)).sum();
            let sums =
                json!({"uid": snack, "order_count": lines.len(), "quantity": quantity, "amounts": amounts(&lines)});
            expected.push((at, sums));
        }
        // Largest first, and of two equal ones the one that was registered last.
        expected.sort_by_key(|(at, sums)| std::cmp::Reverse((sums["quantity"].as_i64(), *at)));
        let path = format!("/statistics/snacks?{query}");
        let rows = walk(&setup.app, &setup.member, &path, 4, async || {}).await;
        let shown: Vec<Value> = rows
            .into_iter()
            .map(|row| {
                json!({"uid": row["snack"]["uid"], "order_count": row["order_count"], "quantity": row["quantity"],
                    "amounts": row["amounts"]})
            })
            .collect();
        assert_eq!(shown, expected.into_iter().map(|(_, sums)| sums).collect::<Vec<_>>(), "{query}");

        let listed = walk(&setup.app, &setup.member, &format!("/statistics/orders?{query}"), 100, async || {}).await;
        assert_eq!(listed.len(), orders.len(), "{query}");
    }
}
