//! The program without docker: `setup/install`, and the action that runs it.

mod action;
mod documented;
mod install;
mod kubernetes;
