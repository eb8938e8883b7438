//! Shortens the styles at build time, puts the drawing of the cookie into them, and hashes them for the
//! Content-Security-Policy.

use std::{env, fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    println!("cargo::rerun-if-changed=src/page");
    let read = |name: &str| {
        let file = format!("src/page/{name}");
        minified(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}")))
    };
    // For page/mod.rs and security_headers.rs.
    let write = |name: &str, text: &str| fs::write(out.join(name), text).expect("Cargo's own folder is writable");
    let cookie = read("cookie.svg").replace('#', "%23").replace('<', "%3C").replace('>', "%3E").replace('\n', "");
    let cookie = format!("data:image/svg+xml,{cookie}");
    write("cookie.uri", &cookie);
    for name in ["page", "notice"] {
        let style = read(&format!("{name}.css")).replace("cookie.svg", &cookie);
        let hash = BASE64_STANDARD.encode(Sha256::digest(&style));
        write(&format!("{name}.css"), &style);
        println!("cargo::rustc-env={}_STYLE_SHA256={hash}", name.to_uppercase());
    }
}

/// A style sheet or a drawing without comments and indentation.
fn minified(style: &str) -> String {
    let mut parts = style.split("/*");
    let first = parts.next().unwrap_or_default();
    let after_comments = parts.map(|part| part.split_once("*/").map_or("", |(_, after)| after));
    let style: String = [first].into_iter().chain(after_comments).collect();
    let lines = style.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}
