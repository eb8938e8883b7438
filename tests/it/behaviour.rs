//! What the counter promises, promise by promise, from a request to its answer.

use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use page_visit_counter::{Settings, respond};

const ATTRIBUTES: &str = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";

fn answer(method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    answer_with(&Settings::default(), method, path, headers)
}

fn answer_with(
    settings: &Settings,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::default().with_raw_http_path(path);
    *request.method_mut() = method.parse().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    respond(&request, settings)
}

fn visit(cookies: &[&str]) -> Response<Body> {
    let headers: Vec<_> = cookies.iter().map(|line| ("cookie", *line)).collect();
    answer("GET", "/", &headers)
}

fn text(response: &Response<Body>) -> &str {
    match response.body() {
        Body::Text(text) => text,
        Body::Empty => "",
        body => panic!("no text: {body:?}"),
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert_eq!(values.next(), None, "more than one {name}");
    value
}

fn set_cookie(response: &Response<Body>) -> Option<&str> {
    value(response.headers(), "set-cookie")
}

#[track_caller]
fn assert_counts(response: &Response<Body>, count: u64) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        set_cookie(response),
        Some(format!("count={count}; {ATTRIBUTES}").as_str())
    );
    assert!(
        text(response).contains(&format!("<b>{count}</b></h1>")),
        "{}",
        text(response)
    );
}

#[track_caller]
fn assert_does_not_count(response: &Response<Body>, status: u16) {
    assert_eq!(response.status(), status);
    assert_eq!(set_cookie(response), None);
}

// The count; src/count_cookie.rs has the table of how it may be written.

#[test]
fn each_visit_is_one_more_than_the_browser_sent_and_a_new_visitor_starts_at_1() {
    for (cookies, count) in [
        (&[][..], 1),
        (&["count=0"], 1),
        (&["count=9999"], 10_000),
        (&["count=abc"], 1),
        (&["Count=7"], 1),
        (&["count=18446744073709551614"], u64::MAX),
        (&["count=18446744073709551615"], u64::MAX),
        (&["theme=dark; count=\"2\"; city=São Paulo"], 3),
        (&["a=b", "count=2; count=41; count=abc", "count="], 42),
    ] {
        assert_counts(&visit(cookies), count);
    }
}

// What counts as a visit

#[test]
fn head_gives_the_headers_of_get_and_does_not_count() {
    for accept in ["*/*", "application/json", "text/plain"] {
        let headers = [("cookie", "count=2"), ("accept", accept)];
        let get = answer("GET", "/", &headers);
        let head = answer("HEAD", "/", &headers);
        assert_does_not_count(&head, 200);
        assert_eq!(text(&head), "");
        let mut expected = get.headers().clone();
        expected.remove(header::SET_COOKIE);
        assert_eq!(head.headers(), &expected, "{accept}");
    }
}

#[test]
fn any_other_path_is_not_found_and_does_not_count() {
    for path in [
        "/favicon.ico",
        "/robots.txt",
        "/x",
        "/reset/",
        "/index.html",
        "//",
        "/a/b/c",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let response = answer(method, path, &[("cookie", "count=2")]);
            assert_does_not_count(&response, 404);
            assert_eq!(
                text(&response).is_empty(),
                method == "HEAD",
                "{method} {path}"
            );
        }
    }
}

const FORGET: &str = "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

#[test]
fn a_reset_or_forget_from_the_page_deletes_the_cookie() {
    for from_the_page in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("sec-fetch-site", "none")],
        // Plain HTTP, and old browsers
        &[("host", "example.com"), ("origin", "https://example.com")],
        // A program
        &[],
    ] {
        let reset = answer("POST", "/reset", from_the_page);
        assert_eq!(reset.status(), StatusCode::SEE_OTHER);
        assert_eq!(value(reset.headers(), "location"), Some("./"));
        assert_eq!(set_cookie(&reset), Some(FORGET));

        // Without a redirect, which would be a visit and set the cookie again.
        let forget = answer("POST", "/forget", from_the_page);
        assert_eq!(forget.status(), StatusCode::OK);
        assert_eq!(set_cookie(&forget), Some(FORGET));
        let page = text(&forget).replace("<span>", "").replace("</span>", "");
        assert!(page.contains(&format!(">Set-Cookie: {FORGET}<")), "{page}");
        assert!(page.contains("<a href=\"./\">"), "{page}");
    }
}

#[test]
fn another_site_cannot_delete_the_cookie() {
    for from_elsewhere in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "Same-Origin")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "https://evil.example"), ("host", "example.com")],
        &[("origin", "null"), ("host", "example.com")],
    ] {
        for path in ["/reset", "/forget"] {
            assert_does_not_count(&answer("POST", path, from_elsewhere), 403);
        }
    }
}

#[test]
fn another_method_on_a_known_path_is_told_what_is_allowed() {
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
            let response = answer(method, path, &[("cookie", "count=2")]);
            assert_does_not_count(&response, 405);
            assert_eq!(
                value(response.headers(), "allow"),
                Some(allow),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn a_prefetch_or_prerender_is_refused_and_does_not_count() {
    for (name, purpose) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let response = answer("GET", "/", &[(name, purpose), ("cookie", "count=2")]);
        assert_does_not_count(&response, 403);
        assert_eq!(value(response.headers(), "cache-control"), Some("no-store"));
    }
}

#[test]
fn what_nobody_sees_is_refused_and_does_not_count() {
    for headers in [
        &[("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")][..],
        &[("sec-fetch-dest", "image"), ("sec-fetch-mode", "cors")],
        &[("sec-fetch-dest", "script")],
        &[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")],
        &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", "no-cors")],
        &[("sec-fetch-mode", "no-cors")],
    ] {
        for settings in [Settings::default(), embeds()] {
            let response = answer_with(&settings, "GET", "/", headers);
            assert_does_not_count(&response, 403);
        }
    }
}

#[test]
fn what_a_visitor_sees_counts() {
    for headers in [
        &[
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
        ][..],
        &[
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ],
    ] {
        for settings in [Settings::default(), embeds()] {
            assert_counts(&answer_with(&settings, "GET", "/", headers), 1);
        }
    }
}

// On other sites

const LISTED: &str = "https://blog.example.com";

fn embeds() -> Settings {
    Settings {
        embed_origins: format!("{LISTED} https://other.example").parse().unwrap(),
        ..Settings::default()
    }
}

/// What the script of a page that embeds the count has the browser send.
fn fetch(
    settings: &Settings,
    method: &str,
    path: &str,
    origin: &str,
    site: &str,
) -> Response<Body> {
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", site),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("accept", "text/plain"),
        ("cookie", "count=2"),
    ];
    answer_with(settings, method, path, &headers)
}

#[track_caller]
fn assert_may_be_read(response: &Response<Body>) {
    let headers = response.headers();
    assert_eq!(value(headers, "access-control-allow-origin"), Some(LISTED));
    assert_eq!(
        value(headers, "access-control-allow-credentials"),
        Some("true")
    );
}

#[track_caller]
fn assert_may_not_be_read(response: &Response<Body>) {
    let mut names = response.headers().keys();
    assert!(!names.any(|name| name.as_str().starts_with("access-control-")));
}

#[test]
fn a_fetch_from_a_listed_site_counts_in_a_cookie_of_that_site() {
    let response = fetch(&embeds(), "GET", "/", LISTED, "cross-site");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(&response), "3\n");
    assert_eq!(
        set_cookie(&response),
        Some("count=3; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=34560000")
    );
    assert_may_be_read(&response);
}

#[test]
fn a_fetch_from_the_same_site_counts_in_the_pages_own_cookie() {
    for site in ["same-site", "same-origin", "none", ""] {
        let response = fetch(&embeds(), "GET", "/", LISTED, site);
        assert_eq!(text(&response), "3\n");
        assert_eq!(
            set_cookie(&response),
            Some(format!("count=3; {ATTRIBUTES}").as_str()),
            "{site}"
        );
        assert_may_be_read(&response);
    }
}

#[test]
fn a_listed_site_may_read_answers_that_are_no_visit() {
    for (method, path, status) in [
        ("GET", "/x", 404),
        ("PUT", "/", 405),
        ("POST", "/reset", 403),
        ("POST", "/forget", 403),
        ("OPTIONS", "/", 405),
    ] {
        let response = fetch(&embeds(), method, path, LISTED, "cross-site");
        assert_does_not_count(&response, status);
        assert_may_be_read(&response);
        assert_eq!(value(response.headers(), "vary"), Some("Origin"));
    }
    let prefetch = [("origin", LISTED), ("sec-purpose", "prefetch;prerender")];
    let response = answer_with(&embeds(), "GET", "/", &prefetch);
    assert_does_not_count(&response, 403);
    assert_may_be_read(&response);
    let head = fetch(&embeds(), "HEAD", "/", LISTED, "cross-site");
    assert_does_not_count(&head, 200);
    assert_may_be_read(&head);
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
        for (settings, site) in [
            (embeds(), "cross-site"),
            (embeds(), "same-site"),
            (Settings::default(), "cross-site"),
        ] {
            for method in ["GET", "HEAD"] {
                let response = fetch(&settings, method, "/", origin, site);
                assert_does_not_count(&response, 403);
                assert_may_not_be_read(&response);
            }
        }
    }
}

#[test]
fn a_visit_by_link_from_a_listed_site_counts_in_the_pages_own_cookie() {
    for origin in [None, Some(("origin", LISTED))] {
        let mut headers = vec![
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("cookie", "count=2"),
        ];
        headers.extend(origin);
        assert_counts(&answer_with(&embeds(), "GET", "/", &headers), 3);
    }
}

#[test]
fn a_preflight_is_permitted_to_listed_sites_and_never_counts() {
    let preflight = |settings: &Settings, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "traceparent,x-site"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-site", "cross-site"),
        ];
        answer_with(settings, "OPTIONS", "/", &headers)
    };
    let permitted = preflight(&embeds(), LISTED);
    assert_does_not_count(&permitted, 204);
    assert_eq!(permitted.body(), &Body::Empty);
    assert_may_be_read(&permitted);
    for (name, expected) in [
        ("access-control-allow-methods", "GET"),
        ("access-control-allow-headers", "traceparent,x-site"),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ] {
        assert_eq!(value(permitted.headers(), name), Some(expected));
    }
    for (settings, origin) in [
        (embeds(), "https://example.com"),
        (embeds(), "null"),
        (Settings::default(), LISTED),
    ] {
        let refused = preflight(&settings, origin);
        assert_does_not_count(&refused, 405);
        assert_may_not_be_read(&refused);
    }
}

#[test]
fn answers_vary_by_origin_where_sites_are_listed() {
    for (accept, vary) in [
        ("text/html", "Accept, Accept-Encoding, Origin"),
        ("text/plain", "Accept, Accept-Encoding, Origin"),
    ] {
        let response = answer_with(&embeds(), "GET", "/", &[("accept", accept)]);
        assert_eq!(value(response.headers(), "vary"), Some(vary));
        assert_may_not_be_read(&response);
    }
    let missing = answer_with(&embeds(), "GET", "/x", &[]);
    assert_eq!(value(missing.headers(), "vary"), Some("Origin"));
    assert_eq!(value(answer("GET", "/x", &[]).headers(), "vary"), None);
}

// The page

#[test]
fn the_page_has_the_words_of_the_original() {
    let response = visit(&["count=2"]);
    assert!(text(&response).starts_with("<!doctype html>\n<html lang=\"en\">"));
    assert!(text(&response).contains("<title>Page Visit Counter</title>"));
    assert!(text(&response).contains("<meta charset=\"utf-8\">"));
    assert!(text(&response).contains("<h1><small>Page Count:</small> <b>3</b></h1>"));
}

#[test]
fn the_page_needs_no_script_and_nothing_from_elsewhere() {
    for line in ["", "count=2", "count=abc"] {
        let response = visit(&[line]);
        let page = text(&response)
            .replace("http://www.w3.org/2000/svg", "")
            .replace("url(\"data:", "");
        for forbidden in [
            "<script", "http:", "https:", "src=", "@import", "url(", "style=",
        ] {
            assert!(!page.contains(forbidden), "{line}: {forbidden}");
        }
    }
}

#[test]
fn a_page_is_compressed_for_those_who_accept_it_and_nothing_else_is() {
    for (accept, encoding, is_compressed) in [
        ("text/html", "gzip, deflate, br", true),
        ("text/html", "br", false),
        ("text/html", "gzip;q=0", false),
        ("application/json", "gzip", false),
        ("text/plain", "gzip", false),
    ] {
        let headers = [("accept", accept), ("accept-encoding", encoding)];
        let response = answer("GET", "/", &headers);
        let found = value(response.headers(), "content-encoding");
        assert_eq!(found, is_compressed.then_some("gzip"), "{headers:?}");
        assert_eq!(
            matches!(response.body(), Body::Binary(_)),
            is_compressed,
            "{headers:?}"
        );
        let head = answer("HEAD", "/", &headers);
        assert_eq!(value(head.headers(), "content-encoding"), found);
    }
}
