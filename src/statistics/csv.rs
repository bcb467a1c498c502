//! Lines of statistics in CSV files.

use chrono::{DateTime, SecondsFormat, Utc};

use super::store::{CurrencyStatistics, PeriodSummary, SnackStatistics};
use crate::{
    domain::money::Currency,
    http::csv::Lines,
    order::store::{Order, Purchase},
};

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Lines for Order {
    const HEADER: &'static [&'static str] = &[
        "uid",
        "status",
        "created_at",
        "user_name",
        "user_email",
        "snack_name",
        "quantity",
        "unit_price",
        "currency",
        "amount",
        "estimated_arrival_time",
    ];

    fn lines(&self) -> Vec<Vec<String>> {
        let line = |purchase: &Purchase| {
            vec![
                self.uid.to_string(),
                self.status.to_string(),
                instant(self.created_at),
                self.user.name.clone(),
                self.user.email.clone(),
                purchase.snack.name.clone(),
                purchase.quantity.to_string(),
                purchase.unit_price.clone(),
                purchase.currency.code().to_owned(),
                purchase.amount.clone(),
                self.estimated_arrival_time.map(instant).unwrap_or_default(),
            ]
        };
        self.purchases.iter().map(line).collect()
    }
}

impl Lines for SnackStatistics {
    const HEADER: &'static [&'static str] = &["uid", "name", "order_count", "quantity", "currency", "amount"];

    fn lines(&self) -> Vec<Vec<String>> {
        let line = |sum: &CurrencyStatistics| {
            vec![
                self.snack.uid.to_string(),
                self.snack.name.clone(),
                sum.order_count.to_string(),
                sum.quantity.to_string(),
                sum.money.currency.code().to_owned(),
                sum.money.to_string(),
            ]
        };
        self.by_currency.iter().map(line).collect()
    }
}

impl Lines for PeriodSummary {
    const HEADER: &'static [&'static str] =
        &["period", "from", "to", "order_count", "snack_quantity", "KRW", "USD", "JPY"];

    fn lines(&self) -> Vec<Vec<String>> {
        let mut line = vec![
            self.period.clone(),
            self.from.to_string(),
            self.to.to_string(),
            self.order_count.to_string(),
            self.snack_quantity.to_string(),
        ];
        line.extend(Currency::ALL.map(|currency| self.amount(currency).to_string()));
        vec![line]
    }
}
