//! The binary: commands, start and stop, memory, its containers, and the files that describe it.

mod backup;
mod backup_damage;
mod commands;
mod deployment;
mod lifecycle;
mod markdown_files;
mod memory;
mod metrics;
mod traces;
mod upgrade;
