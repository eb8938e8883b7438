//! The counter's cookie among those of everybody else.
//!
//! Whatever the neighbours, the count survives. How a count may be written, and what is not one, is
//! tested in `src/count_cookie.rs`.

use lambda_http::{
    Body, Request,
    http::{HeaderValue, StatusCode, header},
};
use page_visit_counter::{Settings, respond};
use serde_json::{Value, json};

use crate::support::invariants::{Answer, parse};

const OURS: &[u8] = b"count=41";

/// What every answer must set.
const NEXT: &str = "count=42; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";

/// `Cookie` headers that differ in kind: made up after the shape of real ones, no identifier is anybody's.
const HEADERS: [&[u8]; 31] = [
    // Analytics, consent managers, frameworks, gateways
    b"_ga=GA1.2.2164104575.1795023557; _gid=GA1.2.140793379.1795059805; _gat=1",
    b"__utmz=91626852.1795300582.1.1.utmcsr=(direct)|utmctr=visit counter count=many",
    b"s_vi=[CS]v1|8680D29FE61118D6-F7704B4C318DA53E[CE]; s_sq=%5B%5BB%5D%5D",
    b"ajs_user_traits=%7B%22count%22%3A12%7D; mp_mixpanel={\"distinct_id\":\"17\",\"count\":12}",
    b"bcookie=\"v=2&222a375c-c1a6\"; lang=v=2&lang=en-us; lidc=\"b=OGST01:s=O:count=7\"",
    b"OptanonConsent=isGpcEnabled=0&datestamp=Tue Nov 24 2026 08:15:30 GMT+0100 (CET)&groups=1:1,2:0",
    b"FPID=FPID2.2.2YobrnEXf1e0yOzWyRM6JiYNK8GuFDGPdAFKspFXp7U=.1795089802; AWSALB=DujEdncZcpKQug+/==",
    b"__Host-session=eyJhbGciOiJIUzI1NiJ9.eyJjb3VudCI6N30.c2ln; .AspNetCore.Antiforgery.x=CfDJ8; JSESSIONID=0000A:1",
    b"saplb_*=(J2EE1)1; BIGipServer~Common~web=rd5o00; shell#lang=en; ebay=^js%3D1^sbf%3D#^",
    b"psback=\"\"url\":\"https://example.org\" \"label\":\"Home\"\"",
    // Names, values, white space, quotes, commas, attributes that are sent back
    b"foo = bar ;\tbar\t=\tfoo",
    b"; foo=bar;;;bar=foo;",
    b"=; ==; =bar; foo; foo=; foo==bar=",
    b"foo=\"bar; baz\"; qux='1; 2'",
    b"foo=bar, baz=qux, count=3",
    b"$Version=0; foo=bar; $Path=/",
    b"foo=bar; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
    // Bytes that are not ASCII, or not UTF-8
    "stadt=München; 名前=カウンター; 🍪=emoji".as_bytes(),
    "bom=\u{feff}; \u{feff}count=99; rtl=\u{202e}tnuoc\u{202c}; ｃｏｕｎｔ=7".as_bytes(),
    b"city=S\xe3o Paulo; \xa0count=99; count\xa0=99",
    b"\xff\xfe=utf-16; a=\x80\x81; b=\xc0\xaf; c=\xed\xa0\x80; cut=\xe2\x82",
    b"sjis=\x83\x4a\x83\x45\x83\x93\x83\x5e; gbk=\xbc\xc6\xca\xfd",
    // Sent to break a parser
    b"a=\"",
    b"a=\"b; c=\"d; e=\"f; g='h; i=`j; k=\\",
    b"session=\"a\\073 cnt=99\"; b=\"\\\"; cnt=98; \\\"\"",
    b"a=%3Bcount%3D99%3B; b=%0d%0aSet-Cookie:%20count=99; c=\\r\\nSet-Cookie: d=1",
    b"<script>alert(1)</script>=<img src=x onerror=alert(1)>; a={{7*7}}; b=${jndi:ldap://192.0.2.1/a}",
    b"__proto__[count]=99; O:8:\"stdClass\":1:{s:5:\"count\"; a=() { :; }; echo",
    &[b'='; 4096],
    &[b';'; 4096],
    &[b'x'; 4096],
];

/// Our cookie in every place that it can have among those of a header.
fn neighbourhoods(header: &[u8], next: &[u8]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let line = |cookies: &[&[u8]]| cookies.join(&b"; "[..]);
    let (ours, header_line) = (OURS.to_vec(), header.to_vec());
    vec![
        ("first", vec![line(&[OURS, header])]),
        ("last", vec![line(&[header, OURS])]),
        ("last without a space", vec![[header, b";", OURS].concat()]),
        ("between", vec![line(&[header, OURS, next])]),
        ("on a line before", vec![ours.clone(), header_line.clone()]),
        ("on a line after", vec![header_line.clone(), ours.clone()]),
        ("on a line between", vec![header_line, ours, next.to_vec()]),
    ]
}

fn with_next() -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    let next = HEADERS.into_iter().cycle().skip(1);
    HEADERS.into_iter().zip(next)
}

fn set_cookie(lines: &[Vec<u8>]) -> Vec<HeaderValue> {
    let mut request = Request::new(Body::Empty);
    for line in lines {
        let line = HeaderValue::from_bytes(line).expect("a header value");
        request.headers_mut().append(header::COOKIE, line);
    }
    let response = respond(&request, &Settings::default());
    assert_eq!(response.status(), StatusCode::OK);
    let cookies = response.headers().get_all(header::SET_COOKIE);
    cookies.iter().cloned().collect()
}

#[test]
fn the_count_survives_any_neighbours() {
    for (header, next) in with_next() {
        for (place, lines) in neighbourhoods(header, next) {
            assert_eq!(
                set_cookie(&lines),
                [NEXT],
                "{place}: {}",
                header.escape_ascii()
            );
        }
    }
}

#[test]
fn the_count_survives_all_neighbours_at_once() {
    let mut lines = HEADERS.map(<[u8]>::to_vec).to_vec();
    lines.insert(lines.len() / 2, OURS.to_vec());
    assert_eq!(set_cookie(&lines), [NEXT]);
    assert_eq!(set_cookie(&[lines.join(&b"; "[..])]), [NEXT]);
}

#[test]
fn the_count_survives_any_neighbours_in_an_event() {
    let event = include_str!("../../events/first_visit.json");
    let event: Value = serde_json::from_str(event).unwrap();
    for (header, next) in with_next() {
        for (place, lines) in neighbourhoods(header, next) {
            let text = |line: &Vec<u8>| String::from_utf8(line.clone()).ok();
            // JSON has no other bytes.
            let Some(lines) = lines.iter().map(text).collect::<Option<Vec<_>>>() else {
                continue;
            };
            // Front doors differ in what they take for an element of `cookies`.
            let pairs = lines.iter().flat_map(|line| line.split(';'));
            for cookies in [json!(lines), pairs.map(str::trim_ascii).collect()] {
                let mut event = event.clone();
                event["cookies"] = cookies;
                let event = parse(event.to_string().as_bytes()).expect("an event");
                let answer = Answer::to(event, Settings::default());
                assert_eq!(
                    answer.set_cookie,
                    [NEXT],
                    "{place}: {}",
                    header.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn no_cookie_of_another_name_is_taken_for_the_count() {
    let first = NEXT.replace("count=42", "count=1");
    for header in HEADERS {
        let set_cookie = set_cookie(&[header.to_vec()]);
        assert_eq!(set_cookie, [&*first], "{}", header.escape_ascii());
    }
}
