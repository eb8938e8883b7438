//! The page in a real browser: headless Chromium opens what `cargo lambda watch` serves.

mod chromium;
mod origin;
mod server_process;
mod watch;

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use axum::http::{Method, StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};
use chromium::Chromium;
use origin::{Exchange, Origin};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use thirtyfour::{SameSite, prelude::*};
use watch::Watch;

/// One for all tests. Each counts in a browser of its own, and the function keeps nothing.
static WATCH: LazyLock<Watch> = LazyLock::new(Watch::start);

const VISIT_AGAIN: &str = "a[href='./']";
const RESET: &str = "form[action=reset] button";

/// The pages that a visitor can meet, by what brings them up.
#[derive(Clone, Copy, Debug)]
enum Page {
    FirstVisit,
    /// With this cookie.
    ReturnVisit(&'static str),
    /// The cookie is no number.
    ReplacedCookie,
    /// A short page that is no visit.
    Notice,
}

impl Page {
    const ALL: [Self; 6] = [
        Self::FirstVisit,
        Self::ReturnVisit("7"),
        // The widest numbers, and the story of the greatest.
        Self::ReturnVisit("18446744073709551614"),
        Self::ReturnVisit("18446744073709551615"),
        Self::ReplacedCookie,
        Self::Notice,
    ];

    async fn open(self, browser: &Chromium) {
        browser.delete_all_cookies().await.unwrap();
        match self {
            Self::FirstVisit | Self::Notice => {}
            Self::ReturnVisit(count) => browser.store_count(&WATCH.url(""), count).await,
            Self::ReplacedCookie => browser.store_count(&WATCH.url(""), "abc").await,
        }
        let path = match self {
            Self::Notice => "nothing/here",
            _ => "",
        };
        browser.goto(WATCH.url(path)).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_first_visit_shows_1_and_a_reload_shows_2() {
    let browser = Chromium::open().await;
    browser.goto(WATCH.url("")).await.unwrap();
    assert_eq!(browser.text("h1").await, "Page Count: 1");
    // To the letter, in one line, as a person who copies it gets it.
    let heading = browser.find(By::Css("h1")).await.unwrap();
    assert_eq!(heading.text().await.unwrap(), "Page Count: 1");
    browser.refresh().await.unwrap();
    assert_eq!(browser.text("h1").await, "Page Count: 2");
    assert_eq!(browser.title().await.unwrap(), "Page Visit Counter");
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn chromium_keeps_the_count_over_twenty_visits() {
    let browser = Chromium::open().await;
    for count in 1..=20 {
        browser.goto(WATCH.url("")).await.unwrap();
        assert_eq!(browser.count().await, count);
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_flow_shows_what_the_cookie_store_held_before_and_holds_now() {
    let browser = Chromium::open().await;
    for visit in 1..=3 {
        let before = browser.stored_count().await;
        browser.goto(WATCH.url("")).await.unwrap();
        let now = browser.stored_count().await.unwrap();
        assert_eq!(now, visit);
        let sent = match before {
            None => "no count cookie".to_owned(),
            Some(before) => format!("Cookie: count={before}"),
        };
        assert_eq!(browser.text("#sent").await, sent);
        assert_eq!(
            browser.text("#answered").await,
            format!("Set-Cookie: count={now}; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000")
        );
        assert_eq!(browser.text("#next").await, format!("Cookie: count={now}"));
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_cookie_store_keeps_what_the_server_asked_for() {
    let browser = Chromium::open().await;
    browser.goto(WATCH.url("")).await.unwrap();
    let cookie = browser.cookie().await.unwrap();
    assert_eq!(cookie.http_only, Some(true));
    assert_eq!(cookie.same_site, Some(SameSite::Lax));
    assert_eq!(cookie.path.as_deref(), Some("/"));
    // Over plain HTTP on a loopback host; the deployment test sees the other.
    assert_eq!(cookie.secure, Some(false));
    let expiry = Duration::from_secs(cookie.expiry.unwrap().try_into().unwrap());
    let expiry = SystemTime::UNIX_EPOCH + expiry;
    let lifetime = expiry.duration_since(SystemTime::now()).unwrap();
    let days = lifetime.as_secs_f64() / 86_400.0;
    assert!((399.99..=400.0).contains(&days), "{days} days");
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn each_story_is_told_when_it_is_true() {
    let browser = Chromium::open().await;
    for (page, story, refuses_cookies) in [
        (
            Page::FirstVisit,
            "Your browser brought no number, so this counts as its first visit.",
            true,
        ),
        (
            Page::ReturnVisit("7"),
            "Your browser brought the number 7 from its last visit. This visit makes it 8.",
            false,
        ),
        (
            Page::ReturnVisit("18446744073709551615"),
            "Your browser brought the number 18446744073709551615 from its last visit. \
             It stays there: the page counts no further.",
            false,
        ),
        (
            Page::ReplacedCookie,
            "Your browser brought a count that this page cannot use, so it starts again at 1.",
            true,
        ),
    ] {
        page.open(&browser).await;
        assert_eq!(browser.text("#story").await, story);
        assert_eq!(
            browser.text("body").await.contains("refuses cookies"),
            refuses_cookies,
            "{page:?}"
        );
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_replaced_cookie_counts_from_then_on() {
    let browser = Chromium::open().await;
    Page::ReplacedCookie.open(&browser).await;
    assert_eq!(
        browser.text("#sent").await,
        "a count cookie that this page cannot use"
    );
    assert_eq!(browser.stored_count().await, Some(1));
    browser.refresh().await.unwrap();
    assert_eq!(browser.count().await, 2);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn visit_again_visits_again_and_reset_starts_again() {
    let browser = Chromium::open().await;
    browser.goto(WATCH.url("")).await.unwrap();
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 2);
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 3);
    browser.click(RESET).await;
    assert_eq!(browser.current_url().await.unwrap().as_str(), WATCH.url(""));
    assert_eq!(browser.count().await, 1);
    assert_eq!(browser.text("#sent").await, "no count cookie");
    assert_eq!(browser.stored_count().await, Some(1));
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn another_site_cannot_reset_the_count() {
    let attack = format!(
        "<!doctype html><form method=post action='{}'><button>Win</button></form>",
        WATCH.url("reset")
    );
    let origin = Origin::start(WATCH.address(), vec![("/attack", attack)]).await;
    let browser = Chromium::open().await;
    browser.goto(WATCH.url("")).await.unwrap();
    browser
        .goto(origin.url_on_another_site("/attack"))
        .await
        .unwrap();
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Nothing happened");
    assert_eq!(browser.stored_count().await, Some(1));
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 2);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn with_cookies_blocked_the_page_stays_at_1_and_says_why() {
    const BLOCK: u8 = 2;
    let browser = Chromium::open_with_preferences(
        json!({ "profile.default_content_setting_values.cookies": BLOCK }),
    )
    .await;
    for _ in 1..=3 {
        browser.goto(WATCH.url("")).await.unwrap();
        assert_eq!(browser.count().await, 1);
        assert_eq!(
            browser.text("#story + p").await,
            "Visit again, and it becomes 2. If it stays at 1, your browser refuses cookies."
        );
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn back_and_forward_never_show_an_old_number() {
    let elsewhere = "<!doctype html><title>new</title>\
        <script>onpageshow = event => event.persisted && (document.title = 'restored')</script>";
    let origin = Origin::start(WATCH.address(), vec![("/elsewhere", elsewhere.to_owned())]).await;
    let browser = Chromium::open().await;
    browser.goto(origin.url("/elsewhere")).await.unwrap();
    browser.goto(origin.url("/")).await.unwrap();
    browser.goto(origin.url("/nothing-here")).await.unwrap();
    browser.goto(origin.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 2);

    let mut last = 2;
    for (go_back, is_the_page) in [
        (true, false),
        (true, true),
        (false, false),
        (false, true),
        (true, false),
        (true, true),
    ] {
        if go_back {
            browser.back().await.unwrap();
        } else {
            browser.forward().await.unwrap();
        }
        if is_the_page {
            let shown = browser.count().await;
            assert_eq!(browser.stored_count().await, Some(shown));
            assert!(shown >= last, "{shown} after {last}");
            last = shown;
        }
    }
    // This browser does keep pages to go back to, where they let it.
    browser.back().await.unwrap();
    assert_eq!(browser.title().await.unwrap(), "restored");
    browser.close().await;
}

/// Loads a page that makes the browser load the counter ahead, and then visits.
async fn assert_loses_and_adds_no_visit(ahead: &str, purpose: &str) {
    let page = format!("<!doctype html><title>Ahead</title>{ahead}<a href='./'>Visit</a>");
    let origin = Origin::start(WATCH.address(), vec![("/ahead", page)]).await;
    let browser = Chromium::open().await;
    browser.goto(origin.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 1);

    browser.goto(origin.url("/ahead")).await.unwrap();
    let speculation = origin
        .recorded(|exchange| exchange.path == "/" && exchange.purpose.is_some())
        .await;
    assert_eq!(
        speculation,
        Exchange {
            method: Method::GET,
            path: "/".to_owned(),
            purpose: Some(purpose.to_owned()),
            status: StatusCode::SERVICE_UNAVAILABLE,
        }
    );
    assert_eq!(browser.stored_count().await, Some(1));

    browser.click("a").await;
    assert_eq!(browser.count().await, 2);
    assert_eq!(browser.stored_count().await, Some(2));
    let visits = origin.record().into_iter();
    let visits = visits.filter(|it| it.path == "/" && it.status == StatusCode::OK);
    assert_eq!(visits.count(), 2);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_page_that_prefetches_the_counter_loses_and_adds_no_visit() {
    assert_loses_and_adds_no_visit(
        r#"<script type="speculationrules">
            {"prefetch": [{"urls": ["./"], "eagerness": "immediate"}]}
        </script>"#,
        "prefetch",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_page_that_prerenders_the_counter_loses_and_adds_no_visit() {
    assert_loses_and_adds_no_visit(
        r#"<script type="speculationrules">
            {"prerender": [{"urls": ["./"], "eagerness": "immediate"}]}
        </script>"#,
        "prefetch;prerender",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_page_that_links_the_counter_to_prefetch_loses_and_adds_no_visit() {
    assert_loses_and_adds_no_visit(r#"<link rel="prefetch" href="./">"#, "prefetch").await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_console_shows_nothing() {
    let browser = Chromium::open().await;
    for page in [
        Page::FirstVisit,
        Page::ReturnVisit("7"),
        Page::ReplacedCookie,
    ] {
        page.open(&browser).await;
        browser.click(VISIT_AGAIN).await;
        browser.click(RESET).await;
    }
    let messages = browser.browser_log().await.unwrap();
    assert!(messages.is_empty(), "{messages:#?}");
    // The policy is at work: it refuses a style that is not the page's, and the console says so.
    browser
        .run("document.body.setAttribute('style', 'color: red')")
        .await;
    let messages = browser.browser_log().await.unwrap();
    assert!(
        matches!(&messages[..], [message] if message.message.contains("Content Security Policy")),
        "{messages:#?}"
    );
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_visit_is_one_request_to_the_own_origin() {
    let origin = Origin::start(
        WATCH.address(),
        vec![("/without-icon", "<!doctype html>".to_owned())],
    )
    .await;
    let browser = Chromium::open().await;
    browser.goto(origin.url("/")).await.unwrap();
    browser.refresh().await.unwrap();
    let mut urls = BTreeSet::new();
    for entry in browser.get_log("performance").await.unwrap() {
        let event: Value = serde_json::from_str(&entry.message).unwrap();
        if event["message"]["method"] == "Network.requestWillBeSent" {
            let url = event["message"]["params"]["request"]["url"]
                .as_str()
                .unwrap();
            urls.insert(url.to_owned());
        }
    }
    urls.retain(|url| !url.starts_with("data:"));
    assert_eq!(urls, BTreeSet::from([origin.url("/")]));

    // This browser does ask for an icon, where a page brings none.
    browser.goto(origin.url("/without-icon")).await.unwrap();
    origin
        .recorded(|exchange| exchange.path == "/favicon.ico")
        .await;
    let paths: Vec<_> = origin.record().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/", "/", "/without-icon", "/favicon.ico"]);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn nothing_scrolls_sideways_from_320_pixels_up() {
    let browser = Chromium::open().await;
    for page in Page::ALL {
        page.open(&browser).await;
        assert_fits(&browser, &format!("{page:?}")).await;
    }
    browser.close().await;
}

async fn assert_fits(browser: &Chromium, page: &str) {
    for width in [320, 375, 600, 895, 896, 1024, 1280, 1920, 2560] {
        browser.resize(width, 800).await;
        let widest = browser
            .run("return document.documentElement.scrollWidth")
            .await;
        assert_eq!(widest, width, "{page} at {width} pixels");
    }
}

/// Where the page shows the number, and what is beside it: the rectangle of each digit, whether they
/// stand on one line, and the rectangles of the visible texts that touch theirs.
const DIGITS: &str = "
    const rectangles = node => {
        const range = document.createRange();
        return Array.from(node.data, (_, at) => {
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            return range.getBoundingClientRect();
        });
    };
    const number = document.querySelector('h1 b').firstChild;
    const digits = rectangles(number);
    const touches = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const box = number.parentElement.getBoundingClientRect();
    const others = [...document.querySelectorAll('h1 small, main p, a, button, h2')];
    return {
        lines: new Set(digits.map(({ top, bottom }) => `${top} ${bottom}`)).size,
        inOrder: digits.every((digit, at) => at == 0 || digits[at - 1].left < digit.left),
        left: Math.min(...digits.map(({ left }) => left)) >= 0,
        right: Math.max(...digits.map(({ right }) => right)) <= document.documentElement.clientWidth,
        touched: others.filter(it => touches(box, it.getBoundingClientRect())).map(it => it.outerHTML),
        height: digits[0].height,
    }";

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_number_stands_on_one_line_beside_nothing_else() {
    let browser = Chromium::open().await;
    for count in [1, 9, 10, 99, 100, 999, 1_234, 99_999, 1_234_567, u64::MAX] {
        browser
            .store_count(&WATCH.url(""), &(count - 1).to_string())
            .await;
        browser.goto(WATCH.url("")).await.unwrap();
        assert_eq!(browser.count().await, count);
        for width in [320, 375, 414, 600, 768, 896, 1024, 1280, 1440, 1920, 2560] {
            browser.resize(width, 800).await;
            let mut found = browser.run(DIGITS).await;
            let height = found["height"].take().as_f64().unwrap();
            assert_eq!(
                found,
                json!({
                    "lines": 1, "inOrder": true, "left": true, "right": true, "touched": [],
                    "height": null,
                }),
                "{count} at {width} pixels"
            );
            // In large type, on a phone too; beyond seven digits at least in that of a heading.
            let least = if count < 10_000_000 { 64.0 } else { 24.0 };
            assert!(
                height >= least,
                "{count} at {width} pixels: {height} pixels high"
            );
        }
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn a_template_opened_as_a_file_looks_like_a_page() {
    let browser = Chromium::open().await;
    for (template, heading) in [
        ("page.html", "Page Count: {{ count }}"),
        ("notice.html", "{{ title }}"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(template);
        browser
            .goto(format!("file://{}", path.display()))
            .await
            .unwrap();
        assert_eq!(browser.text("h1").await, heading);
        let text = browser.text("body").await;
        assert!(
            !text.contains('%'),
            "{template} shows a control tag: {text}"
        );
        // One story of several.
        for id in ["#story", "#sent"] {
            let elements = browser.find_all(By::Css(id)).await.unwrap();
            let mut visible = 0;
            for element in &elements {
                visible += u8::from(element.is_displayed().await.unwrap());
            }
            assert_eq!(visible, u8::from(!elements.is_empty()), "{template} {id}");
        }
        assert_fits(&browser, template).await;
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn the_keyboard_reaches_both_buttons_with_a_visible_focus() {
    let browser = Chromium::open().await;
    Page::ReturnVisit("7").open(&browser).await;
    for label in ["Visit again", "Reset to 1"] {
        press(&browser, Key::Tab).await;
        let focus = browser
            .run(
                "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                 return [document.activeElement.textContent, outlineStyle, outlineWidth]",
            )
            .await;
        assert_eq!(focus, json!([label, "solid", "3px"]));
    }
    press(&browser, Key::Enter).await;
    // The answer to a key press is not waited for as that to a click is.
    browser
        .query(By::XPath("//h1[normalize-space() = 'Page Count: 1']"))
        .first()
        .await
        .unwrap();
    browser.close().await;
}

async fn press(browser: &Chromium, key: Key) {
    let keys = browser.action_chain().send_keys(key);
    keys.perform().await.unwrap();
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn nothing_moves_where_less_motion_is_wished() {
    let browser = Chromium::open().await;
    browser.prefer("prefers-reduced-motion", "reduce").await;
    for page in Page::ALL {
        page.open(&browser).await;
        let moving = browser
            .run(
                "return [...document.querySelectorAll('*')].flatMap(element =>
                    [null, '::before', '::after']
                        .map(pseudo => getComputedStyle(element, pseudo))
                        .filter(style => style.animationName != 'none'
                            || style.transitionDuration != '0s'
                            || style.scrollBehavior != 'auto')
                        .map(() => element.outerHTML))",
            )
            .await;
        assert_eq!(moving, json!([]), "{page:?}");
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn axe_finds_nothing_in_light_and_in_dark() {
    let axe = env::var_os("AXE_CORE").expect("AXE_CORE names axe.min.js: make test sets it");
    let axe = fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    let browser = Chromium::open().await;
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 320)] {
        browser.prefer("prefers-color-scheme", scheme).await;
        browser.resize(width, 800).await;
        for page in Page::ALL {
            let row = format!("{page:?} {scheme} {width}");
            page.open(&browser).await;
            browser.run(&axe).await;
            let found = run_axe(&browser, json!({})).await;
            assert_eq!(found["violations"], json!([]), "{row}");
            // Where a pseudo-element is painted near a text, axe leaves the text's contrast open.
            browser
                .run("document.styleSheets[0].insertRule('::before, ::after { content: none !important }', document.styleSheets[0].cssRules.length)")
                .await;
            let found = run_axe(&browser, json!({ "runOnly": ["color-contrast"] })).await;
            assert_eq!(
                found,
                json!({ "violations": [], "incomplete": [], "passes": ["color-contrast"] }),
                "{row}"
            );
        }
    }
    browser.close().await;
}

/// The rules that the page violates and that axe could not decide, each with the elements and why,
/// and those that it passes.
async fn run_axe(browser: &Chromium, options: Value) -> Value {
    let found = browser
        .execute_async(
            "const [options, done] = arguments;
             const because = rules => rules.flatMap(({ id, nodes }) =>
                 nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
             axe.run(options).then(({ violations, incomplete, passes }) => done({
                 violations: because(violations),
                 incomplete: because(incomplete),
                 passes: passes.map(({ id }) => id),
             }), error => done({ error: String(error) }))",
            vec![options],
        )
        .await
        .unwrap();
    found.json().clone()
}

#[tokio::test]
#[ignore = "needs cargo-lambda and Chromium: make test runs it"]
async fn screenshots_show_both_visits_in_both_schemes() {
    const WIDTH: u32 = 1280;
    // Fonts differ between machines, so that the committed pictures are made when asked for.
    let folder = env::var_os("SCREENSHOTS").unwrap_or_else(|| "target/screenshots".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::create_dir_all(&folder).unwrap();
    let browser = Chromium::open().await;
    for scheme in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", scheme).await;
        for (page, name) in [
            (Page::FirstVisit, "first-visit"),
            (Page::ReturnVisit("2"), "return-visit"),
        ] {
            browser.resize(WIDTH, 800).await;
            page.open(&browser).await;
            let height = browser
                .run("return document.documentElement.scrollHeight")
                .await;
            let height = u32::try_from(height.as_u64().unwrap()).unwrap();
            browser.resize(WIDTH, height).await;
            let picture = browser.devtools("Page.captureScreenshot", json!({})).await;
            let picture = BASE64_STANDARD
                .decode(picture["data"].as_str().unwrap())
                .unwrap();
            fs::write(folder.join(format!("{name}-{scheme}.png")), picture).unwrap();
        }
    }
    browser.close().await;
}
