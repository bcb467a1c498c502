//! The calendar: days, weeks of a month, months and years as the office counts them, in its own time zone. Pure: nothing
//! here does I/O, and "today" is told.
//!
//! Weeks run Monday to Sunday and belong to the month that holds their Thursday (KS X ISO 8601), so that the first week of
//! January 2024 is 2024-01-01 to 2024-01-07, and that of February 2024 is 2024-01-29 to 2024-02-04.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{error::ApiError, http::query::Date};

/// The most periods that a series may have.
pub const MAX_PERIODS: usize = 1_000;

/// Which period: `year` with or without `month`, and with that `day` or `week`; or `from` and `to`, both included.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    #[param(minimum = 1, maximum = 9999, example = 2024)]
    year: Option<i32>,
    #[param(minimum = 1, maximum = 12)]
    month: Option<u32>,
    #[param(minimum = 1, maximum = 31)]
    day: Option<u32>,
    /// Week of the month: weeks run Monday to Sunday and belong to the month that holds their Thursday.
    #[param(minimum = 1, maximum = 5)]
    week: Option<u32>,
    /// First day, `YYYY-MM-DD`.
    from: Option<Date>,
    /// Last day, `YYYY-MM-DD`.
    to: Option<Date>,
}

/// Days, both ends included; an end may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day.
    pub to: Option<NaiveDate>,
}

impl PeriodQuery {
    /// The days of the period; open at both ends when none was asked for.
    ///
    /// # Errors
    /// `invalid_request` for two kinds mixed, a part without the one above it, a day or a week that does not exist, and
    /// `from` after `to`.
    pub fn range(&self) -> Result<DateRange, ApiError> {
        let by_name = self.year.is_some() || self.month.is_some() || self.day.is_some() || self.week.is_some();
        if by_name && (self.from.is_some() || self.to.is_some()) {
            return Err(ApiError::unreadable("year, month, week and day do not go with from and to"));
        }
        if !by_name {
            let (from, to) = (self.from.map(|date| date.0), self.to.map(|date| date.0));
            if from.zip(to).is_some_and(|(from, to)| from > to) {
                return Err(ApiError::unreadable("from is after to"));
            }
            return Ok(DateRange { from, to });
        }
        let days = match (self.year, self.month, self.week, self.day) {
            (Some(year @ 1..=9999), month, week, day) => named(year, month, week, day),
            _ => None,
        };
        let (from, to) = days.ok_or_else(|| ApiError::unreadable("there is no such year, month, week or day"))?;
        Ok(DateRange { from: Some(from), to: Some(to) })
    }
}

/// The first and last day of a period given by its numbers.
fn named(year: i32, month: Option<u32>, week: Option<u32>, day: Option<u32>) -> Option<(NaiveDate, NaiveDate)> {
    match (month, week, day) {
        (None, None, None) => Some((NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year, 12, 31)?)),
        (Some(month), None, None) => {
            let first = NaiveDate::from_ymd_opt(year, month, 1)?;
            Some((first, first + Months::new(1) - Days::new(1)))
        }
        (Some(month), None, Some(day)) => NaiveDate::from_ymd_opt(year, month, day).map(|date| (date, date)),
        (Some(month), Some(week @ 1..=5), None) => {
            let thursday = NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Thu, u8::try_from(week).ok()?)?;
            Some((thursday - Days::new(3), thursday + Days::new(3)))
        }
        _ => None,
    }
}

impl DateRange {
    /// The instants from which and until before which the days last in `zone`.
    #[must_use]
    pub fn instants(self, zone: Tz) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        (self.from.map(|day| start_of(day, zone)), self.to.map(|day| start_of(day + Days::new(1), zone)))
    }
}

/// The instant at which `day` begins in `zone`: midnight, or the first moment after it where the clocks skip midnight.
#[must_use]
pub fn start_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=96)
        .find_map(|quarter| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarter))).earliest())
        .map_or_else(|| midnight.and_utc(), |start| start.to_utc())
}

/// The day that `instant` falls on in `zone`.
#[must_use]
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// How long the periods of a series are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// January to December.
    Year,
    /// A calendar month.
    #[default]
    Month,
    /// Monday to Sunday.
    Week,
    /// Midnight to midnight.
    Day,
}

/// One period of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`.
    pub label: String,
    /// The first day, not before the range's.
    pub from: NaiveDate,
    /// The last day, not after the range's.
    pub to: NaiveDate,
}

impl Unit {
    /// The first day of the period that holds `day`.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Year => day - Days::new(u64::from(day.ordinal0())),
            Self::Month => day - Days::new(u64::from(day.day0())),
            Self::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            Self::Day => day,
        }
    }

    /// The first day of the period after the one that begins with `start`.
    fn next(self, start: NaiveDate) -> NaiveDate {
        match self {
            Self::Year => start + Months::new(12),
            Self::Month => start + Months::new(1),
            Self::Week => start + Days::new(7),
            Self::Day => start + Days::new(1),
        }
    }

    /// What the period that begins with `start` is called.
    fn label(self, start: NaiveDate) -> String {
        match self {
            Self::Year => start.format("%Y").to_string(),
            Self::Month => start.format("%Y-%m").to_string(),
            Self::Week => {
                let thursday = start + Days::new(3);
                format!("{}-W{}", thursday.format("%Y-%m"), thursday.day0() / 7 + 1)
            }
            Self::Day => start.format("%Y-%m-%d").to_string(),
        }
    }

    /// Every period from `from` to `to`, those at the ends clipped.
    ///
    /// # Errors
    /// `invalid_request` when there are more than [`MAX_PERIODS`].
    pub fn periods(self, from: NaiveDate, to: NaiveDate) -> Result<Vec<Period>, ApiError> {
        let mut periods = Vec::new();
        let mut start = self.start(from);
        while start <= to {
            if periods.len() == MAX_PERIODS {
                return Err(ApiError::unreadable(format_args!("that is more than {MAX_PERIODS} periods")));
            }
            let next = self.next(start);
            periods.push(Period { label: self.label(start), from: start.max(from), to: (next - Days::new(1)).min(to) });
            start = next;
        }
        Ok(periods)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

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

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let at = |zone: Tz, date: &str| start_of(day(date), zone).to_rfc3339();
        assert_eq!(at(Tz::Asia__Seoul, "2024-01-04"), "2024-01-03T15:00:00+00:00");
        assert_eq!(at(Tz::UTC, "2024-01-04"), "2024-01-04T00:00:00+00:00");
        // Cairo's clocks skipped midnight itself.
        assert_eq!(at(Tz::Africa__Cairo, "2024-04-26"), "2024-04-25T22:00:00+00:00");
    }

    #[test]
    fn labels_are_as_documented() {
        let labels = |unit: Unit, from, to| -> Vec<(String, String, String)> {
            let periods = unit.periods(day(from), day(to)).expect("few periods");
            periods.into_iter().map(|p| (p.label, p.from.to_string(), p.to.to_string())).collect()
        };
        let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            labels(Unit::Year, "2024-05-01", "2025-01-01"),
            [row("2024", "2024-05-01", "2024-12-31"), row("2025", "2025-01-01", "2025-01-01"),]
        );
        assert_eq!(
            labels(Unit::Month, "2024-01-31", "2024-02-01"),
            [row("2024-01", "2024-01-31", "2024-01-31"), row("2024-02", "2024-02-01", "2024-02-01"),]
        );
        assert_eq!(
            labels(Unit::Week, "2024-01-25", "2024-01-31"),
            [row("2024-01-W4", "2024-01-25", "2024-01-28"), row("2024-02-W1", "2024-01-29", "2024-01-31"),]
        );
        assert_eq!(labels(Unit::Day, "2024-01-04", "2024-01-04"), [row("2024-01-04", "2024-01-04", "2024-01-04")]);
    }

    #[test]
    fn a_thousand_periods_are_the_most() {
        let last = day("2024-01-01") + Days::new(999);
        assert_eq!(Unit::Day.periods(day("2024-01-01"), last).map(|p| p.len()).ok(), Some(1000));
        assert!(Unit::Day.periods(day("2024-01-01"), last + Days::new(1)).is_err());
        assert!(Unit::Day.periods(day("0001-01-01"), day("9999-12-31")).is_err());
    }

    fn any_day() -> impl Strategy<Value = NaiveDate> {
        (0_u64..300_000).prop_map(|days| day("1800-01-01") + Days::new(days))
    }

    fn any_unit() -> impl Strategy<Value = Unit> {
        prop_oneof![Just(Unit::Year), Just(Unit::Month), Just(Unit::Week), Just(Unit::Day)]
    }

    proptest! {
        #[test]
        fn periods_cover_the_range_without_gap_or_overlap(from in any_day(), length in 0_u64..900, unit in any_unit()) {
            let to = from + Days::new(length);
            let periods = unit.periods(from, to).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(periods.first().map(|p| p.from), Some(from));
            prop_assert_eq!(periods.last().map(|p| p.to), Some(to));
            for pair in periods.windows(2) {
                prop_assert_eq!(pair[0].to + Days::new(1), pair[1].from);
                prop_assert!(pair[0].label != pair[1].label);
            }
        }

        #[test]
        fn the_week_that_a_day_is_labelled_with_is_the_week_that_finds_it(date in any_day()) {
            let label = &Unit::Week.periods(date, date).map_err(|e| TestCaseError::fail(e.to_string()))?[0].label;
            let numbers: Vec<u32> = label.replace('W', "").split('-').filter_map(|n| n.parse().ok()).collect();
            let year = i32::try_from(numbers[0]).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let (from, to) = named(year, Some(numbers[1]), Some(numbers[2]), None)
                .ok_or_else(|| TestCaseError::fail("no such week"))?;
            prop_assert!(from <= date && date <= to, "{} is not in {}..{}", date, from, to);
            prop_assert_eq!(from.weekday(), Weekday::Mon);
        }

        #[test]
        fn an_instant_lies_within_its_day(seconds in 0_i64..4_000_000_000, zone in prop_oneof![
            Just(Tz::Asia__Seoul), Just(Tz::America__New_York), Just(Tz::Africa__Cairo), Just(Tz::Pacific__Apia)]) {
            let instant = DateTime::from_timestamp(seconds, 0).ok_or_else(|| TestCaseError::fail("no instant"))?;
            let date = day_of(instant, zone);
            prop_assert!(start_of(date, zone) <= instant);
            prop_assert!(instant < start_of(date + Days::new(1), zone));
        }

        #[test]
        fn a_query_of_any_numbers_names_days_in_order_or_none(
            year in prop::option::of(prop_oneof![Just(0), Just(1), Just(9999), Just(10_000), any::<i32>(), 1990..2040]),
            month in prop::option::of(prop_oneof![0_u32..14, any::<u32>()]),
            week in prop::option::weighted(0.3, prop_oneof![0_u32..7, any::<u32>()]),
            day in prop::option::weighted(0.3, prop_oneof![0_u32..33, any::<u32>()]),
            unit in any_unit(),
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
