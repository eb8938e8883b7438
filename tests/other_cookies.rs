//! The counter's cookie among those of everybody else: `cookies.txt` holds what browsers send for
//! analytics, consent managers, frameworks and gateways, and what attackers send.
//!
//! Whatever the neighbours, the count survives.

use std::{fs, path::Path, sync::LazyLock};

use lambda_http::{
    Body, Request,
    http::{HeaderValue, StatusCode, header},
};
use page_visit_counter::{Settings, respond};
use serde_json::{Value, json};

mod invariants;

use invariants::{Answer, parse};

/// Greater than any count in the file.
const OURS: &str = "count=41";

/// What every answer must set.
const NEXT: &str = "count=42; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";

/// The `Cookie` headers of the file, as bytes.
static HEADERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    include_str!("cookies.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(unescape)
        .collect()
});

/// Makes bytes of `\xNN`, which the file has for bytes that are no UTF-8.
fn unescape(line: &str) -> Vec<u8> {
    let mut pieces = line.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// Our cookie in every place that it can have among those of a header.
fn neighbourhoods(header: &[u8], next: &[u8]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let ours = OURS.as_bytes().to_vec();
    let line = |cookies: &[&[u8]]| cookies.join(&b"; "[..]);
    let middle = header
        .iter()
        .skip(header.len() / 2)
        .position(|byte| *byte == b';')
        .map_or(header.len(), |at| header.len() / 2 + at);
    vec![
        ("alone", vec![ours.clone()]),
        ("first", vec![line(&[&ours, header])]),
        ("last", vec![line(&[header, &ours])]),
        ("last without a space", vec![[header, b";", &ours].concat()]),
        ("between", vec![line(&[header, &ours, next])]),
        (
            "inside",
            vec![[&header[..middle], b"; ", &ours, &header[middle..]].concat()],
        ),
        ("on a line before", vec![ours.clone(), header.to_vec()]),
        ("on a line after", vec![header.to_vec(), ours.clone()]),
        (
            "on a line between",
            vec![header.to_vec(), ours, next.to_vec()],
        ),
    ]
}

fn request(lines: &[Vec<u8>]) -> Request {
    let mut request = Request::new(Body::Empty);
    for line in lines {
        let line = HeaderValue::from_bytes(line).expect("a header value");
        request.headers_mut().append(header::COOKIE, line);
    }
    request
}

#[test]
fn the_file_holds_hundreds_of_headers_and_none_twice() {
    let mut headers = HEADERS.clone();
    assert!(headers.len() > 400, "{}", headers.len());
    headers.sort();
    for pair in headers.windows(2) {
        assert_ne!(pair[0], pair[1], "{:?}", pair[0].escape_ascii().to_string());
    }
}

#[test]
fn the_count_survives_any_neighbours() {
    for (header, next) in HEADERS.iter().zip(HEADERS.iter().cycle().skip(1)) {
        for (place, lines) in neighbourhoods(header, next) {
            let response = respond(&request(&lines), &Settings::default());
            let context = || format!("{place}: {}", header.escape_ascii());
            assert_eq!(response.status(), StatusCode::OK, "{}", context());
            let set_cookie: Vec<_> = response
                .headers()
                .get_all(header::SET_COOKIE)
                .iter()
                .collect();
            assert_eq!(set_cookie, [NEXT], "{}", context());
        }
    }
}

#[test]
fn the_count_survives_all_neighbours_at_once() {
    let mut lines = HEADERS.clone();
    lines.insert(lines.len() / 2, OURS.into());
    for lines in [lines.clone(), vec![lines.join(&b"; "[..])]] {
        let response = respond(&request(&lines), &Settings::default());
        assert_eq!(response.headers()[header::SET_COOKIE], NEXT);
    }
}

#[test]
fn the_count_survives_any_neighbours_in_an_event() {
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/first_visit.json");
    let event: Value = serde_json::from_str(&fs::read_to_string(event).unwrap()).unwrap();
    let text = |line: &Vec<u8>| String::from_utf8(line.clone());
    let mut headers_in_json = 0;
    let mut places = 0;
    for (header, next) in HEADERS.iter().zip(HEADERS.iter().cycle().skip(1)) {
        headers_in_json += usize::from(text(header).is_ok());
        for (place, lines) in neighbourhoods(header, next) {
            let Ok(lines) = lines.iter().map(text).collect::<Result<Vec<_>, _>>() else {
                continue;
            };
            // Front doors differ in what they take for an element of `cookies`.
            let mut event = event.clone();
            places += 1;
            match places % 3 {
                0 => event["cookies"] = json!(lines),
                1 => {
                    let pairs = lines.iter().flat_map(|line| line.split(';'));
                    event["cookies"] = pairs.map(str::trim_ascii).collect();
                }
                _ => event["headers"]["cookie"] = json!(lines.join("; ")),
            }
            let answer = Answer::to(
                parse(event.to_string().as_bytes()).expect("an event"),
                Settings::default(),
            );
            assert_eq!(
                (answer.status, answer.set_cookie),
                (200, vec![NEXT.to_owned()]),
                "{place}: {}",
                header.escape_ascii()
            );
        }
    }
    assert!(headers_in_json > 400, "{headers_in_json}");
}

#[test]
fn no_cookie_of_another_name_is_taken_for_the_count() {
    let is_ours = |pair: &[u8]| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(0);
        pair[..equals].trim_ascii() == b"count"
    };
    let mut others = 0;
    for header in HEADERS
        .iter()
        .filter(|header| !header.split(|byte| *byte == b';').any(is_ours))
    {
        others += 1;
        let response = respond(&request(std::slice::from_ref(header)), &Settings::default());
        let first = NEXT.replace("count=42", "count=1");
        assert_eq!(
            response.headers()[header::SET_COOKIE],
            first,
            "{}",
            header.escape_ascii()
        );
        let Body::Text(page) = response.body() else {
            panic!("a page");
        };
        assert!(
            page.contains("no count cookie"),
            "{}",
            header.escape_ascii()
        );
    }
    assert!(others > 400, "{others}");
}
