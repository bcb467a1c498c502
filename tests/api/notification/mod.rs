mod budget_reached;
mod inbox;
mod mails;
mod outbox;
mod readers;
