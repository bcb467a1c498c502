//! Lines of snacks in CSV files. An import accepts such a file.

use super::store::{Snack, SnackStatus};
use crate::http::csv::Lines;

impl Lines for Snack {
    const HEADER: &'static [&'static str] =
        &["name", "price", "currency", "url", "desc", "status", "like_reaction_count", "hate_reaction_count", "uid"];

    fn lines(&self) -> Vec<Vec<String>> {
        let status = match self.status {
            SnackStatus::Available => "available",
            SnackStatus::Unavailable => "unavailable",
        };
        vec![vec![
            self.name.clone(),
            self.price.clone(),
            self.currency.code().to_owned(),
            self.url.clone(),
            self.desc.clone(),
            status.to_owned(),
            self.like_reaction_count.to_string(),
            self.hate_reaction_count.to_string(),
            self.uid.to_string(),
        ]]
    }
}
