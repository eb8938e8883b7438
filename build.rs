//! What of the templates is known when the program is built: the hashes of their styles, for the
//! Content-Security-Policy, and the unchanging start of the page, compressed.

use std::{env, error::Error, fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compress, Compression, Crc, FlushCompress};
use sha2::{Digest, Sha256};

const STYLE_END: &str = "</style>";

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
        let (style, _) = rest.split_once(STYLE_END).expect("the style ends");
        println!(
            "cargo::rustc-env={variable}={}",
            BASE64_STANDARD.encode(Sha256::digest(style))
        );
    }
    compress_page_head()
}

/// Writes `page.html` up to the end of its style as DEFLATE blocks, and what of it a checksum needs.
fn compress_page_head() -> Result<(), Box<dyn Error>> {
    let html = fs::read_to_string("src/page.html")?;
    let end = html.find(STYLE_END).expect("the style ends") + STYLE_END.len();
    let head = &html[..end];
    assert!(
        !head.contains("{{") && !head.contains("<!--%"),
        "the page up to its style's end is the same for every visit"
    );
    let mut compressed = Vec::with_capacity(head.len());
    // Without the last block, and flushed to a byte, so that other blocks can follow.
    Compress::new(Compression::best(), false).compress_vec(
        head.as_bytes(),
        &mut compressed,
        FlushCompress::Sync,
    )?;
    let mut crc = Crc::new();
    crc.update(head.as_bytes());
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    let folder = Path::new(&folder);
    fs::write(folder.join("page_head.html"), head)?;
    fs::write(folder.join("page_head.deflate"), compressed)?;
    fs::write(folder.join("page_head.crc32"), crc.sum().to_le_bytes())?;
    Ok(())
}
