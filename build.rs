//! Tells the Content-Security-Policy the hashes of the templates' styles, so that a style can be
//! edited without a thought for its hash.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

fn main() {
    for (variable, template) in [
        ("PAGE_STYLE_SHA256", "src/page.html"),
        ("NOTICE_STYLE_SHA256", "src/notice.html"),
    ] {
        println!("cargo::rerun-if-changed={template}");
        let html = fs::read_to_string(template).expect("the template is there");
        let (_, rest) = html
            .split_once("<style>")
            .expect("the template has a style");
        let (style, _) = rest.split_once("</style>").expect("the style ends");
        println!(
            "cargo::rustc-env={variable}={}",
            BASE64_STANDARD.encode(Sha256::digest(style))
        );
    }
}
