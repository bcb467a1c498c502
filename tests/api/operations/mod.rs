//! The binary: commands, start and stop, memory, and its containers.

mod commands;
mod deployment;
mod lifecycle;
mod memory;
