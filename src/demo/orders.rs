//! The orders of the plan: who ordered what, how far it got, and when.

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};

use super::catalogue::{Appeal, DISCONTINUED, SNACKS};
use super::people::{ADMINS, RESIGNED};
use super::plan::{Order, Planner, Step, is_working_day, next_working_day};

/// How long before now the first order was made.
const DAYS: u64 = 364;
/// How likely there is an order on a working day: four in a week.
const ORDER_PERCENT: u32 = 80;
/// How far the newest orders have got, counted in transitions, the newest first. All before them are over.
const NEWEST: [usize; 8] = [0, 0, 1, 1, 2, 2, 3, 3];
/// The way of an order that nobody cancels.
const FLOW: [&str; 4] = ["approved", "ordered", "shipping", "completed"];

impl Planner {
    /// The orders without what is in them.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        let today = self.local_day(self.now);
        let mut orders = Vec::new();
        for day in (today - Days::new(DAYS)).iter_days().take_while(|day| *day <= today) {
            let (owner, at, busy) = (self.owner(day, today), self.office_hours(day), self.random.chance(ORDER_PERCENT));
            let steps = self.flow(at);
            if busy && is_working_day(day) && at < self.now {
                orders.push(Order { owner, at, steps, lines: Vec::new() });
            }
        }
        let mut newest = NEWEST.into_iter().peekable();
        for order in orders.iter_mut().rev() {
            let done = order.steps.iter().take_while(|step| step.at < self.now).count();
            let cancel = self.random.chance(13);
            match newest.peek() {
                Some(&goal) if goal <= done => {
                    order.steps.truncate(goal);
                    newest.next();
                }
                // Too young for its turn: it waits to be approved.
                Some(_) => order.steps.clear(),
                None if cancel && done == FLOW.len() => self.cancel(order),
                None => order.steps.truncate(done),
            }
        }
        orders
    }

    /// Some order more often than others. The resigned member did while still here.
    fn owner(&mut self, day: NaiveDate, today: NaiveDate) -> usize {
        if self.random.chance(6) && day + Days::new(180) < today {
            return RESIGNED;
        }
        let (one, other) = (self.person(), self.person());
        if self.random.chance(60) { one.min(other) } else { one }
    }

    /// When the order was approved, ordered, sent and received, if all goes well.
    fn flow(&mut self, created: DateTime<Utc>) -> Vec<Step> {
        let mut day = self.local_day(created);
        let mut arrival = None;
        let mut steps = Vec::with_capacity(FLOW.len());
        for to in FLOW {
            let pause = if to == "completed" { self.random.between(1, 3) } else { self.random.between(1, 2) };
            for _ in 0..pause {
                day = next_working_day(day);
            }
            let at = self.office_hours(day);
            let (wait, late) = (self.random.between(2, 3), self.random.chance(30));
            match to {
                "ordered" => arrival = Some(self.afternoon(day, wait + 1)),
                "shipping" if late => arrival = Some(self.afternoon(day, wait)),
                _ => {}
            }
            steps.push(Step { to, actor: self.random.below(ADMINS) as usize, at, arrival });
        }
        steps
    }

    /// Calls an order off, before or after it was approved.
    fn cancel(&mut self, order: &mut Order) {
        let kept = usize::from(self.random.chance(40));
        if let Some(step) = order.steps.get_mut(kept) {
            (step.to, step.arrival) = ("canceled", None);
        }
        order.steps.truncate(kept + 1);
    }

    /// Puts snacks into the orders, the oldest order first.
    pub(super) fn fill(
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
            for _ in 0..self.random.between(1, 6) {
                let Some(snack) = self.take(&mut choice) else { break };
                // Small numbers are the most likely.
                let quantity = self.random.between(1, 20).min(self.random.between(1, 20));
                order.lines.push((snack, i32::try_from(quantity).unwrap_or(1)));
                free_from[snack] = order.blocks_until();
            }
        }
        orders.retain(|order| !order.lines.is_empty());
    }

    /// Takes one of the choices, the weightier ones more often.
    fn take(&mut self, choice: &mut Vec<(usize, u32)>) -> Option<usize> {
        let mut place = self.random.below(choice.iter().map(|(_, weight)| weight).sum());
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
