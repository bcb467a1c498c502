//! snacks
