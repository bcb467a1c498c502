//! The status of an order as a state machine, without input and output. No other module decides about transitions. The trigger
//! `check_status_transition` has the same rules in SQL; a test compares the two.
//!
//! ```text
//! created -> approved -> ordered -> shipping -> completed
//! created -> canceled      approved -> canceled
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Status of an order, in the order of the flow, canceled last.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "order_status", rename_all = "lowercase")]
pub enum OrderStatus {
    /// Waits for approval.
    Created,
    Approved,
    /// Placed with the shop.
    Ordered,
    Shipping,
    /// Arrived.
    Completed,
    Canceled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order cannot change from {from} to {to}")]
pub struct InvalidTransition {
    pub from: OrderStatus,
    pub to: OrderStatus,
}

impl OrderStatus {
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Approved, Self::Ordered, Self::Shipping, Self::Completed, Self::Canceled];

    pub const fn allowed_transitions(self) -> &'static [Self] {
        match self {
            Self::Created => &[Self::Approved, Self::Canceled],
            Self::Approved => &[Self::Ordered, Self::Canceled],
            Self::Ordered => &[Self::Shipping],
            Self::Shipping => &[Self::Completed],
            Self::Completed | Self::Canceled => &[],
        }
    }

    /// Returns `to` if the transition is allowed.
    ///
    /// # Errors
    /// [`InvalidTransition`].
    pub fn transition(self, to: Self) -> Result<Self, InvalidTransition> {
        if self.allowed_transitions().contains(&to) { Ok(to) } else { Err(InvalidTransition { from: self, to }) }
    }

    /// Tells whether a transition to this status needs an estimated arrival time.
    pub const fn needs_arrival_time(self) -> bool {
        matches!(self, Self::Ordered | Self::Shipping)
    }

    /// Tells whether a transition to this status requires that no snack has more hates than likes.
    pub const fn forbids_hated_snacks(self) -> bool {
        matches!(self, Self::Approved | Self::Ordered)
    }

    /// Tells whether no other status follows.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }

    /// Tells whether the owner may make this transition. All others are for admins.
    pub fn is_open_to_owner(self, to: Self) -> bool {
        matches!((self, to), (Self::Created, Self::Canceled))
    }

    /// Tells whether the lines can be changed.
    pub const fn is_editable(self) -> bool {
        matches!(self, Self::Created)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Approved => "approved",
            Self::Ordered => "ordered",
            Self::Shipping => "shipping",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::OrderStatus::{self, Approved, Canceled, Completed, Created, Ordered, Shipping};

    /// All transitions, from the status of the row to that of the column.
    const TABLE: [(OrderStatus, [bool; 6]); 6] = [
        //           created approved ordered shipping completed canceled
        (Created, [false, true, false, false, false, true]),
        (Approved, [false, false, true, false, false, true]),
        (Ordered, [false, false, false, true, false, false]),
        (Shipping, [false, false, false, false, true, false]),
        (Completed, [false, false, false, false, false, false]),
        (Canceled, [false, false, false, false, false, false]),
    ];

    #[test]
    fn an_order_goes_where_the_flow_goes_and_nowhere_else() {
        for (from, row) in TABLE {
            for (to, allowed) in OrderStatus::ALL.into_iter().zip(row) {
                let result = from.transition(to);
                assert_eq!(result.is_ok(), allowed, "{from} to {to}");
                match result {
                    Ok(now) => assert_eq!(now, to),
                    Err(error) => assert_eq!(error.to_string(), format!("an order cannot change from {from} to {to}")),
                }
            }
        }
    }

    #[test]
    fn the_names_are_those_of_the_json() {
        for status in OrderStatus::ALL {
            let json = serde_json::to_value(status).expect("a string");
            assert_eq!(json, status.as_str());
        }
    }
}
