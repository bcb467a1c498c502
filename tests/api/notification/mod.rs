mod account_mails;
mod budget_reached;
mod inbox;
mod mails;
mod outbox;
mod readers;
