//! Rules without input or output: money, periods, text.

pub mod money;
pub mod period;
pub mod text;
pub mod user_summary;
