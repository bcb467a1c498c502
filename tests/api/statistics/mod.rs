//! Statistics.

mod csv;
mod daily_rollup;
mod periods;
mod recount;
mod sums;
