mod budget_reached;
mod inbox;
mod outbox;
mod readers;
