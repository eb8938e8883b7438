//! What the counter promises: requests, and the whole answers that they get through every front door.
//!
//! A request is a method and a path, with a header on each further line.

use pretty_assertions::assert_eq;

use crate::{answer::Answer, request::Request};

const ATTRIBUTES: &str = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";
pub(crate) const PARTITIONED: &str = "HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=34560000";
pub(crate) const FORGET: &str = "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

/// Two sites that may show the count.
const LISTED: &str = "https://blog.example.com https://other.example";
pub(crate) const BLOG: &str = "https://blog.example.com";

/// The answer to a request, which is the same through every front door.
#[track_caller]
fn answer(origins: &str, request: &str) -> Answer {
    let answer = Request::parse(request).answer(origins);
    assert!(!request.starts_with("HEAD") || answer.body.is_empty(), "{request}");
    answer
}

/// Checks the answer with and without listed sites. Only `Vary` differs.
#[track_caller]
fn assert_answer(request: &str, expected: &Answer) {
    assert_eq!(&answer("", request).words(), expected, "{request}");
    assert_eq!(answer(LISTED, request).words(), expected.clone().vary_origin(), "{request}");
}

pub(crate) fn answer_of(status: u16) -> Answer {
    Answer { status, headers: [].into(), set_cookie: None, body: String::new(), is_https: true }
}

/// The answer to HEAD.
fn visit_headers() -> Answer {
    notice(200, "").header("vary", "Accept, Accept-Encoding")
}

pub(crate) fn visit(count: u64) -> Answer {
    visit_headers().set_cookie(&format!("count={count}; {ATTRIBUTES}"))
}

/// A short page with these words.
fn notice(status: u16, words: &str) -> Answer {
    Answer { body: words.to_owned(), ..answer_of(status).header("content-type", "text/html; charset=utf-8") }
}

pub(crate) fn not_found() -> Answer {
    notice(404, "Page not found: There is nothing at this address.")
}

pub(crate) const AHEAD: &str = "A visit counts when you open the page, not when your browser loads it in advance.";
const UNSEEN: &str = "This page cannot be shown inside another page.";
const UNLISTED: &str = "The owner of this counter has not allowed that site to show the count.";
const NOT_A_BUTTON: &str = "Another site tried to change your count. Only the counter’s own buttons can do that.";

/// The answer that says why a request is refused.
pub(crate) fn refused(why: &str) -> Answer {
    notice(403, &format!("Not allowed: {why}"))
}

pub(crate) fn method_not_allowed(path: &str) -> Answer {
    let (allow, words) = match path {
        "/reset" => ("POST", "To start again at 1, use the button “Reset to 1” on the page."),
        "/forget" => ("POST", "To delete the cookie, use the button “Delete the cookie” on the page."),
        "/" => ("GET, HEAD", "This page only accepts GET and HEAD."),
        _ => ("GET, HEAD", "This address only accepts GET and HEAD."),
    };
    notice(405, &format!("Not allowed: {words}")).header("allow", allow)
}

pub(crate) fn forgotten() -> Answer {
    let words = "The cookie should be gone: \
                 This answer asked your browser to delete it, by setting its lifetime to 0 seconds:";
    notice(200, words).set_cookie(FORGET)
}

impl Answer {
    pub(crate) fn header(mut self, name: &str, line: &str) -> Self {
        self.headers.insert(name.to_owned(), line.to_owned());
        self
    }

    pub(crate) fn set_cookie(mut self, line: &str) -> Self {
        self.set_cookie = Some(line.to_owned());
        self
    }

    pub(crate) fn json(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("content-type", "application/json")
    }

    pub(crate) fn text(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("content-type", "text/plain; charset=utf-8")
    }

    pub(crate) fn gzip(self) -> Self {
        self.header("content-encoding", "gzip")
    }

    pub(crate) fn over_plain_http(mut self) -> Self {
        self.set_cookie = self.set_cookie.map(|cookie| cookie.replace("; Secure", ""));
        self.is_https = false;
        self
    }

    /// With the headers that let a script on this origin read the answer.
    pub(crate) fn readable_from(self, origin: &str) -> Self {
        self.vary_origin()
            .header("access-control-allow-origin", origin)
            .header("access-control-allow-credentials", "true")
    }

    pub(crate) fn vary_origin(self) -> Self {
        let vary = self.headers.get("vary");
        let vary = vary.map_or("Origin".to_owned(), |vary| format!("{vary}, Origin"));
        self.header("vary", &vary)
    }

    /// With only the title and the first sentence of a short page, and without the body of a visit's page, which
    /// `front_doors.rs` compares.
    pub(crate) fn words(mut self) -> Self {
        if self.headers.get("content-type").is_some_and(|it| it.starts_with("text/html")) {
            let words = |body: &str| {
                let (title, rest) = body.split_once("<h1>")?.1.split_once("</h1>\n<p>")?;
                Some(format!("{title}: {}", rest.split_once("</p>")?.0))
            };
            self.body = words(&self.body).unwrap_or_default();
        }
        self
    }

    /// The answer to the same request with HEAD.
    fn described(mut self) -> Self {
        self.body.clear();
        self
    }
}

#[test]
fn each_visit_is_one_more_than_the_browser_sent_and_a_new_visitor_starts_at_1() {
    for (cookies, count) in [
        ("", 1),
        ("\ncookie: ", 1),
        ("\ncookie: count=0", 1),
        ("\ncookie: count=9999", 10_000),
        ("\ncookie: count=abc", 1),
        ("\ncookie: Count=7", 1),
        ("\ncookie: count=18446744073709551614", u64::MAX),
        ("\ncookie: count=18446744073709551615", u64::MAX),
        ("\ncookie: theme=dark; count=\"2\"; city=São Paulo", 3),
        ("\ncookie: a=b\ncookie: count=2; count=41; count=abc\ncookie: count=", 42),
        ("\nhost: 1234567890.{dns}\ncookie: count=2", 3),
        // A robot
        ("\nuser-agent: Googlebot/2.1\ncookie: count=2", 3),
        ("\nuser-agent: ELB-HealthChecker/2.0", 1),
    ] {
        assert_answer(&format!("GET /{cookies}"), &visit(count));
    }
}

#[test]
fn the_answer_has_the_form_and_the_coding_that_the_client_prefers() {
    for (headers, expected) in [
        ("accept: application/json", visit(3).json("{\"count\":3}")),
        ("accept: text/plain", visit(3).text("3\n")),
        ("accept: application/json;;charset=utf-8", visit(3).json("{\"count\":3}")),
        ("accept: text/html\naccept-encoding: gzip", visit(3).gzip()),
        ("accept: text/plain\naccept-encoding: gzip", visit(3).text("3\n")),
        ("accept-encoding: br", visit(3)),
    ] {
        assert_answer(&format!("GET /\ncookie: count=2\n{headers}"), &expected);
        let described = Answer { set_cookie: None, ..expected.described() };
        assert_answer(&format!("HEAD /\ncookie: count=2\n{headers}"), &described);
    }
}

/// As on a development server, whatever its host.
#[test]
fn without_a_front_door_that_says_https_the_cookie_is_not_secure() {
    for scheme in ["x-forwarded-proto: http", "x-forwarded-proto: ", "x-forwarded-proto: \nhost: example.com"] {
        assert_answer(&format!("GET /\ncookie: count=2\n{scheme}"), &visit(3).over_plain_http());
    }
}

#[test]
fn any_other_path_is_not_found_and_leads_back() {
    for (path, home) in [
        ("/favicon.ico", "./"),
        ("/Reset", "./"),
        ("/reset/", "../"),
        ("//", "../"),
        ("/\u{1}é", "./"),
        ("/a/b/c", "../../"),
        (&"/a".repeat(17), &*"../".repeat(16)),
        (&"/a".repeat(18), "./"),
    ] {
        for method in ["GET", "POST"] {
            let request = format!("{method} {path}\ncookie: count=2");
            assert_answer(&request, &not_found());
            let page = answer("", &request).body;
            assert!(page.contains(&format!("<a href=\"{home}\">")), "{request}");
        }
        assert_answer(&format!("HEAD {path}"), &not_found().described());
    }
}

#[test]
fn a_reset_or_forget_from_the_page_deletes_the_cookie() {
    let reset = answer_of(303).header("location", "./").set_cookie(FORGET);
    for from_the_page in [
        "\nsec-fetch-site: same-origin",
        "\nsec-fetch-site: none",
        // Plain HTTP, and old browsers
        "\nhost: example.com\norigin: https://example.com",
        // A program
        "",
    ] {
        assert_answer(&format!("POST /reset{from_the_page}"), &reset);
        // No redirect, which would lead to a visit and set the cookie again.
        assert_answer(&format!("POST /forget{from_the_page}"), &forgotten());
        let plain = format!("{from_the_page}\nx-forwarded-proto: http");
        assert_answer(&format!("POST /reset{plain}"), &reset.clone().over_plain_http());
        assert_answer(&format!("POST /forget{plain}"), &forgotten().over_plain_http());
    }
    let page = answer("", "POST /forget");
    assert!(page.body.contains("<a href=\"./\">"), "{page:?}");
    assert!(page.visible_text().contains(&format!("Set-Cookie: {FORGET} The server")), "{page:?}");
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
            assert_answer(&format!("POST {path}\n{from_elsewhere}"), &refused(NOT_A_BUTTON));
        }
    }
}

#[test]
fn the_answer_to_another_method_says_which_are_allowed() {
    for (path, methods) in [
        ("/", ["POST", "PUT", "OPTIONS", "get", "G(T"]),
        ("/reset", ["GET", "PUT", "OPTIONS", "post", "é"]),
        ("/forget", ["GET", "PUT", "OPTIONS", "post", "\t"]),
    ] {
        for method in methods {
            assert_answer(&format!("{method} {path}"), &method_not_allowed(path));
        }
    }
    assert_answer("HEAD /reset", &method_not_allowed("/reset").described());
}

#[test]
fn a_request_whose_answer_nobody_sees_is_refused() {
    for (headers, expected) in [
        ("sec-purpose: prefetch", refused(AHEAD)),
        ("sec-purpose: prefetch;prerender", refused(AHEAD)),
        ("purpose: prefetch", refused(AHEAD)),
        ("purpose: Preview", refused(AHEAD)),
        ("x-purpose: preview", refused(AHEAD)),
        ("x-moz: prefetch", refused(AHEAD)),
        ("purpose: other\npurpose: preview", refused(AHEAD)),
        ("sec-fetch-dest: image\nsec-fetch-mode: no-cors", refused(UNSEEN)),
        ("sec-fetch-dest: image\nsec-fetch-mode: cors", refused(UNSEEN)),
        ("sec-fetch-dest: script", refused(UNSEEN)),
        ("sec-fetch-dest: iframe\nsec-fetch-mode: navigate", refused(UNSEEN)),
        ("sec-fetch-dest: empty\nsec-fetch-mode: no-cors", refused(UNSEEN)),
        ("sec-fetch-mode: no-cors", refused(UNSEEN)),
        ("sec-fetch-dest: ", refused(UNSEEN)),
    ] {
        assert_answer(&format!("GET /\ncookie: count=2\n{headers}"), &expected);
        assert_answer(&format!("HEAD /\n{headers}"), &expected.described());
    }
}

#[test]
fn a_request_whose_answer_a_visitor_sees_counts() {
    for headers in [
        "sec-fetch-dest: document\nsec-fetch-mode: navigate",
        "sec-fetch-dest: document\nsec-fetch-mode: navigate\nsec-fetch-site: cross-site",
        "sec-fetch-dest: empty\nsec-fetch-mode: cors\nsec-fetch-site: same-origin",
        // A script on the counter's own page
        "origin: https://example.com\nhost: example.com\nsec-fetch-site: same-origin\nsec-fetch-mode: cors",
        "origin: https://example.com\nhost: example.com",
    ] {
        assert_answer(&format!("GET /\ncookie: count=2\n{headers}"), &visit(3));
    }
}

/// The request of a script on a page of another site.
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
        let expected = visit(3).text("3\n").readable_from(BLOG).set_cookie(&format!("count=3; {attributes}"));
        assert_eq!(answer(LISTED, &fetch("GET /", BLOG, site)), expected, "{site}");
    }
}

#[test]
fn a_visit_through_a_link_on_a_listed_site_counts_in_the_pages_own_cookie() {
    let visit_through_link = "GET /\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate\n\
                              sec-fetch-dest: document\ncookie: count=2";
    assert_answer(visit_through_link, &visit(3));
    let with_origin = format!("{visit_through_link}\norigin: {BLOG}");
    assert_eq!(answer(LISTED, &with_origin).words(), visit(3).readable_from(BLOG));
}

#[test]
fn a_listed_site_may_read_answers_that_are_not_visits() {
    for (request, expected) in [
        ("GET /x", not_found()),
        ("PUT /", method_not_allowed("/")),
        ("POST /reset", refused(NOT_A_BUTTON)),
        ("POST /forget", refused(NOT_A_BUTTON)),
        ("OPTIONS /", method_not_allowed("/")),
        ("OPTIONS /x\naccess-control-request-method: GET", not_found()),
        ("GET /\nsec-purpose: prefetch;prerender", refused(AHEAD)),
        ("HEAD /", visit_headers().text("")),
    ] {
        let answer = answer(LISTED, &fetch(request, BLOG, "cross-site")).words();
        assert_eq!(answer, expected.readable_from(BLOG), "{request}");
    }
}

#[test]
fn a_fetch_from_any_other_site_is_refused() {
    for origin in [
        "https://example.com",
        "http://blog.example.com",
        "https://blog.example.com:8443",
        "https://blog.example.com.evil.example",
        "https://BLOG.example.com",
        "null",
        "",
    ] {
        for site in ["cross-site", "same-site", "none", ""] {
            assert_answer(&fetch("GET /", origin, site), &refused(UNLISTED));
            assert_answer(&fetch("HEAD /", origin, site), &refused(UNLISTED).described());
        }
        assert_answer(&format!("GET /\norigin: {origin}\nhost: visits.example.com"), &refused(UNLISTED));
    }
}

#[test]
fn listed_sites_may_send_a_preflight() {
    let permitted = answer_of(204)
        .header("access-control-allow-methods", "GET")
        .header("access-control-max-age", "7200")
        .readable_from(BLOG);
    for (names, allowed) in
        [("traceparent,x-site", true), (&*"x".repeat(1024), true), (&*"x".repeat(1025), false), ("x-é", false)]
    {
        let preflight =
            format!("OPTIONS /\naccess-control-request-method: GET\naccess-control-request-headers: {names}");
        let mut expected = permitted.clone();
        if allowed {
            expected = expected.header("access-control-allow-headers", names);
        }
        assert_eq!(answer(LISTED, &fetch(&preflight, BLOG, "cross-site")), expected);
        for origin in ["https://example.com", "null"] {
            assert_answer(&fetch(&preflight, origin, "cross-site"), &method_not_allowed("/"));
        }
        assert_eq!(answer("", &fetch(&preflight, BLOG, "cross-site")).words(), method_not_allowed("/"));
    }
}
