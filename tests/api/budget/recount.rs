//! Random histories of orders and limits against a plain recount: every budget and every decision is that of the model.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{
    budget::{order_of, this_month},
    test_app::{TestApp, TestUser},
};

const CURRENCIES: [(&str, u32); 3] = [("KRW", 0), ("USD", 2), ("JPY", 0)];
/// Past months, the current one, and a later one, by their place in `Model::months`.
const MONTHS: usize = 4;
const CURRENT: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Created,
    /// Approved in a month, by its place.
    Approved(usize),
    Canceled,
}

struct ModelOrder {
    uid: String,
    currency: usize,
    /// In hundredths.
    cents: i64,
    status: Status,
}

/// The orders and every limit that was set, in order.
struct Model {
    months: [String; MONTHS],
    orders: Vec<ModelOrder>,
    /// Month, currency, amount in hundredths, and whether it goes on.
    limits: Vec<(usize, usize, Option<i64>, bool)>,
}

fn shown(currency: usize, cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.abs();
    match CURRENCIES[currency].1 {
        0 => format!("{sign}{}", cents / 100),
        _ => format!("{sign}{}.{:02}", cents / 100, cents % 100),
    }
}

impl Model {
    fn sum(&self, currency: usize, counts: impl Fn(Status) -> bool) -> i64 {
        self.orders
            .iter()
            .filter(|order| order.currency == currency && counts(order.status))
            .map(|order| order.cents)
            .sum()
    }

    /// The limit of a month: the last that was set for it, where a limit that goes on counts until the next month that has such a one.
    fn limit(&self, month: usize, currency: usize) -> Option<i64> {
        let mut alone = [None; MONTHS];
        let mut onwards = [None; MONTHS];
        for (at, of, amount, goes_on) in &self.limits {
            if *of == currency {
                if *goes_on {
                    onwards[*at] = Some(*amount);
                    alone[*at] = None;
                } else {
                    alone[*at] = Some(*amount);
                }
            }
        }
        alone[month].or_else(|| (0..=month).rev().find_map(|earlier| onwards[earlier])).flatten()
    }

    fn budgets(&self, month: usize) -> Vec<Value> {
        let budget = |currency: usize| {
            let limit = self.limit(month, currency);
            let committed = self.sum(currency, |status| status == Status::Approved(month));
            let pending = if month == CURRENT { self.sum(currency, |status| status == Status::Created) } else { 0 };
            let is_shown = limit.is_some() || committed != 0 || pending != 0;
            is_shown.then(|| {
                json!({"month": self.months[month], "currency": CURRENCIES[currency].0,
                    "amount": limit.map(|limit| shown(currency, limit)), "committed": shown(currency, committed),
                    "pending": shown(currency, pending), "remaining": limit.map(|limit| shown(currency, limit - committed))})
            })
        };
        (0..CURRENCIES.len()).filter_map(budget).collect()
    }
}

async fn step(app: &TestApp, admin: &TestUser, model: &mut Model, rng: &mut Rng) {
    let order = if model.orders.is_empty() { None } else { Some(rng.usize(0..model.orders.len())) };
    match (rng.u32(0..10), order) {
        (0..=2, _) | (_, None) => {
            let currency = rng.usize(0..CURRENCIES.len());
            let unit = if CURRENCIES[currency].1 == 0 { 100 } else { 1 };
            let (price, quantity) = (rng.i64(0..50) * unit, rng.i64(1..5));
            let uid = order_of(app, admin, CURRENCIES[currency].0, &shown(currency, price), quantity).await;
            model.orders.push(ModelOrder { uid, currency, cents: price * quantity, status: Status::Created });
        }
        (3..=5, Some(at)) => {
            let may_exceed = rng.u32(0..4) == 0;
            let body = json!({"status": "approved", "over_budget": may_exceed});
            let response = app.put(admin, &format!("/orders/{}/status", model.orders[at].uid), body).await;
            let order = &model.orders[at];
            let committed = model.sum(order.currency, |status| status == Status::Approved(CURRENT));
            let fits = order.cents == 0
                || model.limit(CURRENT, order.currency).is_none_or(|limit| committed + order.cents <= limit);
            if order.status != Status::Created {
                response.expect_error(409, "invalid_transition");
            } else if fits || may_exceed {
                response.expect(200);
                model.orders[at].status = Status::Approved(CURRENT);
            } else {
                response.expect_error(409, "budget_exceeded");
            }
        }
        (6, Some(at)) => {
            let order = &mut model.orders[at];
            let response = app.set_status(admin, &order.uid, "canceled").await;
            if order.status == Status::Canceled {
                response.expect_error(409, "invalid_transition");
            } else {
                response.expect(200);
                order.status = Status::Canceled;
            }
        }
        (7, Some(at)) => {
            // As if it had been approved in another month.
            if let Status::Approved(_) = model.orders[at].status {
                let month = rng.usize(0..=CURRENT);
                let instant = format!("{}-15T12:00:00Z", model.months[month]);
                sqlx::query("UPDATE orders SET approved_at = $2::text::timestamptz WHERE uid = $1::text::uuid")
                    .bind(&model.orders[at].uid)
                    .bind(instant)
                    .execute(app.db())
                    .await
                    .expect("an update");
                model.orders[at].status = Status::Approved(month);
            }
        }
        _ => {
            let (month, currency, goes_on) = (rng.usize(0..MONTHS), rng.usize(0..CURRENCIES.len()), rng.bool());
            let unit = if CURRENCIES[currency].1 == 0 { 100 } else { 1 };
            let amount = (rng.u32(0..6) > 0).then(|| rng.i64(0..150) * unit);
            let body = json!({"currency": CURRENCIES[currency].0, "amount": amount.map(|amount| shown(currency, amount)),
                "applies": if goes_on { "onwards" } else { "month" }});
            app.put(admin, &format!("/budgets/{}", model.months[month]), body).await.expect(200);
            model.limits.push((month, currency, amount, goes_on));
        }
    }
}

#[tokio::test]
async fn budgets_and_decisions_are_those_of_a_plain_recount() {
    for seed in 0..4 {
        let app = TestApp::start().await;
        let admin = app.admin().await;
        let mut rng = Rng::with_seed(seed);
        let months = ["2024-02".to_owned(), "2024-12".to_owned(), this_month(), "9000-01".to_owned()];
        let mut model = Model { months, orders: Vec::new(), limits: Vec::new() };
        for number in 0..60 {
            step(&app, &admin, &mut model, &mut rng).await;
            for month in 0..MONTHS {
                let path = format!("/budgets?month={}", model.months[month]);
                let budgets = app.get(&admin, &path).await.expect(200);
                assert_eq!(budgets.rows(), &model.budgets(month), "seed {seed}, step {number}");
            }
        }
    }
}
