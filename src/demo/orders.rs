//! The orders of the demo data, from creation to their latest status.

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};

use super::catalogue::{Appeal, DISCONTINUED, SNACKS};
use super::people::{ADMINS, RESIGNED};
use super::planner::{Planner, is_working_day, next_working_day};
use super::texts::{CANCELLATIONS, DELAY, NOTES};

/// The age of the oldest order in days.
const DAYS: u64 = 364;
/// The chance of an order on a working day: about four in a week.
const ORDER_PERCENT: u32 = 80;
/// The number of transitions of the newest orders, the newest first. All older orders are completed or canceled.
const NEWEST: [usize; 8] = [0, 0, 1, 1, 2, 2, 3, 3];
/// The statuses after `created` of an order that is not canceled.
const FLOW: [&str; 4] = ["approved", "ordered", "shipping", "completed"];

/// A change of an order's status by an admin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transition {
    pub(super) to: &'static str,
    pub(super) actor: usize,
    pub(super) at: DateTime<Utc>,
    /// The estimated arrival time after the transition.
    pub(super) arrival: Option<DateTime<Utc>>,
    pub(super) reason: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) owner: usize,
    pub(super) at: DateTime<Utc>,
    pub(super) transitions: Vec<Transition>,
    /// Empty for most orders.
    pub(super) note: &'static str,
    pub(super) followers: Vec<usize>,
    /// Snacks and their quantities.
    pub(super) lines: Vec<(usize, i32)>,
}

impl Order {
    /// The time from which others can order its snacks; `None` while it is open.
    pub(super) fn blocks_until(&self) -> Option<DateTime<Utc>> {
        self.transitions.iter().find(|step| matches!(step.to, "shipping" | "canceled")).map(|step| step.at)
    }

    pub(super) fn was_approved(&self) -> bool {
        self.transitions.first().is_some_and(|step| step.to == "approved")
    }
}

impl Planner {
    /// The orders without their lines.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        let today = self.local_day(self.now);
        let mut orders = Vec::new();
        for day in (today - Days::new(DAYS)).iter_days().take_while(|day| *day <= today) {
            let (owner, at, busy) = (self.owner(day, today), self.office_hours(day), self.chance(ORDER_PERCENT));
            let transitions = self.flow(at);
            if busy && is_working_day(day) && at < self.now {
                let note = if self.chance(30) { self.choose(&NOTES) } else { "" };
                let followers = self.followers(owner);
                orders.push(Order { owner, at, transitions, note, followers, lines: Vec::new() });
            }
        }
        let mut newest = NEWEST.into_iter().peekable();
        for order in orders.iter_mut().rev() {
            let done = order.transitions.iter().take_while(|step| step.at < self.now).count();
            let cancel = self.chance(13);
            match newest.peek() {
                Some(&goal) if goal <= done => {
                    order.transitions.truncate(goal);
                    newest.next();
                }
                // Too new for the expected number of transitions: it is not approved yet.
                Some(_) => order.transitions.clear(),
                None if cancel && done == FLOW.len() => self.cancel(order),
                None => order.transitions.truncate(done),
            }
        }
        orders
    }

    /// Some users order more often than others. The resigned member ordered before resigning.
    fn owner(&mut self, day: NaiveDate, today: NaiveDate) -> usize {
        if self.chance(6) && day + Days::new(180) < today {
            return RESIGNED;
        }
        let (one, other) = (self.active_person(), self.active_person());
        if self.chance(60) { one.min(other) } else { one }
    }

    /// Other users who want the same.
    fn followers(&mut self, owner: usize) -> Vec<usize> {
        let count = self.rng.usize(0..4).min(self.rng.usize(0..4));
        let mut followers: Vec<usize> =
            (0..count).map(|_| self.active_person()).filter(|person| *person != owner).collect();
        followers.sort_unstable();
        followers.dedup();
        followers
    }

    /// The transitions of an order that is not canceled.
    fn flow(&mut self, created: DateTime<Utc>) -> Vec<Transition> {
        let mut day = self.local_day(created);
        let mut arrival = None;
        let mut transitions = Vec::with_capacity(FLOW.len());
        for to in FLOW {
            let pause = if to == "completed" { self.rng.u32(1..=3) } else { self.rng.u32(1..=2) };
            for _ in 0..pause {
                day = next_working_day(day);
            }
            let at = self.office_hours(day);
            let (wait, late) = (self.rng.u32(2..=3), self.chance(30));
            let reason = (to == "shipping" && late).then_some(DELAY);
            match to {
                "ordered" => arrival = Some(self.afternoon(day, wait + 1)),
                "shipping" if late => arrival = Some(self.afternoon(day, wait)),
                _ => {}
            }
            transitions.push(Transition { to, actor: self.rng.usize(0..ADMINS), at, arrival, reason });
        }
        transitions
    }

    /// Cancels an order, before or after its approval.
    fn cancel(&mut self, order: &mut Order) {
        let kept = usize::from(self.chance(40));
        if let Some(step) = order.transitions.get_mut(kept) {
            (step.to, step.arrival, step.reason) = ("canceled", None, Some(self.choose(&CANCELLATIONS)));
        }
        order.transitions.truncate(kept + 1);
    }

    /// Adds lines to the orders, the oldest order first.
    pub(super) fn add_lines(
        &mut self,
        orders: &mut Vec<Order>,
        registered: &[(usize, DateTime<Utc>)],
        scores: &[i32],
        usable: &impl Fn(usize) -> bool,
    ) {
        let mut free_from: Vec<Option<DateTime<Utc>>> = registered.iter().map(|(_, at)| Some(*at)).collect();
        for order in orders.iter_mut() {
            let recent = self.now - order.at < Duration::days(60);
            let mut choice: Vec<(usize, u32)> = (0..SNACKS.len())
                .filter(|&snack| usable(snack) && free_from[snack].is_some_and(|from| from < order.at))
                .filter(|&snack| !(recent && DISCONTINUED.contains(&SNACKS[snack].name)))
                .filter(|&snack| !(order.was_approved() && scores[snack] < 0))
                .map(|snack| (snack, weight(SNACKS[snack].appeal)))
                .collect();
            for _ in 0..self.rng.u32(1..=6) {
                let Some(snack) = self.draw(&mut choice) else { break };
                // The smaller of two draws, because most orders are small.
                let quantity = self.rng.u32(1..=20).min(self.rng.u32(1..=20));
                order.lines.push((snack, i32::try_from(quantity).unwrap_or(1)));
                free_from[snack] = order.blocks_until();
            }
        }
        orders.retain(|order| !order.lines.is_empty());
    }

    /// Removes one of the choices, drawn by weight.
    fn draw(&mut self, choice: &mut Vec<(usize, u32)>) -> Option<usize> {
        let total = choice.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return None;
        }
        let mut place = self.rng.u32(0..total);
        let found = choice.iter().position(|(_, weight)| {
            let here = place < *weight;
            place = place.saturating_sub(*weight);
            here
        })?;
        Some(choice.swap_remove(found).0)
    }
}

fn weight(appeal: Appeal) -> u32 {
    match appeal {
        Appeal::Loved => 6,
        Appeal::Liked => 3,
        Appeal::Disputed => 2,
        Appeal::Disliked | Appeal::Unrated => 1,
    }
}
