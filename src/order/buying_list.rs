//! The buying list: the snacks to be bought, summed over orders and grouped by shop.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgPool};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{status::OrderStatus, store::OrderUser};
use crate::{
    domain::money::{Currency, Money, add},
    error::ApiError,
    http::csv::Lines,
    snack::summary::{SUMMARY_COLUMNS, SnackSummary},
};

/// Maximum number of lines of orders that are read.
const MAX_PURCHASES: usize = 10_000;

/// Snacks to be bought.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuyingList {
    /// By name of the shop, snacks without a shop first.
    pub results: Vec<Shop>,
    /// Total for each currency.
    pub amounts: Vec<Money>,
}

/// Snacks to be bought in a shop.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shop {
    /// Host of the snacks' URLs. Empty for snacks without a URL.
    #[schema(example = "www.coupang.com")]
    pub host: String,
    /// By name and price.
    pub snacks: Vec<BuyingListLine>,
    /// Total for each currency.
    pub amounts: Vec<Money>,
}

/// Snack to be bought at a price.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuyingListLine {
    pub snack: SnackSummary,
    /// Sum over the orders.
    pub quantity: i64,
    /// Price when the snack was added to the orders.
    #[schema(example = "1500")]
    pub unit_price: String,
    pub currency: Currency,
    /// Quantity times unit price.
    #[schema(example = "3000")]
    pub amount: String,
    /// Orders that the snack is for, oldest first.
    pub orders: Vec<BuyingListOrder>,
    #[serde(skip)]
    price: Decimal,
}

/// Order that a snack is to be bought for.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuyingListOrder {
    pub uid: Uuid,
    pub user: OrderUser,
    pub quantity: i32,
}

/// Line of an order.
#[derive(FromRow)]
struct PurchaseRow {
    order_uid: Uuid,
    user_id: i64,
    user_name: String,
    user_email: String,
    quantity: i32,
    unit_price: Decimal,
    currency: Currency,
    #[sqlx(flatten)]
    snack: SnackSummary,
}

impl Lines for Shop {
    const HEADER: &'static [&'static str] = &["host", "snack_name", "quantity", "unit_price", "currency", "amount"];

    fn lines(&self) -> Vec<Vec<String>> {
        let line = |line: &BuyingListLine| {
            vec![
                self.host.clone(),
                line.snack.name.clone(),
                line.quantity.to_string(),
                line.unit_price.clone(),
                line.currency.code().to_owned(),
                line.amount.clone(),
            ]
        };
        self.snacks.iter().map(line).collect()
    }
}

/// Buying list of the orders with one of `statuses`.
///
/// # Errors
/// `invalid_request` for more than [`MAX_PURCHASES`] lines.
pub async fn load(db: &PgPool, statuses: &[OrderStatus]) -> Result<BuyingList, ApiError> {
    let sql = format!(
        "SELECT o.uid AS order_uid, o.user_id, person.name AS user_name, person.email AS user_email, p.quantity, p.unit_price,
             p.currency, {SUMMARY_COLUMNS}
         FROM orders AS o JOIN users AS person ON person.id = o.user_id JOIN purchases AS p ON p.order_id = o.id
         JOIN snacks AS s ON s.id = p.snack_id
         WHERE o.status = ANY($1) ORDER BY s.name_key, p.currency, p.unit_price, o.id LIMIT $2"
    );
    let limit = i64::try_from(MAX_PURCHASES + 1).map_err(ApiError::internal)?;
    let rows: Vec<PurchaseRow> = sqlx::query_as(AssertSqlSafe(sql)).bind(statuses).bind(limit).fetch_all(db).await?;
    if rows.len() > MAX_PURCHASES {
        return Err(ApiError::bad_request(
            format!("주문한 간식이 {MAX_PURCHASES}줄을 넘습니다. status 를 줄여 주세요."),
            format!("The orders have more than {MAX_PURCHASES} lines. Choose fewer statuses."),
        ));
    }
    Ok(group(rows))
}

/// Groups rows that are sorted by snack and price.
fn group(rows: Vec<PurchaseRow>) -> BuyingList {
    let mut shops: BTreeMap<String, Shop> = BTreeMap::new();
    let mut amounts = Vec::new();
    for row in rows {
        let host = host(&row.snack.url);
        let shop = shops.entry(host.clone()).or_insert(Shop { host, snacks: Vec::new(), amounts: Vec::new() });
        let money = Money { currency: row.currency, amount: row.unit_price * Decimal::from(row.quantity) };
        add(&mut shop.amounts, money);
        add(&mut amounts, money);
        let user = OrderUser { id: row.user_id, name: row.user_name, email: row.user_email };
        let order = BuyingListOrder { uid: row.order_uid, user, quantity: row.quantity };
        let same = |line: &&mut BuyingListLine| {
            line.snack.uid == row.snack.uid && line.currency == row.currency && line.price == row.unit_price
        };
        if let Some(line) = shop.snacks.last_mut().filter(same) {
            line.quantity += i64::from(row.quantity);
            line.amount = line.currency.format(line.price * Decimal::from(line.quantity));
            line.orders.push(order);
        } else {
            shop.snacks.push(BuyingListLine {
                snack: row.snack,
                quantity: row.quantity.into(),
                unit_price: row.currency.format(row.unit_price),
                currency: row.currency,
                amount: money.to_string(),
                orders: vec![order],
                price: row.unit_price,
            });
        }
    }
    BuyingList { results: shops.into_values().collect(), amounts }
}

/// Host of a shop's URL, empty without one.
fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
