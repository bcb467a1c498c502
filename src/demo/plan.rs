//! What the demo office did in the year up to now, worked out before anything is written: no I/O, and nothing that
//! depends on anything but the table of snacks, the time zone and the time it is.
//!
//! People and snacks are their places in the tables. The rules of the server hold at every moment of that year: a snack
//! is in one open order at a time, and nothing that more people hate than like is approved.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

use super::catalogue::{Appeal, SNACKS};
use super::people::{PEOPLE, RESIGNED};
use super::random::Random;

/// Somebody likes or hates a snack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaction {
    pub(super) snack: usize,
    pub(super) user: usize,
    pub(super) likes: bool,
    pub(super) at: DateTime<Utc>,
}

/// An admin moves an order on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) to: &'static str,
    pub(super) actor: usize,
    pub(super) at: DateTime<Utc>,
    /// The arrival time as it stands from then on.
    pub(super) arrival: Option<DateTime<Utc>>,
}

/// An order from its creation to where it has got.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) owner: usize,
    pub(super) at: DateTime<Utc>,
    pub(super) steps: Vec<Step>,
    /// Snacks and how many of each.
    pub(super) lines: Vec<(usize, i32)>,
}

impl Order {
    /// Until when its snacks cannot be ordered by others; `None` while there is no end in sight.
    pub(super) fn blocks_until(&self) -> Option<DateTime<Utc>> {
        self.steps.iter().find(|step| matches!(step.to, "shipping" | "canceled")).map(|step| step.at)
    }

    pub(super) fn was_approved(&self) -> bool {
        self.steps.first().is_some_and(|step| step.to == "approved")
    }
}

/// A year at the demo office.
#[derive(Debug)]
pub(super) struct Plan {
    /// When each of the people joined.
    pub(super) joined: Vec<DateTime<Utc>>,
    /// When they last signed in; some never have.
    pub(super) last_login: Vec<Option<DateTime<Utc>>>,
    /// Who registered each of the snacks, and when.
    pub(super) registered: Vec<(usize, DateTime<Utc>)>,
    pub(super) reactions: Vec<Reaction>,
    /// The oldest first.
    pub(super) orders: Vec<Order>,
}

impl Plan {
    /// The year that ends at `now`, with its days as they are in `zone`. Snacks that are not `usable` are left alone.
    pub(super) fn new(now: DateTime<Utc>, zone: Tz, usable: impl Fn(usize) -> bool) -> Self {
        let mut planner = Planner { now, zone, random: Random::new(2024) };
        let joined = (0..PEOPLE.len()).map(|_| planner.days_ago(380, 420)).collect();
        let last_login = (0..PEOPLE.len()).map(|person| planner.last_login(person)).collect();
        let registered: Vec<_> = (0..SNACKS.len()).map(|_| planner.registered()).collect();
        let mut reactions = planner.reactions(&registered);
        let mut orders = planner.orders();
        planner.fill(&mut orders, &registered, &scores(&reactions), &usable);
        reactions.retain(|reaction| usable(reaction.snack));
        Self { joined, last_login, registered, reactions, orders }
    }
}

/// Likes less hates, for each snack.
fn scores(reactions: &[Reaction]) -> Vec<i32> {
    let mut scores = vec![0; SNACKS.len()];
    for reaction in reactions {
        scores[reaction.snack] += if reaction.likes { 1 } else { -1 };
    }
    scores
}

pub(super) struct Planner {
    pub(super) now: DateTime<Utc>,
    zone: Tz,
    pub(super) random: Random,
}

impl Planner {
    /// Some working day between so many days ago, during office hours.
    fn days_ago(&mut self, from: u32, to: u32) -> DateTime<Utc> {
        let ago = Days::new(self.random.between(from, to).into());
        let day = self.now.with_timezone(&self.zone).date_naive() - ago;
        self.office_hours(if is_working_day(day) { day } else { next_working_day(day) })
    }

    /// A moment between half past nine and six on that day.
    pub(super) fn office_hours(&mut self, day: NaiveDate) -> DateTime<Utc> {
        let seconds = self.random.between(9 * 3600 + 1800, 18 * 3600 - 1);
        let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap_or_default();
        let local = day.and_time(time);
        self.zone.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |time| time.to_utc())
    }

    pub(super) fn local_day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    fn last_login(&mut self, person: usize) -> Option<DateTime<Utc>> {
        if person == RESIGNED {
            return Some(self.days_ago(170, 175));
        }
        self.random.chance(90).then(|| self.days_ago(2, 20))
    }

    /// Most snacks have been there from the beginning, some are new.
    fn registered(&mut self) -> (usize, DateTime<Utc>) {
        let by = self.person();
        let at = if self.random.chance(85) { self.days_ago(367, 375) } else { self.days_ago(40, 200) };
        (by, at)
    }

    /// Anybody who has not resigned.
    pub(super) fn person(&mut self) -> usize {
        loop {
            let person = self.random.below(30) as usize;
            if person != RESIGNED {
                return person;
            }
        }
    }

    fn reactions(&mut self, registered: &[(usize, DateTime<Utc>)]) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        for (snack, (_, since)) in registered.iter().enumerate() {
            // How many of a hundred say something, and how many of a hundred of those like it.
            let (vocal, pleased) = match SNACKS[snack].appeal {
                Appeal::Loved => (58, 95),
                Appeal::Liked => (30, 84),
                Appeal::Disputed => (52, 52),
                Appeal::Disliked => (44, 22),
                Appeal::Unrated => (0, 0),
            };
            for user in 0..PEOPLE.len() {
                let (says, likes, percent) =
                    (self.random.chance(vocal), self.random.chance(pleased), self.random.below(100));
                let last = if user == RESIGNED { self.now - Duration::days(180) } else { self.now };
                if says && last > *since {
                    let at = *since + (last - *since) * i32::try_from(percent).unwrap_or(0) / 100;
                    reactions.push(Reaction { snack, user, likes, at });
                }
            }
        }
        reactions
    }

    /// Two in the afternoon, some working days later.
    pub(super) fn afternoon(&self, mut day: NaiveDate, later: u32) -> DateTime<Utc> {
        for _ in 0..later {
            day = next_working_day(day);
        }
        let local = day.and_time(NaiveTime::MIN) + Duration::hours(14);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::Timelike;
    use chrono_tz::Asia::Seoul;

    use super::*;

    fn status(order: &Order) -> &'static str {
        order.steps.last().map_or("created", |step| step.to)
    }

    /// Every seven hours over a fortnight, nights and weekends included.
    fn plans() -> impl Iterator<Item = (DateTime<Utc>, Plan)> {
        (0..48).map(|step| {
            let now = DateTime::from_timestamp(1_767_000_000 + step * 25_200, 0).unwrap_or_default();
            (now, Plan::new(now, Seoul, |_| true))
        })
    }

    #[test]
    fn a_year_has_four_orders_a_week_in_all_states() {
        for (now, plan) in plans() {
            assert!((180..=235).contains(&plan.orders.len()), "{}", plan.orders.len());
            let states: BTreeSet<_> = plan.orders.iter().map(status).collect();
            assert_eq!(states.len(), 6, "{now}: {states:?}");
            let open = plan.orders.iter().filter(|order| !matches!(status(order), "completed" | "canceled")).count();
            assert!((8..=16).contains(&open), "{now}: {open}");
        }
    }

    #[test]
    fn a_snack_is_in_one_open_order_at_a_time() {
        for (_, plan) in plans() {
            let mut last: Vec<Option<&Order>> = vec![None; SNACKS.len()];
            for order in &plan.orders {
                for &(snack, quantity) in &order.lines {
                    assert!((1..=20).contains(&quantity));
                    if let Some(before) = last[snack].replace(order) {
                        assert!(before.blocks_until().is_some_and(|until| until < order.at));
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_hated_is_approved_though_some_is_hated() {
        for (_, plan) in plans() {
            let scores = scores(&plan.reactions);
            assert!((4..16).contains(&scores.iter().filter(|score| **score < 0).count()));
            for order in plan.orders.iter().filter(|order| order.was_approved()) {
                assert!(order.lines.iter().all(|&(snack, _)| scores[snack] >= 0));
            }
        }
    }

    #[test]
    fn everything_happens_in_order_and_during_office_hours() {
        for (now, plan) in plans() {
            for order in &plan.orders {
                let times: Vec<_> = [order.at].into_iter().chain(order.steps.iter().map(|step| step.at)).collect();
                assert!(times.is_sorted_by(|a, b| a < b) && times.iter().all(|at| *at < now));
                assert!(plan.joined[order.owner] < order.at);
                for at in times.iter().map(|at| at.with_timezone(&Seoul)) {
                    assert!((9..18).contains(&at.hour()) && is_working_day(at.date_naive()));
                }
                let known = order.steps.iter().filter(|step| matches!(step.to, "ordered" | "shipping" | "completed"));
                assert!(known.clone().all(|step| step.arrival.is_some()));
            }
            for reaction in &plan.reactions {
                assert!(plan.registered[reaction.snack].1 <= reaction.at && reaction.at <= now);
            }
        }
    }
}
