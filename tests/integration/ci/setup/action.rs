//! `setup/action.yml`, as `act` runs it, and the steps that follow.
