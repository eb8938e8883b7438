//! Prepares at build time what does not change from visit to visit: minifies the styles, hashes them for
//! the Content-Security-Policy, and compresses the pieces of the page that are always the same.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compress, Compression, FlushCompress};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions, StyleSheet};
use sha2::{Digest, Sha256};

/// The opening and closing delimiters of the templates' tags.
const TAGS: [(&str, &str); 2] = [("{{", "}}"), ("{%", "%}")];

/// How many bytes of a piece the program searches for in a page.
const PIECE_START_LENGTH: usize = 16;

/// A piece that saves fewer bytes than this is not worth searching for.
const LEAST_SAVING: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    let page_style = style("page", &out)?;
    style("notice", &out)?;
    println!("cargo::rerun-if-changed=src/page.html");
    let page = fs::read_to_string("src/page.html")?;
    let page = page.replace("{{ PAGE_STYLE|safe }}", &page_style);
    fs::write(out.join("page_pieces.rs"), compressed_pieces(&page)?)?;
    Ok(())
}

/// Minifies the style of a template for `page.rs`, and hashes it for `security_headers.rs`.
fn style(name: &str, out: &Path) -> Result<String, Box<dyn Error>> {
    let path = format!("src/{name}.css");
    println!("cargo::rerun-if-changed={path}");
    let source = fs::read_to_string(&path)?;
    let options = ParserOptions {
        filename: path,
        ..ParserOptions::default()
    };
    let mut style = StyleSheet::parse(&source, options).map_err(|error| error.to_string())?;
    style.minify(MinifyOptions::default())?;
    let options = PrinterOptions {
        minify: true,
        ..PrinterOptions::default()
    };
    let style = style.to_css(options)?.code;
    fs::write(out.join(format!("{name}.css")), &style)?;
    println!(
        "cargo::rustc-env={}_STYLE_SHA256={}",
        name.to_uppercase(),
        BASE64_STANDARD.encode(Sha256::digest(&style))
    );
    Ok(style)
}

/// Compresses the pieces of a template that are worth it, and returns them as source for `compression.rs`.
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
                let length = rest[start..].find(close).ok_or("a tag is not closed")?;
                (start, start + length + close.len())
            }
            None => (rest.len(), rest.len()),
        };
        // askama may change the white space beside a tag.
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

/// Compresses a text so that other blocks can follow: without a final block, and up to a whole byte.
fn deflate(text: &str) -> io::Result<Vec<u8>> {
    let mut deflate = Vec::with_capacity(2 * text.len() + 16);
    Compress::new(Compression::best(), false).compress_vec(
        text.as_bytes(),
        &mut deflate,
        FlushCompress::Sync,
    )?;
    Ok(deflate)
}
