//! Puts the page to serve where a program includes it: the one that the function itself served, which the
//! benchmark names in `BENCH_PAGE`, or none, for the program to be compiled by itself.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=BENCH_PAGE");
    let page = env::var("BENCH_PAGE").map_or_else(
        |_| String::new(),
        |path| {
            println!("cargo::rerun-if-changed={path}");
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        },
    );
    let directory = env::var_os("OUT_DIR").expect("Cargo sets it");
    fs::write(Path::new(&directory).join("page.html"), page).expect("Cargo made the directory");
}
