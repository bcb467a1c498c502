//! The binary: commands, start and stop, memory, containers.

pub mod commands;
mod deployment;
mod lifecycle;
mod memory;
