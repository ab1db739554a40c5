mod choice;
mod golden;
mod malformed;
mod schedule;
