//! Links the static binary without the tables that nobody unwinds by: see `unwind.ld`.
#![allow(clippy::print_stdout, reason = "so a build script tells cargo")]

fn main() {
    println!("cargo:rerun-if-changed=unwind.ld");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    // The release profile aborts on a panic, and the linker that is chosen for musl takes this script.
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("PROFILE", "release") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{folder}/unwind.ld");
        println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
    }
}
