//! Endpoints of orders.

pub mod buying_list;
pub mod follows;
pub mod orders;
pub mod status;
