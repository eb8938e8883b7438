//! What the counter promises, as naive code: the model that the properties hold the counter against.
//!
//! It shares nothing with `src/`, no code and no crate: it splits strings and counts by hand, so that
//! both are wrong only where both misread the contract.

/// A request as the counter's front door delivers it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) method: String,
    /// The stage of an API Gateway, unless it is `$default`, which is in no path.
    pub(crate) stage: Option<String>,
    /// As the visitor's browser asked for it, with the stage if that is in the address.
    pub(crate) path: String,
    /// Lines of headers, names in lower case.
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    /// Whether the front door decodes a Base64 body, as all but a REST API do.
    pub(crate) decodes_base64: bool,
    /// The origins that the owner has listed.
    pub(crate) listed: &'static [&'static str],
}

/// What must come out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Promise {
    pub(crate) status: u16,
    /// `count=N`, then the attributes in alphabetical order.
    pub(crate) set_cookie: Option<Vec<String>>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) content_encoding: Option<&'static str>,
    pub(crate) vary: Option<&'static str>,
    pub(crate) allow: Option<&'static str>,
    pub(crate) location: Option<String>,
    /// The site whose script may read the answer.
    pub(crate) allow_origin: Option<String>,
    /// Whether a script may send what it has asked for first.
    pub(crate) is_preflight: bool,
    /// With these headers.
    pub(crate) allow_headers: Option<String>,
    pub(crate) https: bool,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Nothing,
    Exactly(String),
    Page {
        /// The number in the heading, and in the next visit's cookie.
        count: u64,
        /// The text beside the request.
        sent: String,
    },
    /// A short page whose link is this.
    Notice(String),
}

const HTML: &str = "text/html; charset=utf-8";

pub(crate) fn promise(arrival: &Arrival) -> Promise {
    let https = is_https(arrival);
    let origin = origin(arrival);
    let mut promise = match (resource(arrival), arrival.method.as_str()) {
        (Resource::Page, "GET" | "HEAD") if is_prefetch(arrival) => notice(503, "./"),
        (Resource::Page, "GET" | "HEAD") if is_seen_by_nobody(arrival) => notice(403, "./"),
        (Resource::Page, "GET" | "HEAD") if origin == Origin::Other => notice(403, "./"),
        (Resource::Page, "GET") => visit(arrival, &origin, https),
        (Resource::Page, "HEAD") => Promise {
            content_type: Some(form(arrival).content_type()),
            content_encoding: encoding(arrival),
            vary: Some("Accept, Accept-Encoding"),
            ..plain(200)
        },
        (Resource::Page, "OPTIONS")
            if matches!(origin, Origin::Listed(_))
                && lines(arrival, "access-control-request-method")
                    .next()
                    .is_some() =>
        {
            let names = lines(arrival, "access-control-request-headers").next();
            let names = names.map(<[u8]>::to_vec).map(String::from_utf8);
            Promise {
                is_preflight: true,
                allow_headers: names
                    .and_then(Result::ok)
                    .filter(|names| is_ascii_text(names)),
                ..plain(204)
            }
        }
        (Resource::StageWithoutSlash(stage), "GET" | "HEAD") => Promise {
            location: Some(stage + "/"),
            ..plain(308)
        },
        (Resource::Page | Resource::StageWithoutSlash(_), _) => Promise {
            allow: Some("GET, HEAD"),
            ..notice(405, "./")
        },
        (Resource::Reset, "POST") => {
            let from_here = |line: &[u8]| line == b"same-origin" || line == b"none";
            if lines(arrival, "sec-fetch-site").all(from_here) {
                Promise {
                    location: Some("./".to_owned()),
                    set_cookie: Some(lax_cookie("count=", "Max-Age=0", https)),
                    ..plain(303)
                }
            } else {
                notice(403, "./")
            }
        }
        (Resource::Reset, _) => Promise {
            allow: Some("POST"),
            ..notice(405, "./")
        },
        (Resource::Nothing { folders }, _) => notice(404, &way_home(folders)),
    };
    if !arrival.listed.is_empty() {
        promise.vary = Some(match promise.vary {
            Some(_) => "Accept, Accept-Encoding, Origin",
            None => "Origin",
        });
    }
    if let Origin::Listed(origin) = origin {
        promise.allow_origin = Some(origin);
    }
    promise.https = https;
    if arrival.method == "HEAD" {
        promise.body = Body::Nothing;
    }
    promise
}

#[derive(PartialEq)]
enum Origin {
    NotSaid,
    Listed(String),
    Other,
}

fn origin(arrival: &Arrival) -> Origin {
    let lines: Vec<&[u8]> = lines(arrival, "origin").collect();
    let listed = arrival.listed.iter();
    match &lines[..] {
        [] => Origin::NotSaid,
        [line] => listed
            .copied()
            .find(|origin| origin.as_bytes() == *line)
            .map_or(Origin::Other, |origin| Origin::Listed(origin.to_owned())),
        _ => Origin::Other,
    }
}

/// Images, scripts and frames of other pages, and what their scripts may not read.
fn is_seen_by_nobody(arrival: &Arrival) -> bool {
    lines(arrival, "sec-fetch-dest").any(|line| line != b"document" && line != b"empty")
        || lines(arrival, "sec-fetch-mode").any(|line| line == b"no-cors")
}

fn is_ascii_text(text: &str) -> bool {
    text.chars().all(|char| matches!(char, '\t' | ' '..='~'))
}

fn plain(status: u16) -> Promise {
    Promise {
        status,
        set_cookie: None,
        content_type: None,
        content_encoding: None,
        vary: None,
        allow: None,
        location: None,
        allow_origin: None,
        is_preflight: false,
        allow_headers: None,
        https: true,
        body: Body::Nothing,
    }
}

fn notice(status: u16, home: &str) -> Promise {
    Promise {
        content_type: Some(HTML),
        body: Body::Notice(home.to_owned()),
        ..plain(status)
    }
}

fn visit(arrival: &Arrival, origin: &Origin, https: bool) -> Promise {
    let (count, sent) = match received(arrival) {
        Received::Nothing => (1, "no count cookie".to_owned()),
        Received::Malformed => (1, "a count cookie that is not valid".to_owned()),
        Received::Count(u64::MAX) => (u64::MAX, format!("Cookie: count={}", u64::MAX)),
        Received::Count(count) => (count + 1, format!("Cookie: count={count}")),
    };
    let form = form(arrival);
    let says = |name, value: &[u8]| lines(arrival, name).any(|line| line == value);
    // By a link the visitor comes to the counter's own site, whatever site the link is on.
    let is_fetched_cross_site = matches!(origin, Origin::Listed(_))
        && says("sec-fetch-site", b"cross-site")
        && !says("sec-fetch-mode", b"navigate");
    let pair = format!("count={count}");
    Promise {
        set_cookie: Some(if is_fetched_cross_site {
            partitioned_cookie(&pair, "Max-Age=34560000")
        } else {
            lax_cookie(&pair, "Max-Age=34560000", https)
        }),
        content_type: Some(form.content_type()),
        content_encoding: encoding(arrival),
        vary: Some("Accept, Accept-Encoding"),
        body: match form {
            Form::Html => Body::Page { count, sent },
            Form::Json => Body::Exactly(format!("{{\"count\":{count}}}")),
            Form::Text => Body::Exactly(format!("{count}\n")),
        },
        ..plain(200)
    }
}

fn partitioned_cookie(pair: &str, max_age: &str) -> Vec<String> {
    let attributes = [
        pair,
        "HttpOnly",
        max_age,
        "Partitioned",
        "Path=/",
        "SameSite=None",
        "Secure",
    ];
    attributes.iter().map(|part| (*part).to_owned()).collect()
}

fn lax_cookie(pair: &str, max_age: &str, https: bool) -> Vec<String> {
    let attributes = [
        pair,
        "HttpOnly",
        max_age,
        "Path=/",
        "SameSite=Lax",
        "Secure",
    ];
    let attributes = &attributes[..if https { 6 } else { 5 }];
    attributes.iter().map(|part| (*part).to_owned()).collect()
}

fn lines<'a>(arrival: &'a Arrival, name: &str) -> impl Iterator<Item = &'a [u8]> {
    arrival
        .headers
        .iter()
        .filter(move |(header, _)| *header == name)
        .map(|(_, value)| value.as_slice())
}

enum Resource {
    Page,
    Reset,
    StageWithoutSlash(String),
    Nothing { folders: usize },
}

fn resource(arrival: &Arrival) -> Resource {
    let mut path = arrival.path.clone();
    if let Some(stage) = &arrival.stage {
        let root = format!("/{stage}");
        if path == root {
            return Resource::StageWithoutSlash(stage.clone());
        }
        if path.starts_with(&(root.clone() + "/")) {
            path = path[root.len()..].to_owned();
        }
    }
    if path.is_empty() || path == "/" {
        Resource::Page
    } else if path == "/reset" {
        Resource::Reset
    } else {
        let folders = path.chars().skip(1).filter(|char| *char == '/').count();
        Resource::Nothing { folders }
    }
}

/// The contract wants links relative. Of paths that nobody can have come to by a link the counter
/// leads no way home.
fn way_home(folders: usize) -> String {
    if folders == 0 || folders > 16 {
        "./".to_owned()
    } else {
        "../".repeat(folders)
    }
}

fn is_prefetch(arrival: &Arrival) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        lines(arrival, name).any(|line| {
            String::from_utf8_lossy(line)
                .to_ascii_lowercase()
                .contains("prefetch")
        })
    })
}

fn is_https(arrival: &Arrival) -> bool {
    if let Some(scheme) = lines(arrival, "x-forwarded-proto").next() {
        return !scheme.eq_ignore_ascii_case(b"http");
    }
    let Some(host) = lines(arrival, "host").next() else {
        return true;
    };
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let (name, port) = if host.starts_with('[') {
        let end = host.find(']').map_or(host.len(), |end| end + 1);
        host.split_at(end)
    } else {
        host.split_at(host.find(':').unwrap_or(host.len()))
    };
    if !port.is_empty() && (!port.starts_with(':') || !only_digits(&port[1..])) {
        return true;
    }
    !(name == "localhost" || name == "[::1]" || is_loopback_address(name))
}

fn is_loopback_address(name: &str) -> bool {
    let numbers: Vec<&str> = name.split('.').collect();
    let is_octet = |number: &&str| (0..=255).any(|octet: u16| octet.to_string() == **number);
    numbers.len() == 4 && numbers[0] == "127" && numbers.iter().all(is_octet)
}

fn only_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Clone, Copy)]
enum Received {
    Nothing,
    Malformed,
    Count(u64),
}

fn received(arrival: &Arrival) -> Received {
    let mut received = Received::Nothing;
    for line in lines(arrival, "cookie") {
        for pair in line.split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            if without_white_space(&pair[..equals]) != b"count" {
                continue;
            }
            let mut value = without_white_space(&pair[equals + 1..]);
            if value.len() >= 2 && value[0] == b'"' && value[value.len() - 1] == b'"' {
                value = &value[1..value.len() - 1];
            }
            received = match (received, number(value)) {
                (Received::Count(greatest), Some(count)) if greatest > count => received,
                (_, Some(count)) => Received::Count(count),
                (Received::Nothing, None) => Received::Malformed,
                (_, None) => received,
            };
        }
    }
    received
}

/// Spaces and tabs, which is all that HTTP calls white space.
fn without_white_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = match digit {
            b'0'..=b'9' => u64::from(digit - b'0'),
            _ => return None,
        };
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(number)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Html => HTML,
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// An element of `Accept`.
struct Range {
    media_type: String,
    has_parameters: bool,
    /// In thousandths.
    quality: u32,
}

/// RFC 9110, section 12.5.1: of the ranges that match a form, the most specific says its quality.
///
/// Between forms of the same quality the RFC leaves the choice to the server. The counter's: the one
/// that is asked for more specifically, then the one that is asked for first, then HTML, JSON, text.
/// Also its choice: a media type with a parameter, `charset` included, is not one of its own, and of
/// several lines those that are not ASCII are as if they were not there.
fn form(arrival: &Arrival) -> Form {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let list: Vec<String> = lines(arrival, "accept")
        .filter(|line| line.iter().all(is_text))
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let Some(ranges) = ranges(&list.join(",")) else {
        return Form::Html;
    };
    let mut best = (Form::Html, 0, 0, 0);
    for (form, exact, type_only) in [
        (Form::Html, "text/html", "text/*"),
        (Form::Json, "application/json", "application/*"),
        (Form::Text, "text/plain", "text/*"),
    ] {
        for (specificity, wanted) in [(3, exact), (2, type_only), (1, "*/*")] {
            // Of the same range twice, the better.
            let mut matching: Vec<(usize, &Range)> = ranges
                .iter()
                .enumerate()
                .filter(|(_, range)| range.media_type == wanted && !range.has_parameters)
                .collect();
            matching.sort_by_key(|(_, range)| std::cmp::Reverse(range.quality));
            let Some((position, range)) = matching.first() else {
                continue;
            };
            let earliness = usize::MAX - position;
            if range.quality > 0
                && (range.quality, specificity, earliness) > (best.1, best.2, best.3)
            {
                best = (form, range.quality, specificity, earliness);
            }
            break;
        }
    }
    best.0
}

/// RFC 9110, section 12.5.3. Only pages are worth it.
fn encoding(arrival: &Arrival) -> Option<&'static str> {
    let mut gzip = None;
    let mut others = None;
    for line in lines(arrival, "accept-encoding") {
        // A line of other bytes says nothing.
        let line = String::from_utf8_lossy(line);
        if !is_ascii_text(&line) {
            continue;
        }
        for element in line.to_ascii_lowercase().split(',') {
            let mut parts = element.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let weight = match (parts.next(), parts.next()) {
                (None, _) => Some(1000),
                (Some(weight), None) => weight.strip_prefix("q=").and_then(quality),
                _ => None,
            };
            let is_accepted = weight.is_some_and(|weight| weight > 0);
            match coding {
                "gzip" | "x-gzip" => gzip = Some(is_accepted),
                "*" => others = Some(is_accepted),
                _ => {}
            }
        }
    }
    let is_accepted = gzip.or(others).unwrap_or(false);
    (form(arrival) == Form::Html && arrival.decodes_base64 && is_accepted).then_some("gzip")
}

/// The elements of the list; none if one of them is malformed.
fn ranges(list: &str) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for element in list.split(',') {
        let element = element.trim_matches([' ', '\t']);
        if element.is_empty() {
            continue;
        }
        let mut parts = element.split(';');
        let media_type = parts.next()?.trim_matches([' ', '\t']).to_ascii_lowercase();
        let (kind, subtype) = media_type.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut range = Range {
            media_type: media_type.clone(),
            has_parameters: false,
            quality: 1000,
        };
        for parameter in parts {
            let (name, value) = parameter.trim_matches([' ', '\t']).split_once('=')?;
            if !is_token(name) || !is_token(value) {
                return None;
            }
            if name.eq_ignore_ascii_case("q") {
                range.quality = quality(value)?;
            } else {
                range.has_parameters = true;
            }
        }
        ranges.push(range);
    }
    Some(ranges)
}

fn is_token(text: &str) -> bool {
    let is_token_char =
        |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    !text.is_empty() && text.chars().all(is_token_char)
}

/// `0`, `1`, and up to three digits after a point.
fn quality(text: &str) -> Option<u32> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = format!("{digits:0<3}");
    if digits.len() > 3 || !only_digits(&thousandths) {
        return None;
    }
    match whole {
        "0" => thousandths.parse().ok(),
        "1" if thousandths == "000" => Some(1000),
        _ => None,
    }
}
