//! periods
