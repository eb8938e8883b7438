//! Shortens the styles at build time, and hashes them for the Content-Security-Policy.

use std::{env, fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    println!("cargo::rerun-if-changed=src/page");
    for name in ["page", "notice"] {
        let file = format!("src/page/{name}.css");
        let style = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let style = shortened(&style);
        let hash = BASE64_STANDARD.encode(Sha256::digest(&style));
        // For page/mod.rs and security_headers.rs.
        fs::write(out.join(format!("{name}.css")), &style).expect("Cargo's own folder is writable");
        println!("cargo::rustc-env={}_STYLE_SHA256={hash}", name.to_uppercase());
    }
}

/// A style sheet without comments and indentation.
fn shortened(style: &str) -> String {
    let mut parts = style.split("/*");
    let first = parts.next().unwrap_or_default();
    let after_comments = parts.map(|part| part.split_once("*/").map_or("", |(_, after)| after));
    let style: String = [first].into_iter().chain(after_comments).collect();
    let lines = style.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}
