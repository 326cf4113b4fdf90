//! A release, made here as far as it can be: the scripts of `packaging/release` on a copy of the project, against a registry, a
//! bucket and repositories of this machine; and the rules for every workflow.

mod dry_run;
mod files;
mod images;
mod keys;
mod packages;
mod pins;
mod project;
mod releasing;
mod stand_ins;
mod tags;
mod versions;
mod workflows;
