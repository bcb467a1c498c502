//! The binary: commands, start and stop, memory, and its containers.

pub mod commands;
mod deployment;
mod lifecycle;
mod memory;
