//! Requests of every kind, weighted towards the interesting, and how each front door delivers them.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::contract::Arrival;

/// In every field of a request that a visitor chooses. Whatever part of it an answer repeats, escaped
/// or not, holds the letters.
pub(crate) const MARKER: &str = "zq7<\"'&>zq7";
pub(crate) const MARKER_LETTERS: &str = "zq7";

/// What a visitor sends, before any front door.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Lines of headers, names in lower case.
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    (method(), path(), query(), headers()).prop_map(|(method, path, query, headers)| Request {
        method,
        path,
        query,
        headers,
    })
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        24 => Just("GET".to_owned()),
        3 => Just("HEAD".to_owned()),
        4 => Just("POST".to_owned()),
        1 => select(&["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "Post"][..])
            .prop_map(str::to_owned),
        1 => "[A-Za-z!#$%&'*+.^_`|~-]{1,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        24 => Just("/".to_owned()),
        4 => Just("/reset".to_owned()),
        1 => Just(format!("/{MARKER}")),
        1 => Just(String::new()),
        2 => select(&[
            "/favicon.ico", "/robots.txt", "/reset/", "/Reset", "//", "/./", "/../", "/x/y", "/%2F",
            "/?", "/#", "/%zz", "/é", "/$default", "/$default/", "/$default/reset", "/index.html",
        ][..]).prop_map(str::to_owned),
        2 => "/[a-z/.%?#@:;=&+ \\\\\"<>{}|^`é\u{0}-\u{1f}]{0,40}",
        1 => (1..2000_usize).prop_map(|depth| "/a".repeat(depth)),
    ]
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just(String::new()),
        4 => "[a-z0-9%+._~=&-]{1,20}",
        1 => Just(format!("q={MARKER}")),
        1 => Just("q=\"quoted\"".to_owned()),
        1 => "[ -~é]{1,20}",
        1 => Just(format!("q={}", "x".repeat(70_000))).no_shrink(),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    (
        vec(cookie_line(), 0..4),
        lines("accept", accept()),
        lines("sec-purpose", purpose()),
        lines("purpose", purpose()),
        lines("x-moz", purpose()),
        lines(
            "sec-fetch-site",
            words(&["same-origin", "none", "cross-site", "same-site", "None", ""]),
        ),
        option::weighted(
            0.7,
            words(&[
                "https",
                "https",
                "https",
                "http",
                "HTTP",
                "Http",
                "wss",
                "http,https",
            ]),
        ),
        option::weighted(0.9, host()),
        fetch(),
        any::<bool>(),
    )
        .prop_map(
            |(cookies, accept, sec_purpose, purpose, x_moz, site, proto, host, fetch, marked)| {
                let cookies = cookies.into_iter().map(|line| ("cookie", line));
                let rest = proto
                    .map(|proto| ("x-forwarded-proto", proto))
                    .into_iter()
                    .chain(host.map(|host| ("host", host)));
                let mut headers: Vec<_> = cookies
                    .chain(accept)
                    .chain(sec_purpose)
                    .chain(purpose)
                    .chain(x_moz)
                    .chain(site)
                    .chain(rest)
                    .chain(fetch)
                    .collect();
                if marked {
                    for name in [
                        "accept-language",
                        "referer",
                        "user-agent",
                        "x-forwarded-for",
                    ] {
                        headers.push((name, MARKER.into()));
                    }
                }
                headers
            },
        )
}

/// What a script, or a part of another page, has the browser say; and how it wants the answer.
fn fetch() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    (
        lines(
            "origin",
            words(&[
                BLOG,
                BLOG,
                LOCAL,
                "https://example.com",
                "http://blog.example.com",
                "https://Blog.example.com",
                "null",
                "",
                MARKER,
            ]),
        ),
        lines(
            "sec-fetch-mode",
            words(&["cors", "navigate", "no-cors", "same-origin", "", MARKER]),
        ),
        lines(
            "sec-fetch-dest",
            words(&[
                "empty", "empty", "document", "document", "image", "iframe", "", MARKER,
            ]),
        ),
        lines("access-control-request-method", words(&["GET", "POST", ""])),
        lines(
            "access-control-request-headers",
            words(&["traceparent", "x-a,x-b", "", "é"]),
        ),
        lines("accept-encoding", accept_encoding()),
    )
        .prop_map(|(origin, mode, dest, method, names, encoding)| {
            [origin, mode, dest, method, names, encoding].concat()
        })
}

/// Origins that the owner may have listed.
pub(crate) const LISTED: &[&str] = &[BLOG, LOCAL];
const BLOG: &str = "https://blog.example.com";
const LOCAL: &str = "http://localhost:8080";

fn accept_encoding() -> impl Strategy<Value = Vec<u8>> {
    let coding = select(
        &[
            "gzip", "gzip", "GZip", "x-gzip", "br", "identity", "*", "", "gzi",
        ][..],
    );
    let weight = prop_oneof![
        4 => Just(String::new()),
        2 => select(&[";q=0", ";q=1", "; Q=0.5", ";q=0.000", ";q=2", ";q=", ";q", ";q=1e0", ";a=b"][..])
            .prop_map(str::to_owned),
        1 => (0..1000_u32).prop_map(|quality| format!(";q=0.{quality:03}")),
    ];
    let element = (coding, weight).prop_map(|(coding, weight)| coding.to_owned() + weight.as_str());
    prop_oneof![
        8 => (vec(element, 0..5), select(&[",", ", ", " ,\t"][..]))
            .prop_map(|(elements, comma)| elements.join(comma).into_bytes()),
        1 => vec(0x80..=0xff_u8, 1..10),
    ]
}

/// Mostly no line of the header, sometimes several.
fn lines(
    name: &'static str,
    value: impl Strategy<Value = Vec<u8>> + 'static,
) -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let value = value.boxed();
    prop_oneof![
        9 => Just(Vec::new()),
        3 => vec(value.clone(), 1),
        1 => vec(value, 2..4),
    ]
    .prop_map(move |values| values.into_iter().map(|value| (name, value)).collect())
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    select(words).prop_map(|word| word.as_bytes().to_vec())
}

fn purpose() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        words(&[
            "prefetch",
            "prefetch;prerender",
            "prefetch;anonymous-client-ip",
            "Prefetch",
            "PREFETCH",
            "navigate",
            "fetch",
            "pre fetch",
            "prefetc",
            "preview",
            "",
            MARKER,
        ]),
        vec(field_byte(), 0..20),
    ]
}

fn host() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => words(&["abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws"]),
        4 => words(&[
            "localhost", "localhost:9000", "LocalHost", "127.0.0.1", "127.0.0.1:9000", "127.255.255.254",
            "[::1]", "[::1]:9000",
        ]),
        2 => words(&[
            "localhost.example.org", "128.0.0.1", "127.0.0.1.example.org", "127.1", "127.0.0.256",
            "127.00.0.1", "[::2]", "::1", "", "local host", ":9000", "localhost.", "1234567890.{dns}", MARKER,
        ]),
        1 => "[a-z0-9.-]{1,30}".prop_map(String::into_bytes),
    ]
}

fn accept() -> impl Strategy<Value = Vec<u8>> {
    let media_range = select(
        &[
            "text/html",
            "text/plain",
            "application/json",
            "text/*",
            "application/*",
            "*/*",
            "image/png",
            "application/xhtml+xml",
            "application/signed-exchange;v=b3",
            "APPLICATION/JSON",
            "Text/Plain",
            "text/html;level=1",
            "application/json;version=2",
        ][..],
    );
    let weight = prop_oneof![
        4 => Just(String::new()),
        1 => select(&[";q=0", ";q=1", ";q=0.", ";q=1.", ";q=0.000", ";q=1.000", ";Q=0.5", "; q=0.5", ";q=0.1"][..])
            .prop_map(str::to_owned),
        2 => (0..1000_u32).prop_map(|quality| format!(";q=0.{quality:03}")),
    ];
    let element =
        (media_range, weight).prop_map(|(range, weight)| range.to_owned() + weight.as_str());
    prop_oneof![
        8 => (vec(element.clone(), 1..6), select(&[",", ", ", ",\t"][..]))
            .prop_map(|(elements, comma)| elements.join(comma).into_bytes()),
        1 => words(&[
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
            "*/*", "text/*", "nonsense", "text/html;q", ";;;", "/", "text/", "/json", "application/ json", MARKER,
        ]),
        // One element spoils the list.
        1 => (element, select(&["nonsense", "/", "text/", "/plain", "a/b/c", "text/plain;q", "a b/c"][..]))
            .prop_map(|(element, nonsense)| format!("{element}, {nonsense}").into_bytes()),
        1 => vec(0x80..=0xff_u8, 1..10),
        // No empty elements, of which headers-accept skips some and refuses others.
        1 => "[!-+.0-~]{1,30}".prop_map(String::into_bytes),
    ]
}

/// Any byte that HTTP permits in a field value
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
fn field_byte() -> impl Strategy<Value = u8> {
    prop_oneof![8 => 0x20..=0x7e_u8, 1 => Just(b'\t'), 2 => 0x80..=0xff_u8]
}

fn cookie_line() -> impl Strategy<Value = Vec<u8>> {
    let digits = prop_oneof![
        4 => any::<u8>().prop_map(|count| count.to_string()),
        2 => any::<u64>().prop_map(|count| count.to_string()),
        1 => Just(u64::MAX.to_string()),
        1 => Just("18446744073709551616".to_owned()),
        1 => "0{0,30}[0-9]{1,25}",
    ];
    let white_space = select(
        &[
            "", "", "", " ", "\t", " \t ", "\u{a0}", "\u{85}", "\u{3000}",
        ][..],
    );
    let name = select(
        &[
            "count",
            "count",
            "count",
            "count",
            "Count",
            "COUNT",
            "xcount",
            "counts",
            "count2",
            "co unt",
            "\"count\"",
            "$count",
            "__Host-count",
            "count[]",
            "",
            "ｃount",
            "cоunt",
            MARKER,
        ][..],
    );
    let value = prop_oneof![
        8 => digits.clone(),
        2 => digits.clone().prop_map(|digits| format!("\"{digits}\"")),
        1 => digits.clone().prop_map(|digits| format!("\" {digits} \"")),
        4 => select(&[
            "", "abc", "-5", "+5", "1_000", "٣", "７", "1.0", "1e3", "0x10", "\"", "\"\"", "\"7", "7\"",
            "\"\"7\"\"", "=7", "7=", "%37", "7,8", "'7'", MARKER,
        ][..]).prop_map(str::to_owned),
    ];
    let pair = (
        white_space.clone(),
        name,
        white_space.clone(),
        white_space.clone(),
        value,
        white_space,
    )
        .prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}={c}{value}{d}").into_bytes());
    let neighbour = prop_oneof![
        4 => "[a-z_]{1,8}=[!-:<-~]{0,20}".prop_map(String::into_bytes),
        1 => vec(field_byte().prop_filter("within a pair", |byte| *byte != b';'), 0..30),
        1 => words(&["", " ", "nameless", "=nameless", "\"count=7", "a=\"b", "a=count=7", "ÿ=é", "count"]),
    ];
    let pairs = vec(prop_oneof![pair.clone(), neighbour], 0..6);
    prop_oneof![
        8 => (pairs.clone(), select(&["; ", ";", ";;", " ;\t"][..]))
            .prop_map(|(pairs, semicolon)| pairs.join(semicolon.as_bytes())),
        2 => vec(prop_oneof![
            2 => field_byte().prop_map(|byte| vec![byte]),
            1 => pair,
            1 => words(&["count", "=", ";", "\"", " ", "7"]),
        ], 0..40).prop_map(|pieces| pieces.concat()),
        // As long as a front door lets through, and longer.
        1 => (pairs, select(&["long=", "a=1; ", "count=1; ", "x;"][..]), 1..16_000_usize)
            .prop_map(|(pairs, filling, length)| {
                let mut line = filling.repeat(length / filling.len()).into_bytes();
                line.extend_from_slice(b"; ");
                line.extend(pairs.join(&b"; "[..]));
                line
            }),
    ]
}

/// A way to the function.
#[derive(Clone, Debug)]
pub(crate) enum FrontDoor {
    /// A Function URL, or the default stage of an HTTP API.
    DefaultStage(CookieDelivery),
    HttpApiStage(&'static str, CookieDelivery),
    RestApi(&'static str),
    /// A REST API whose stage a custom domain hides.
    RestApiDomain(&'static str),
    LoadBalancer,
    LoadBalancerMultiValue,
    Lattice,
}

/// The `cookies` of payload 2.0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CookieDelivery {
    Lines,
    Pairs,
    /// As a header, like any other.
    Header,
}

pub(crate) fn front_door() -> impl Strategy<Value = FrontDoor> {
    let cookies = select(
        &[
            CookieDelivery::Lines,
            CookieDelivery::Pairs,
            CookieDelivery::Header,
        ][..],
    );
    let stage = select(&["prod", "Prod", "v1.2", "reset", "a-b_c"][..]);
    prop_oneof![
        cookies.clone().prop_map(FrontDoor::DefaultStage),
        (stage.clone(), cookies)
            .prop_map(|(stage, cookies)| FrontDoor::HttpApiStage(stage, cookies)),
        stage.clone().prop_map(FrontDoor::RestApi),
        stage.prop_map(FrontDoor::RestApiDomain),
        Just(FrontDoor::LoadBalancer),
        Just(FrontDoor::LoadBalancerMultiValue),
        Just(FrontDoor::Lattice),
    ]
}

impl FrontDoor {
    pub(crate) fn one_of_each() -> [Self; 7] {
        [
            Self::DefaultStage(CookieDelivery::Pairs),
            Self::HttpApiStage("prod", CookieDelivery::Lines),
            Self::RestApi("Prod"),
            Self::RestApiDomain("Prod"),
            Self::LoadBalancer,
            Self::LoadBalancerMultiValue,
            Self::Lattice,
        ]
    }

    /// The event that the function gets, and what the contract makes of it.
    pub(crate) fn deliver(
        &self,
        request: &Request,
        listed: &'static [&'static str],
    ) -> (Value, Arrival) {
        let text: Vec<(&'static str, String)> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, String::from_utf8_lossy(value).into_owned()))
            .collect();
        let is_stage_in_path = !matches!(self, Self::RestApiDomain(_));
        let path = match self.stage() {
            Some(stage) if is_stage_in_path => format!("/{stage}{}", request.path),
            _ => request.path.clone(),
        };
        let (event, headers) = match self {
            Self::DefaultStage(cookies) => payload_2(request, "$default", &path, &text, *cookies),
            Self::HttpApiStage(stage, cookies) => payload_2(request, stage, &path, &text, *cookies),
            Self::RestApi(stage) | Self::RestApiDomain(stage) => {
                (payload_1(request, stage, &path, &text), text)
            }
            Self::LoadBalancer => (load_balancer(request, &path, &text), last_lines(&text)),
            Self::LoadBalancerMultiValue => {
                (load_balancer_multi_value(request, &path, &text), text)
            }
            Self::Lattice => (lattice(request, &path, &text), text),
        };
        let arrival = Arrival {
            method: request.method.clone(),
            stage: self.stage().filter(|_| is_stage_in_path).map(str::to_owned),
            path,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
            decodes_base64: !matches!(self, Self::RestApi(_) | Self::RestApiDomain(_)),
            listed,
        };
        (event, arrival)
    }

    fn stage(&self) -> Option<&'static str> {
        match self {
            Self::HttpApiStage(stage, _) | Self::RestApi(stage) | Self::RestApiDomain(stage) => {
                Some(stage)
            }
            _ => None,
        }
    }
}

type Lines = Vec<(&'static str, String)>;

fn payload_2(
    request: &Request,
    stage: &str,
    path: &str,
    lines: &Lines,
    delivery: CookieDelivery,
) -> (Value, Lines) {
    let mut joined: Lines = Vec::new();
    let mut cookies: Vec<&str> = Vec::new();
    for (name, value) in lines {
        if *name == "cookie" && !matches!(delivery, CookieDelivery::Header) {
            match delivery {
                CookieDelivery::Pairs => {
                    cookies.extend(value.split(';').map(|pair| pair.trim_matches(' ')));
                }
                _ => cookies.push(value),
            }
        } else if let Some((_, list)) = joined.iter_mut().find(|(header, _)| header == name) {
            list.push_str(if *name == "cookie" { "; " } else { "," });
            list.push_str(value);
        } else {
            joined.push((name, value.clone()));
        }
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": single_values(&joined),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghijklmnopqrstuvwxyz012345",
            "domainName": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": MARKER,
                "userAgent": MARKER,
            },
            "requestId": MARKER,
            "stage": stage,
            "timeEpoch": 1_795_421_730_000_i64,
        },
        "body": MARKER,
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        joined.push(("cookie", cookies.join("; ")));
        event["cookies"] = json!(cookies);
    }
    (event, joined)
}

fn payload_1(request: &Request, stage: &str, path: &str, lines: &Lines) -> Value {
    json!({
        "resource": "/{proxy+}",
        // Of `/Prod` API Gateway makes `/`.
        "path": if request.path.is_empty() { "/" } else { &request.path },
        "httpMethod": request.method,
        "headers": single_values(&last_lines(lines)),
        "multiValueHeaders": multi_values(lines),
        "queryStringParameters": query_parameters(request),
        "pathParameters": { "proxy": MARKER },
        "requestContext": {
            "accountId": "123456789012",
            "stage": stage,
            "path": path,
            "httpMethod": request.method,
            "identity": { "sourceIp": MARKER, "userAgent": MARKER },
            "domainName": "f6g7h8i9j0.execute-api.eu-central-1.amazonaws.com",
        },
        "body": MARKER,
        "isBase64Encoded": false,
    })
}

fn load_balancer(request: &Request, path: &str, lines: &Lines) -> Value {
    json!({
        "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/counter/0123456789abcdef" } },
        "httpMethod": request.method,
        "path": path,
        "queryStringParameters": query_parameters(request).unwrap_or_default(),
        "headers": single_values(&last_lines(lines)),
        "body": MARKER,
        "isBase64Encoded": false,
    })
}

fn load_balancer_multi_value(request: &Request, path: &str, lines: &Lines) -> Value {
    json!({
        "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/counter/0123456789abcdef" } },
        "httpMethod": request.method,
        "path": path,
        "multiValueQueryStringParameters": query_lists(request),
        "multiValueHeaders": multi_values(lines),
        "body": MARKER,
        "isBase64Encoded": false,
    })
}

fn lattice(request: &Request, path: &str, lines: &Lines) -> Value {
    json!({
        "version": "2.0",
        "path": path,
        "method": request.method,
        "headers": multi_values(lines),
        "queryStringParameters": query_lists(request),
        "isBase64Encoded": false,
        "body": MARKER,
        "requestContext": {
            "serviceNetworkArn": "arn:aws:vpc-lattice:eu-central-1:123456789012:servicenetwork/sn-0123456789abcdef0",
            "serviceArn": "arn:aws:vpc-lattice:eu-central-1:123456789012:service/svc-0123456789abcdef0",
            "targetGroupArn": "arn:aws:vpc-lattice:eu-central-1:123456789012:targetgroup/tg-0123456789abcdef0",
            "identity": { "sourceVpcArn": MARKER },
            "region": "eu-central-1",
            "timeEpoch": "1795421730000000",
        },
    })
}

/// Of several lines of a header, the last.
fn last_lines(lines: &Lines) -> Lines {
    let mut last: Lines = Vec::new();
    for (name, value) in lines {
        last.retain(|(header, _)| header != name);
        last.push((name, value.clone()));
    }
    last
}

fn single_values(lines: &Lines) -> Map<String, Value> {
    lines
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

fn multi_values(lines: &Lines) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in lines {
        let values = headers.entry(*name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value));
    }
    headers
}

fn query_parameters(request: &Request) -> Option<Map<String, Value>> {
    let (name, value) = request
        .query
        .split_once('=')
        .unwrap_or((&request.query, ""));
    (!request.query.is_empty()).then(|| Map::from_iter([(name.to_owned(), json!(value))]))
}

fn query_lists(request: &Request) -> Map<String, Value> {
    let parameters = query_parameters(request).unwrap_or_default();
    parameters
        .into_iter()
        .map(|(name, value)| (name, json!([value, value])))
        .collect()
}
