//! One year of demo data, planned before anything is written: no I/O, and no input but the tables, the time zone and the
//! time.
//!
//! Users and snacks are indexes into the tables. The plan keeps the server's rules at every moment of the year: a snack is in
//! one open order at a time, and no order with a snack that has more hates than likes is approved.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use super::catalogue::{Appeal, SNACKS};
use super::orders::Order;
use super::people::{PEOPLE, RESIGNED};
use super::planner::Planner;

/// The number of snacks that were registered this week.
const NEW_SNACKS: usize = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Reaction {
    pub(super) snack: usize,
    pub(super) user: usize,
    pub(super) likes: bool,
    pub(super) at: DateTime<Utc>,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// The time at which each user joined.
    pub(super) joined: Vec<DateTime<Utc>>,
    /// The last sign-in of each user; some have none.
    pub(super) last_login: Vec<Option<DateTime<Utc>>>,
    /// The user who registered each snack, and the time.
    pub(super) registered: Vec<(usize, DateTime<Utc>)>,
    pub(super) reactions: Vec<Reaction>,
    /// The oldest first.
    pub(super) orders: Vec<Order>,
}

impl Plan {
    /// The year that ends at `now`, with the days of `zone`. Snacks that are not `usable` get no reactions and no orders.
    pub(super) fn new(now: DateTime<Utc>, zone: Tz, usable: impl Fn(usize) -> bool) -> Self {
        let mut planner = Planner::new(now, zone);
        let joined = (0..PEOPLE.len()).map(|_| planner.days_ago(380, 420)).collect();
        let last_login = (0..PEOPLE.len()).map(|person| last_login(&mut planner, person)).collect();
        let registered: Vec<_> = (0..SNACKS.len()).map(|snack| registered(&mut planner, snack)).collect();
        let mut reactions = reactions(&mut planner, &registered);
        let mut orders = planner.orders();
        planner.add_lines(&mut orders, &registered, &scores(&reactions), &usable);
        reactions.retain(|reaction| usable(reaction.snack));
        Self { joined, last_login, registered, reactions, orders }
    }
}

/// Likes minus hates of each snack.
fn scores(reactions: &[Reaction]) -> Vec<i32> {
    let mut scores = vec![0; SNACKS.len()];
    for reaction in reactions {
        scores[reaction.snack] += if reaction.likes { 1 } else { -1 };
    }
    scores
}

fn last_login(planner: &mut Planner, person: usize) -> Option<DateTime<Utc>> {
    if person == RESIGNED {
        return Some(planner.days_ago(170, 175));
    }
    planner.chance(90).then(|| planner.days_ago(2, 20))
}

/// Most snacks have been there from the beginning, some were added during the year, and the last ones of the table are new.
fn registered(planner: &mut Planner, snack: usize) -> (usize, DateTime<Utc>) {
    let by = planner.active_person();
    let (from, to) = if snack + NEW_SNACKS >= SNACKS.len() {
        (2, 4)
    } else if planner.chance(85) {
        (367, 375)
    } else {
        (40, 200)
    };
    (by, planner.days_ago(from, to))
}

fn reactions(planner: &mut Planner, registered: &[(usize, DateTime<Utc>)]) -> Vec<Reaction> {
    let mut reactions = Vec::new();
    for (snack, (_, since)) in registered.iter().enumerate() {
        // The percentage of users who react, and of those who like it.
        let (reacting, liking) = match SNACKS[snack].appeal {
            Appeal::Loved => (58, 95),
            Appeal::Liked => (30, 84),
            Appeal::Disputed => (52, 52),
            Appeal::Disliked => (44, 22),
            Appeal::Unrated => (0, 0),
        };
        for user in 0..PEOPLE.len() {
            let (reacts, likes, percent) = (planner.chance(reacting), planner.chance(liking), planner.rng.i32(0..100));
            let last = if user == RESIGNED { planner.now - Duration::days(180) } else { planner.now };
            if reacts && last > *since {
                let at = *since + (last - *since) * percent / 100;
                reactions.push(Reaction { snack, user, likes, at });
            }
        }
    }
    reactions
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::Timelike;
    use chrono_tz::Asia::Seoul;

    use super::super::planner::is_working_day;
    use super::*;

    fn status(order: &Order) -> &'static str {
        order.transitions.last().map_or("created", |step| step.to)
    }

    /// Every seven hours over a fortnight, nights and weekends included.
    fn plans() -> impl Iterator<Item = (DateTime<Utc>, Plan)> {
        (0..48).map(|step| {
            let now = DateTime::from_timestamp(1_767_000_000 + step * 25_200, 0).unwrap_or_default();
            (now, Plan::new(now, Seoul, |_| true))
        })
    }

    #[test]
    fn a_year_has_four_orders_a_week_in_all_statuses() {
        for (now, plan) in plans() {
            assert!((180..=235).contains(&plan.orders.len()), "{}", plan.orders.len());
            let statuses: BTreeSet<_> = plan.orders.iter().map(status).collect();
            assert_eq!(statuses.len(), 6, "{now}: {statuses:?}");
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
    fn no_order_with_a_disliked_snack_is_approved() {
        for (_, plan) in plans() {
            let scores = scores(&plan.reactions);
            assert!((4..16).contains(&scores.iter().filter(|score| **score < 0).count()));
            for order in plan.orders.iter().filter(|order| order.was_approved()) {
                assert!(order.lines.iter().all(|&(snack, _)| scores[snack] >= 0));
            }
        }
    }

    #[test]
    fn transitions_are_in_order_and_during_office_hours() {
        for (now, plan) in plans() {
            for order in &plan.orders {
                let times: Vec<_> =
                    [order.at].into_iter().chain(order.transitions.iter().map(|step| step.at)).collect();
                assert!(times.is_sorted_by(|a, b| a < b) && times.iter().all(|at| *at < now));
                assert!(plan.joined[order.owner] < order.at);
                for at in times.iter().map(|at| at.with_timezone(&Seoul)) {
                    assert!((9..18).contains(&at.hour()) && is_working_day(at.date_naive()));
                }
                let known =
                    order.transitions.iter().filter(|step| matches!(step.to, "ordered" | "shipping" | "completed"));
                assert!(known.clone().all(|step| step.arrival.is_some()));
            }
            for reaction in &plan.reactions {
                assert!(plan.registered[reaction.snack].1 <= reaction.at && reaction.at <= now);
            }
        }
    }
}
