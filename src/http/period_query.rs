//! The query parameters of a period.

use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, de};
use utoipa::{IntoParams, PartialSchema, ToSchema, openapi};

use crate::{domain::period::DateRange, error::ApiError};

/// Period: `year` with or without `month`, and with that `day` or `week`; or `from` and `to`, both included.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    #[param(minimum = 1, maximum = 9999, example = 2024)]
    year: Option<i32>,
    #[param(minimum = 1, maximum = 12)]
    month: Option<u32>,
    #[param(minimum = 1, maximum = 31)]
    day: Option<u32>,
    /// Week of the month. Weeks run Monday to Sunday and belong to the month that holds their Thursday.
    #[param(minimum = 1, maximum = 5)]
    week: Option<u32>,
    /// First day, `YYYY-MM-DD`.
    from: Option<Date>,
    /// Last day, `YYYY-MM-DD`.
    to: Option<Date>,
}

impl PeriodQuery {
    /// Days of the period. Both ends are open when the query has no period.
    ///
    /// # Errors
    /// `invalid_request` for both forms mixed, a part without the one above it, a period that does not exist, and `from`
    /// after `to`.
    pub fn range(&self) -> Result<DateRange, ApiError> {
        let is_named = self.year.is_some() || self.month.is_some() || self.day.is_some() || self.week.is_some();
        if is_named && (self.from.is_some() || self.to.is_some()) {
            return Err(ApiError::bad_request(
                "year, month, week, day 는 from, to 와 함께 쓸 수 없습니다.",
                "year, month, week and day cannot be combined with from and to.",
            ));
        }
        if !is_named {
            let (from, to) = (self.from.map(|date| date.0), self.to.map(|date| date.0));
            if from.zip(to).is_some_and(|(from, to)| from > to) {
                return Err(ApiError::bad_request("from 이 to 보다 늦습니다.", "from is after to."));
            }
            return Ok(DateRange { from, to });
        }
        self.year.and_then(|year| DateRange::named(year, self.month, self.week, self.day)).ok_or_else(|| {
            ApiError::bad_request("존재하지 않는 연, 월, 주, 일입니다.", "There is no such year, month, week or day.")
        })
    }
}

/// A calendar date, `YYYY-MM-DD` and nothing shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
        if !shaped {
            return Err("a date is YYYY-MM-DD");
        }
        // There is no year 0.
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.year() > 0);
        date.map(Self).ok_or("there is no such date")
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Date {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::Date)))
            .examples([serde_json::json!("2024-01-04")])
            .into()
    }
}

impl ToSchema for Date {}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::period::Unit;

    fn range(query: &str) -> Option<(String, String)> {
        let query: PeriodQuery = serde_html_form::from_str(query).ok()?;
        let range = query.range().ok()?;
        let text = |day: Option<NaiveDate>| day.map_or_else(|| "open".to_owned(), |day| day.to_string());
        Some((text(range.from), text(range.to)))
    }

    #[test]
    fn a_query_names_the_days_it_should() {
        let table = [
            ("", ("open", "open")),
            ("year=2024", ("2024-01-01", "2024-12-31")),
            ("year=2024&month=2", ("2024-02-01", "2024-02-29")),
            ("year=2023&month=12", ("2023-12-01", "2023-12-31")),
            ("year=2024&month=1&day=4", ("2024-01-04", "2024-01-04")),
            ("year=2024&month=1&week=1", ("2024-01-01", "2024-01-07")),
            ("year=2024&month=2&week=1", ("2024-01-29", "2024-02-04")),
            ("year=2024&month=2&week=5", ("2024-02-26", "2024-03-03")),
            ("year=2025&month=1&week=1", ("2024-12-30", "2025-01-05")),
            ("from=2024-01-04", ("2024-01-04", "open")),
            ("to=2024-01-04", ("open", "2024-01-04")),
            ("from=2024-01-04&to=2024-01-04", ("2024-01-04", "2024-01-04")),
        ];
        for (query, (from, to)) in table {
            assert_eq!(range(query), Some((from.to_owned(), to.to_owned())), "{query}");
        }
    }

    #[test]
    fn a_query_that_names_no_period_is_refused() {
        let table = [
            "month=1",
            "day=1",
            "week=1",
            "year=2024&day=1",
            "year=2024&week=1",
            "year=2024&month=1&week=1&day=1",
            "year=2024&from=2024-01-01",
            "month=1&to=2024-01-01",
            "from=2024-02-01&to=2024-01-31",
            "from=2024-02-30",
            "from=2024-1-4",
            "from=20240104",
            "from=0000-01-01",
            "year=2023&month=2&day=29",
            "year=2024&month=13",
            "year=2024&month=0",
            "year=2024&month=1&week=0",
            "year=2024&month=1&week=5",
            "year=2024&month=1&week=6",
            "year=0",
            "year=10000",
            "year=-1",
            "year=99999999999",
            "year=2024.5",
        ];
        for query in table {
            assert_eq!(range(query), None, "{query}");
        }
    }

    proptest! {
        #[test]
        fn a_query_of_any_numbers_names_days_in_order_or_none(
            year in prop::option::of(prop_oneof![Just(0), Just(1), Just(9999), Just(10_000), any::<i32>(), 1990..2040]),
            month in prop::option::of(prop_oneof![0_u32..14, any::<u32>()]),
            week in prop::option::weighted(0.3, prop_oneof![0_u32..7, any::<u32>()]),
            day in prop::option::weighted(0.3, prop_oneof![0_u32..33, any::<u32>()]),
            unit in prop_oneof![Just(Unit::Year), Just(Unit::Month), Just(Unit::Week), Just(Unit::Day)],
        ) {
            let query = PeriodQuery { year, month, day, week, from: None, to: None };
            let Ok(DateRange { from, to }) = query.range() else { return Ok(()) };
            let Some((from, to)) = from.zip(to) else {
                prop_assert!(year.is_none() && month.is_none() && week.is_none() && day.is_none());
                return Ok(());
            };
            let days = (to - from).num_days() + 1;
            prop_assert!(match (month, week, day) {
                (None, ..) => days == 365 || days == 366,
                (_, None, None) => (28..=31).contains(&days),
                (_, Some(_), _) => days == 7,
                (_, _, Some(_)) => days == 1,
            }, "{} to {}", from, to);
            // Whatever is asked of the range comes to an end, at the ends of the calendar too.
            let (begins, ends) = DateRange { from: Some(from), to: Some(to) }.instants(Tz::Asia__Seoul);
            prop_assert!(begins < ends);
            prop_assert!(unit.periods(from, to).is_ok_and(|periods| !periods.is_empty()));
        }

        #[test]
        fn no_text_makes_a_query_panic_and_a_date_is_what_it_says(text: String, digits in "[0-9]{4}-[0-9]{2}-[0-9]{2}") {
            for text in [&text, &digits] {
                for name in ["year", "month", "week", "day", "from", "to"] {
                    let _ = range(&format!("year=2024&month=1&{name}={text}"));
                    let _ = range(&format!("{name}={text}"));
                }
                if let Ok(Date(date)) = text.parse() {
                    prop_assert_eq!(&date.to_string(), text);
                }
            }
        }
    }
}
