//! order_lists
