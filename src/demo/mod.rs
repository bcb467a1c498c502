//! Demo data for development: one year of snacks, reactions and orders at an office.

mod catalogue;
mod load;
mod orders;
mod people;
mod plan;
mod planner;
mod texts;

pub use load::{DemoError, Outcome, load};
pub use people::{ADMIN_EMAIL, MEMBER_EMAIL, PASSWORD};
