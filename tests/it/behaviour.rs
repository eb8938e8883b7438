//! The counter's promises, each checked from a request to its answer.

use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderName, HeaderValue, header},
};
use page_visit_counter::{Settings, respond};

const ATTRIBUTES: &str = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";
const PARTITIONED: &str = "HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=34560000";
const FORGET: &str = "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

/// The answer to a request: a method and a path, and a header on each further line.
fn answer(request: &str) -> Response<Body> {
    answer_with(&Settings::default(), request)
}

/// The same with two listed sites.
fn answer_where_sites_are_listed(request: &str) -> Response<Body> {
    let embed_origins = "https://blog.example.com https://other.example"
        .parse()
        .unwrap();
    let settings = Settings {
        embed_origins,
        ..Settings::default()
    };
    answer_with(&settings, request)
}

fn answer_with(settings: &Settings, request: &str) -> Response<Body> {
    let mut lines = request.split('\n');
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::default().with_raw_http_path(path);
    *request.method_mut() = method.parse().unwrap();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value);
    }
    respond(&request, settings)
}

fn text(response: &Response<Body>) -> &str {
    match response.body() {
        Body::Text(text) => text,
        Body::Empty => "",
        body => panic!("not text: {body:?}"),
    }
}

fn value<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    let mut values = response.headers().get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert_eq!(values.next(), None, "more than one {name}");
    value
}

#[track_caller]
fn assert_counts(response: &Response<Body>, count: u64, attributes: &str) {
    assert_eq!(response.status(), 200);
    let cookie = format!("count={count}; {attributes}");
    assert_eq!(value(response, "set-cookie"), Some(&*cookie));
    let page = text(response);
    assert!(
        page == format!("{count}\n") || page.contains(&format!("<b>{count}</b></h1>")),
        "{page}"
    );
}

#[track_caller]
fn assert_does_not_count(response: &Response<Body>, status: u16) {
    assert_eq!(response.status(), status);
    assert_eq!(value(response, "set-cookie"), None);
}

#[track_caller]
fn assert_can_be_read_from(response: &Response<Body>, origin: Option<&str>) {
    assert_eq!(value(response, "access-control-allow-origin"), origin);
    let credentials = value(response, "access-control-allow-credentials");
    assert_eq!(credentials, origin.map(|_| "true"));
}

// The count. src/count_cookie.rs tests how it may be written.

#[test]
fn each_visit_is_one_more_than_the_browser_sent_and_a_new_visitor_starts_at_1() {
    for (cookies, count) in [
        ("", 1),
        ("\ncookie: count=0", 1),
        ("\ncookie: count=9999", 10_000),
        ("\ncookie: count=abc", 1),
        ("\ncookie: Count=7", 1),
        ("\ncookie: count=18446744073709551614", u64::MAX),
        ("\ncookie: count=18446744073709551615", u64::MAX),
        ("\ncookie: theme=dark; count=\"2\"; city=São Paulo", 3),
        (
            "\ncookie: a=b\ncookie: count=2; count=41; count=abc\ncookie: count=",
            42,
        ),
    ] {
        assert_counts(&answer(&format!("GET /{cookies}")), count, ATTRIBUTES);
    }
}

// What counts as a visit

#[test]
fn head_returns_the_headers_of_get_and_does_not_count() {
    for accept in ["*/*", "application/json", "text/plain"] {
        let headers = format!("cookie: count=2\naccept: {accept}\naccept-encoding: gzip");
        let get = answer(&format!("GET /\n{headers}"));
        let head = answer(&format!("HEAD /\n{headers}"));
        assert_does_not_count(&head, 200);
        assert_eq!(text(&head), "");
        let mut expected = get.headers().clone();
        expected.remove(header::SET_COOKIE);
        assert_eq!(head.headers(), &expected, "{accept}");
    }
}

#[test]
fn any_other_path_is_not_found_and_leads_back_and_does_not_count() {
    for (path, home) in [
        ("/favicon.ico", "./"),
        ("/Reset", "./"),
        ("/reset/", "../"),
        ("//", "../"),
        ("/a/b/c", "../../"),
    ] {
        for method in ["GET", "POST"] {
            let response = answer(&format!("{method} {path}\ncookie: count=2"));
            assert_does_not_count(&response, 404);
            let link = format!("<a href=\"{home}\">");
            assert!(text(&response).contains(&link), "{method} {path}");
        }
        assert_does_not_count(&answer(&format!("HEAD {path}")), 404);
    }
}

#[test]
fn a_reset_or_forget_from_the_page_deletes_the_cookie() {
    for from_the_page in [
        "\nsec-fetch-site: same-origin",
        "\nsec-fetch-site: none",
        // Plain HTTP, and old browsers
        "\nhost: example.com\norigin: https://example.com",
        // A program
        "",
    ] {
        let reset = answer(&format!("POST /reset{from_the_page}"));
        assert_eq!(reset.status(), 303);
        assert_eq!(value(&reset, "location"), Some("./"));
        assert_eq!(value(&reset, "set-cookie"), Some(FORGET));

        // No redirect, which would lead to a visit and set the cookie again.
        let forget = answer(&format!("POST /forget{from_the_page}"));
        assert_eq!(forget.status(), 200);
        assert_eq!(value(&forget, "set-cookie"), Some(FORGET));
        let page = text(&forget).replace("<span>", "").replace("</span>", "");
        assert!(page.contains(&format!(">Set-Cookie: {FORGET}<")), "{page}");
        assert!(page.contains("<a href=\"./\">"), "{page}");
    }
}

#[test]
fn another_site_cannot_delete_the_cookie() {
    for from_elsewhere in [
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
        "sec-fetch-site: ",
        "sec-fetch-site: Same-Origin",
        "sec-fetch-site: same-origin\nsec-fetch-site: cross-site",
        "origin: https://evil.example\nhost: example.com",
        "origin: null\nhost: example.com",
    ] {
        for path in ["/reset", "/forget"] {
            assert_does_not_count(&answer(&format!("POST {path}\n{from_elsewhere}")), 403);
        }
    }
}

#[test]
fn the_answer_to_another_method_says_which_are_allowed() {
    for (path, allow, methods) in [
        (
            "/",
            "GET, HEAD",
            ["POST", "PUT", "OPTIONS", "DELETE", "get"],
        ),
        ("/reset", "POST", ["GET", "HEAD", "PUT", "OPTIONS", "post"]),
        ("/forget", "POST", ["GET", "HEAD", "PUT", "OPTIONS", "post"]),
    ] {
        for method in methods {
            let response = answer(&format!("{method} {path}\ncookie: count=2"));
            assert_does_not_count(&response, 405);
            assert_eq!(value(&response, "allow"), Some(allow), "{method} {path}");
        }
    }
}

#[test]
fn a_request_whose_answer_nobody_sees_is_refused_and_does_not_count() {
    for headers in [
        "sec-purpose: prefetch",
        "sec-purpose: prefetch;prerender",
        "purpose: prefetch",
        "x-moz: prefetch",
        "sec-fetch-dest: image\nsec-fetch-mode: no-cors",
        "sec-fetch-dest: image\nsec-fetch-mode: cors",
        "sec-fetch-dest: script",
        "sec-fetch-dest: iframe\nsec-fetch-mode: navigate",
        "sec-fetch-dest: empty\nsec-fetch-mode: no-cors",
        "sec-fetch-mode: no-cors",
        "sec-fetch-dest: ",
    ] {
        let request = format!("GET /\ncookie: count=2\n{headers}");
        for response in [answer(&request), answer_where_sites_are_listed(&request)] {
            assert_does_not_count(&response, 403);
        }
    }
}

#[test]
fn a_request_whose_answer_a_visitor_sees_counts() {
    for headers in [
        "sec-fetch-dest: document\nsec-fetch-mode: navigate",
        "sec-fetch-dest: document\nsec-fetch-mode: navigate\nsec-fetch-site: cross-site",
        "sec-fetch-dest: empty\nsec-fetch-mode: cors\nsec-fetch-site: same-origin",
    ] {
        let request = format!("GET /\ncookie: count=2\n{headers}");
        for response in [answer(&request), answer_where_sites_are_listed(&request)] {
            assert_counts(&response, 3, ATTRIBUTES);
        }
    }
}

// On other sites

const BLOG: &str = "https://blog.example.com";

/// The request of a script on a page that embeds the count.
fn fetch(method_and_path: &str, origin: &str, site: &str) -> String {
    format!(
        "{method_and_path}\norigin: {origin}\nsec-fetch-site: {site}\nsec-fetch-mode: cors\n\
         sec-fetch-dest: empty\naccept: text/plain\ncookie: count=2"
    )
}

#[test]
fn a_fetch_from_a_listed_site_counts_in_a_cookie_for_that_site() {
    for (site, attributes) in [
        ("cross-site", PARTITIONED),
        ("same-site", ATTRIBUTES),
        ("same-origin", ATTRIBUTES),
        ("none", ATTRIBUTES),
        ("", ATTRIBUTES),
    ] {
        let response = answer_where_sites_are_listed(&fetch("GET /", BLOG, site));
        assert_counts(&response, 3, attributes);
        assert_can_be_read_from(&response, Some(BLOG));
    }
}

#[test]
fn a_visit_through_a_link_on_a_listed_site_counts_in_the_pages_own_cookie() {
    for origin in ["", "\norigin: https://blog.example.com"] {
        let response = answer_where_sites_are_listed(&format!(
            "GET /\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate\n\
             sec-fetch-dest: document\ncookie: count=2{origin}"
        ));
        assert_counts(&response, 3, ATTRIBUTES);
    }
}

#[test]
fn a_listed_site_may_read_answers_that_are_not_visits() {
    for (request, status) in [
        ("GET /x", 404),
        ("PUT /", 405),
        ("POST /reset", 403),
        ("POST /forget", 403),
        ("OPTIONS /", 405),
        ("GET /\nsec-purpose: prefetch;prerender", 403),
        ("HEAD /", 200),
    ] {
        let response = answer_where_sites_are_listed(&fetch(request, BLOG, "cross-site"));
        assert_does_not_count(&response, status);
        assert_can_be_read_from(&response, Some(BLOG));
    }
}

#[test]
fn a_fetch_from_any_other_site_is_refused_and_does_not_count() {
    for origin in [
        "https://example.com",
        "http://blog.example.com",
        "https://blog.example.com:8443",
        "https://blog.example.com.evil.example",
        "https://BLOG.example.com",
        "null",
        "",
    ] {
        for request in ["GET /", "HEAD /"] {
            for site in ["cross-site", "same-site"] {
                let request = fetch(request, origin, site);
                for response in [answer(&request), answer_where_sites_are_listed(&request)] {
                    assert_does_not_count(&response, 403);
                    assert_can_be_read_from(&response, None);
                }
            }
        }
    }
}

#[test]
fn listed_sites_may_send_a_preflight_and_it_never_counts() {
    let preflight = "OPTIONS /\naccess-control-request-method: GET\n\
                     access-control-request-headers: traceparent,x-site";
    let permitted = answer_where_sites_are_listed(&fetch(preflight, BLOG, "cross-site"));
    assert_does_not_count(&permitted, 204);
    assert_eq!(permitted.body(), &Body::Empty);
    assert_can_be_read_from(&permitted, Some(BLOG));
    for (name, expected) in [
        ("access-control-allow-methods", "GET"),
        ("access-control-allow-headers", "traceparent,x-site"),
        ("access-control-max-age", "7200"),
    ] {
        assert_eq!(value(&permitted, name), Some(expected));
    }
    let long = preflight.replace("traceparent", &"x".repeat(9_000));
    let permitted = answer_where_sites_are_listed(&fetch(&long, BLOG, "cross-site"));
    assert_eq!(value(&permitted, "access-control-allow-headers"), None);
    for refused in [
        answer_where_sites_are_listed(&fetch(preflight, "https://example.com", "cross-site")),
        answer_where_sites_are_listed(&fetch(preflight, "null", "cross-site")),
        answer(&fetch(preflight, BLOG, "cross-site")),
    ] {
        assert_does_not_count(&refused, 405);
        assert_can_be_read_from(&refused, None);
    }
}

// The page

#[test]
fn the_page_needs_no_script_and_nothing_from_elsewhere() {
    for count in ["", "2", "abc"] {
        let response = answer(&format!("GET /\ncookie: count={count}"));
        let page = text(&response)
            .replace("http://www.w3.org/2000/svg", "")
            .replace("url(\"data:", "");
        for forbidden in [
            "<script", "http:", "https:", "src=", "@import", "url(", "style=",
        ] {
            assert!(!page.contains(forbidden), "{count}: {forbidden}");
        }
    }
}

#[test]
fn no_answer_repeats_anything_from_the_request() {
    let names = "accept cookie host origin referer sec-fetch-site user-agent";
    let headers = names.replace(' ', ": zq7\n") + ": zq7";
    let routes = "GET /, POST /reset, POST /forget, zq7 /, zq7 /reset, GET /zq7/zq7";
    for route in routes.split(", ") {
        for request in [route, &format!("{route}\n{headers}")] {
            let told = format!("{:?}", answer(request));
            assert!(!told.contains("zq7"), "{request}: {told}");
        }
    }
}
