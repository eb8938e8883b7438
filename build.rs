//! Prepares at build time what is the same at every visit: shortens the styles, hashes them for the
//! Content-Security-Policy, and compresses the page's head and tail.

use std::{env, error::Error, fs, io, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compress, Compression, FlushCompress};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    println!("cargo::rerun-if-changed=src");
    for name in ["page", "notice"] {
        let style = folded(&fs::read_to_string(format!("src/{name}.css"))?);
        let hash = BASE64_STANDARD.encode(Sha256::digest(&style));
        // For page.rs and security_headers.rs.
        fs::write(out.join(format!("{name}.css")), &style)?;
        println!("cargo::rustc-env={}_STYLE_SHA256={hash}", name.to_uppercase());
    }

    // For compression.rs.
    let style = fs::read_to_string(out.join("page.css"))?;
    let page = fs::read_to_string("src/page.html")?.replace("{{ PAGE_STYLE|safe }}", &style);
    let (head, tail) = ends(&page);
    fs::write(out.join("head.html"), head)?;
    fs::write(out.join("head.deflate"), deflate(head)?)?;
    fs::write(out.join("tail.html"), tail)?;
    fs::write(out.join("tail.deflate"), deflate(tail)?)?;
    Ok(())
}

/// A style sheet without comments and indentation.
fn folded(style: &str) -> String {
    let mut parts = style.split("/*");
    let first = parts.next().unwrap_or_default();
    let after_comments = parts.map(|part| part.split_once("*/").map_or("", |(_, after)| after));
    let style: String = [first].into_iter().chain(after_comments).collect();
    let lines = style.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// What is before the first of a template's tags, and what is after the last.
fn ends(template: &str) -> (&str, &str) {
    let first = ["{{", "{%"].iter().filter_map(|tag| template.find(tag));
    let last = ["}}", "%}"].iter().filter_map(|tag| template.rfind(tag));
    let head = &template[..first.min().unwrap_or_default()];
    let tail = &template[last.max().map_or(template.len(), |tag| tag + 2)..];
    // askama leaves out a newline at the end.
    (head, tail.trim_end_matches('\n'))
}

/// Compresses a text so that other blocks can follow: without a final block, and up to a whole byte.
fn deflate(text: &str) -> io::Result<Vec<u8>> {
    let mut deflate = Vec::with_capacity(2 * text.len() + 16);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(text.as_bytes(), &mut deflate, FlushCompress::Sync)?;
    Ok(deflate)
}
