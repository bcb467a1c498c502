//! order_races
