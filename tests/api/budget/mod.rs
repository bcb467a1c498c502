//! Budgets.

mod approvals;
mod limits;
mod recount;
