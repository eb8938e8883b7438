//! What of the templates is known when the program is built: the hashes of their styles, for the
//! Content-Security-Policy, and the pieces of the page that never change, compressed.

use std::{env, error::Error, fmt::Write, fs, io, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compress, Compression, FlushCompress};
use sha2::{Digest, Sha256};

/// How the tags of the templates open and close, as askama.toml says.
const TAGS: [(&str, &str); 2] = [("{{", "}}"), ("<!--%", "%-->")];

/// By so many bytes of its text the program finds a piece in a page.
const PIECE_START_LENGTH: usize = 16;

/// Below this many bytes saved, a piece is not worth the search for it.
const LEAST_SAVING: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    for (variable, template) in [
        ("PAGE_STYLE_SHA256", "src/page.html"),
        ("NOTICE_STYLE_SHA256", "src/notice.html"),
    ] {
        println!("cargo::rerun-if-changed={template}");
        let html = fs::read_to_string(template)?;
        let (_, rest) = html
            .split_once("<style>")
            .expect("the template has a style");
        let (style, _) = rest.split_once("</style>").expect("the style ends");
        println!(
            "cargo::rustc-env={variable}={}",
            BASE64_STANDARD.encode(Sha256::digest(style))
        );
    }
    let pieces = compressed_pieces(&fs::read_to_string("src/page.html")?)?;
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&folder).join("page_pieces.rs"), pieces)?;
    Ok(())
}

/// The pieces of a template that are worth it, as source for `compression.rs`.
fn compressed_pieces(template: &str) -> Result<String, Box<dyn Error>> {
    let mut source = format!(
        "const PIECE_START_LENGTH: usize = {PIECE_START_LENGTH};\nconst PIECES: &[Piece] = &[\n"
    );
    let mut rest = template;
    while !rest.is_empty() {
        let tag = TAGS
            .iter()
            .filter_map(|(open, close)| Some((rest.find(open)?, close)))
            .min();
        let (end, next) = match tag {
            Some((start, close)) => {
                let length = rest[start..].find(close).ok_or("a tag that does not end")?;
                (start, start + length + close.len())
            }
            None => (rest.len(), rest.len()),
        };
        // The white space beside a tag is askama's to change.
        let text = rest[..end].trim();
        let deflate = deflate(text)?;
        if text.len() >= deflate.len() + LEAST_SAVING {
            let deflate = deflate.escape_ascii();
            writeln!(
                source,
                "Piece {{ text: {text:?}, deflate: b\"{deflate}\" }},"
            )?;
        }
        rest = &rest[next..];
    }
    source.push_str("];\n");
    Ok(source)
}

/// Compresses without a last block, and up to a byte, so that other blocks can follow.
fn deflate(text: &str) -> io::Result<Vec<u8>> {
    let mut deflate = Vec::with_capacity(2 * text.len() + 16);
    Compress::new(Compression::best(), false).compress_vec(
        text.as_bytes(),
        &mut deflate,
        FlushCompress::Sync,
    )?;
    Ok(deflate)
}
