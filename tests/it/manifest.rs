//! What the manifest says of the crate is true.

use std::{collections::HashMap, env, process::Command};

use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn minor(rust_version: &str) -> u32 {
    rust_version.split('.').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_rust_version_is_the_highest_that_a_dependency_of_the_function_needs() {
    let metadata = metadata();
    let packages: HashMap<_, _> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package))
        .collect();
    let nodes: HashMap<_, _> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let mut reached = vec![root];
    let mut at = 0;
    while at < reached.len() {
        for dependency in nodes[reached[at]]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let id = dependency["pkg"].as_str().unwrap();
            if kinds.iter().any(|kind| kind["kind"] != "dev") && !reached.contains(&id) {
                reached.push(id);
            }
        }
        at += 1;
    }
    assert!(
        reached.len() > 20,
        "the dependencies of the function: {reached:?}"
    );
    let highest = reached[1..]
        .iter()
        .filter_map(|id| {
            packages[id]["rust_version"]
                .as_str()
                .map(|version| (minor(version), id))
        })
        .max()
        .unwrap();
    assert_eq!(
        minor(env!("CARGO_PKG_RUST_VERSION")),
        highest.0,
        "{}",
        highest.1
    );
}

#[test]
fn the_manifest_the_documentation_and_the_readme_open_with_the_same_sentence() {
    let sentence = env!("CARGO_PKG_DESCRIPTION");
    let readme = include_str!("../../README.md").replace('\n', " ");
    assert!(readme.contains(sentence), "README.md: {sentence}");
    let documentation = include_str!("../../src/lib.rs").replace("\n//! ", " ");
    assert!(
        documentation.starts_with(&format!("//! {sentence}")),
        "src/lib.rs: {sentence}"
    );
}
