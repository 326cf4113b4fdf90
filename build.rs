//! Packs the relative relocations of the static program: as a table of their own they are 0.6 MB of its 12.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target_is = |variable: &str, value: &str| env::var(variable).is_ok_and(|it| it == value);
    // musl unpacks them since 1.2.4 (https://musl.libc.org/releases.html). GNU ld packs them since 2.38, and first for
    // x86 alone (https://sourceware.org/git/?p=binutils-gdb.git;a=blob;f=ld/NEWS).
    if target_is("CARGO_CFG_TARGET_ENV", "musl") && target_is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
