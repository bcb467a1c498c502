//! The status of an order as a state machine. Pure: nothing here does I/O, and nothing else decides what follows what. The
//! trigger `refuse_status_jump` says the same in SQL; a test holds the two against each other.
//!
//! ```text
//! created -> approved -> ordered -> shipping -> completed
//! created -> canceled      approved -> canceled
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far an order has got. The order of the variants is the order of the flow, canceled last.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "order_status", rename_all = "lowercase")]
pub enum OrderStatus {
    /// A member asked for it.
    Created,
    /// An admin agreed.
    Approved,
    /// An admin placed it with the shop.
    Ordered,
    /// It is on its way.
    Shipping,
    /// It has arrived.
    Completed,
    /// It will not be bought.
    Canceled,
}

/// A transition that the flow does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot become {to}")]
pub struct InvalidTransition {
    /// Where the order stands.
    pub from: OrderStatus,
    /// Where it was to go.
    pub to: OrderStatus,
}

impl OrderStatus {
    /// Every status, in the order of the flow.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Approved, Self::Ordered, Self::Shipping, Self::Completed, Self::Canceled];

    /// Where an order can go from here.
    #[must_use]
    pub const fn allowed_transitions(self) -> &'static [Self] {
        match self {
            Self::Created => &[Self::Approved, Self::Canceled],
            Self::Approved => &[Self::Ordered, Self::Canceled],
            Self::Ordered => &[Self::Shipping],
            Self::Shipping => &[Self::Completed],
            Self::Completed | Self::Canceled => &[],
        }
    }

    /// Goes to `to`.
    ///
    /// # Errors
    /// [`InvalidTransition`], naming both.
    pub fn transition(self, to: Self) -> Result<Self, InvalidTransition> {
        if self.allowed_transitions().contains(&to) { Ok(to) } else { Err(InvalidTransition { from: self, to }) }
    }

    /// Whether an order that becomes this must say when it arrives.
    #[must_use]
    pub const fn needs_arrival_time(self) -> bool {
        matches!(self, Self::Ordered | Self::Shipping)
    }

    /// Whether an order becomes this only while none of its snacks has more hates than likes.
    #[must_use]
    pub const fn refuses_hated_snacks(self) -> bool {
        matches!(self, Self::Approved | Self::Ordered)
    }

    /// Whether the owner can still change what is in it.
    #[must_use]
    pub const fn is_editable(self) -> bool {
        matches!(self, Self::Created)
    }

    /// As it is written in JSON and SQL.
    #[must_use]
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

    /// The whole table, row by row: from each status (down) to each status (across).
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
                    Err(error) => assert_eq!(error.to_string(), format!("an order that is {from} cannot become {to}")),
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
