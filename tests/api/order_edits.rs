//! order_edits
