//! The calendar of the office in its own time zone: days, weeks of a month, months and years.
//!
//! Weeks run Monday to Sunday and belong to the month that holds their Thursday (KS X ISO 8601). The first week of January
//! 2024 is 2024-01-01 to 2024-01-07, and that of February 2024 is 2024-01-29 to 2024-02-04.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// Maximum number of periods in a series.
pub const MAX_PERIODS: usize = 1_000;

/// The series has more than [`MAX_PERIODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_PERIODS} periods")]
pub struct TooManyPeriods;

/// Days with both ends included. An end may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
}

impl DateRange {
    /// Year, month, week of a month, or day. None for one that does not exist and for other combinations.
    pub fn named(year: i32, month: Option<u32>, week: Option<u32>, day: Option<u32>) -> Option<Self> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        let (from, to) = match (month, week, day) {
            (None, None, None) => (NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year, 12, 31)?),
            (Some(month), None, None) => {
                let first = NaiveDate::from_ymd_opt(year, month, 1)?;
                (first, first + Months::new(1) - Days::new(1))
            }
            (Some(month), None, Some(day)) => {
                let date = NaiveDate::from_ymd_opt(year, month, day)?;
                (date, date)
            }
            (Some(month), Some(week @ 1..=5), None) => {
                let week = u8::try_from(week).ok()?;
                let thursday = NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Thu, week)?;
                (thursday - Days::new(3), thursday + Days::new(3))
            }
            _ => return None,
        };
        Some(Self { from: Some(from), to: Some(to) })
    }

    /// Start of the first day, and of the day after the last, in `zone`.
    pub fn instants(self, zone: Tz) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        (self.from.map(|day| start_of(day, zone)), self.to.map(|day| start_of(day + Days::new(1), zone)))
    }
}

/// Start of `day` in `zone`: midnight, or the first quarter of an hour after it where the clocks skip midnight.
pub fn start_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=96)
        .find_map(|quarter| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarter))).earliest())
        .map_or_else(|| midnight.and_utc(), |start| start.to_utc())
}

/// Day of `instant` in `zone`.
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// Calendar month, written `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

impl Month {
    /// Month of `instant` in `zone`.
    pub fn of(instant: DateTime<Utc>, zone: Tz) -> Self {
        Self(Unit::Month.start(day_of(instant, zone)))
    }

    pub fn first_day(self) -> NaiveDate {
        self.0
    }

    /// Start of the month, and of the next one, in `zone`.
    pub fn instants(self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        (start_of(self.0, zone), start_of(Unit::Month.next(self.0), zone))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Unit::Month.label(self.0))
    }
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        let (year, month) = text
            .split_once('-')
            .filter(|(year, month)| digits(year, 4) && digits(month, 2))
            .ok_or("a month is YYYY-MM")?;
        let first = year.parse().ok().zip(month.parse().ok()).filter(|(year, _)| *year > 0);
        let first = first.and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1));
        first.map(Self).ok_or("there is no such month")
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Length of the periods of a series.
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

/// Period of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`.
    pub label: String,
    /// First day, not before that of the range.
    pub from: NaiveDate,
    /// Last day, not after that of the range.
    pub to: NaiveDate,
}

impl Unit {
    /// First day of the period that contains `day`.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Year => day - Days::new(u64::from(day.ordinal0())),
            Self::Month => day - Days::new(u64::from(day.day0())),
            Self::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            Self::Day => day,
        }
    }

    /// First day of the period after the one that starts with `start`.
    fn next(self, start: NaiveDate) -> NaiveDate {
        match self {
            Self::Year => start + Months::new(12),
            Self::Month => start + Months::new(1),
            Self::Week => start + Days::new(7),
            Self::Day => start + Days::new(1),
        }
    }

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

    /// All periods from `from` to `to`. The first and the last are clipped to these days.
    ///
    /// # Errors
    /// More than [`MAX_PERIODS`].
    pub fn periods(self, from: NaiveDate, to: NaiveDate) -> Result<Vec<Period>, TooManyPeriods> {
        let mut periods = Vec::new();
        let mut start = self.start(from);
        while start <= to {
            if periods.len() == MAX_PERIODS {
                return Err(TooManyPeriods);
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
            let range = DateRange::named(year, Some(numbers[1]), Some(numbers[2]), None);
            let (from, to) = range
                .and_then(|range| range.from.zip(range.to))
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

    }
}
