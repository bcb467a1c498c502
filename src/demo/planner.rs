//! The office calendar and the random choices of the demo data.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use fastrand::Rng;

use super::people::{PEOPLE, RESIGNED};

pub(super) struct Planner {
    pub(super) now: DateTime<Utc>,
    zone: Tz,
    pub(super) rng: Rng,
}

impl Planner {
    pub(super) fn new(now: DateTime<Utc>, zone: Tz) -> Self {
        // Seeded, so that every run plans the same year.
        Self { now, zone, rng: Rng::with_seed(2024) }
    }

    /// True in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    pub(super) fn choose(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.rng.usize(0..texts.len())]
    }

    /// The index of a user who has not resigned.
    pub(super) fn active_person(&mut self) -> usize {
        loop {
            let person = self.rng.usize(0..PEOPLE.len());
            if person != RESIGNED {
                return person;
            }
        }
    }

    /// A time during office hours, `from` to `to` days ago or on the next working day.
    pub(super) fn days_ago(&mut self, from: u32, to: u32) -> DateTime<Utc> {
        let ago = Days::new(self.rng.u32(from..=to).into());
        let day = self.local_day(self.now) - ago;
        self.office_hours(if is_working_day(day) { day } else { next_working_day(day) })
    }

    /// A time between 09:30 and 18:00 on that day.
    pub(super) fn office_hours(&mut self, day: NaiveDate) -> DateTime<Utc> {
        let seconds = self.rng.u32(9 * 3600 + 1800..18 * 3600);
        self.at(day, Duration::seconds(seconds.into()))
    }

    /// 14:00, so many working days later.
    pub(super) fn afternoon(&self, mut day: NaiveDate, later: u32) -> DateTime<Utc> {
        for _ in 0..later {
            day = next_working_day(day);
        }
        self.at(day, Duration::hours(14))
    }

    pub(super) fn local_day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    fn at(&self, day: NaiveDate, time: Duration) -> DateTime<Utc> {
        let local = day.and_time(NaiveTime::MIN) + time;
        self.zone.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |time| time.to_utc())
    }
}

pub(super) fn is_working_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

pub(super) fn next_working_day(day: NaiveDate) -> NaiveDate {
    let mut next = day + Days::new(1);
    while !is_working_day(next) {
        next = next + Days::new(1);
    }
    next
}
