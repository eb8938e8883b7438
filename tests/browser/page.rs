//! Chromium, Firefox and `WebKit` open the page that `make run` serves, over HTTPS.

use std::{env, fs, path::Path, time::SystemTime};

use axum::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use thirtyfour::{SameSite, prelude::*};

use crate::{
    browsers::{Browser, Engine, Setup},
    server_process::ROOT,
    web::{BLOG, Exchange, NEIGHBOUR, RUNTIME, SHOP, Site, WATCH},
};

const VISIT_AGAIN: &str = "a[href='./']";
const RESET: &str = "[formaction=reset]";
const FORGET: &str = "[formaction=forget]";

/// Defines one test for each claim and engine.
macro_rules! in_every_engine {
    ($($claim:ident),*; but_not_in_webkit: $($other:ident),*) => {
        in_engine!(chromium, Chromium, $($claim,)* $($other),*);
        in_engine!(firefox, Firefox, $($claim,)* $($other),*);
        in_engine!(webkit, WebKit, $($claim),*);
    };
}

macro_rules! in_engine {
    ($module:ident, $engine:ident, $($claim:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $claim() {
                    let site = super::Site::counter();
                    super::RUNTIME.block_on(async {
                        let browser = super::Browser::open(super::Engine::$engine, super::Setup::Usual).await;
                        super::$claim(&browser, &site).await;
                        browser.close().await;
                    });
                }
            )*
        }
    };
}

in_every_engine!(
    each_visit_adds_one_and_shows_the_stored_cookie_before_and_after,
    over_plain_http_it_counts_on_any_host,
    the_second_experiment_is_true,
    visit_again_visits_again_and_reset_starts_again,
    a_deleted_cookie_is_gone_and_the_next_visit_is_the_first,
    another_site_can_neither_reset_nor_forget_the_count,
    with_cookies_blocked_the_page_stays_at_1_and_says_why,
    back_and_forward_never_show_an_old_number,
    a_page_loaded_in_advance_loses_and_adds_no_visit,
    a_visit_is_one_request_and_arrives_compressed,
    the_number_is_on_one_line_and_touches_nothing_else,
    nothing_scrolls_sideways_and_no_word_is_broken,
    the_picture_shows_every_step_and_arrow,
    the_keyboard_reaches_every_control_with_a_visible_focus,
    axe_finds_nothing_in_light_and_in_dark,
    listed_sites_count_separately_from_each_other_and_from_the_page,
    a_page_of_the_same_site_shares_the_count,
    after_back_the_embedded_count_is_a_new_one,
    a_site_that_is_not_listed_gets_no_number_and_does_not_change_the_count;
    // WebKit's driver does not show the console.
    but_not_in_webkit: the_console_stays_empty
);

/// The pages that a visitor can see: the `count` cookie of a visit, and the page's path.
const PAGES: [(Option<&str>, &str); 7] = [
    (None, "/"),
    (Some("7"), "/"),
    // The widest numbers, and the story of the maximum.
    (Some("18446744073709551614"), "/"),
    (Some("18446744073709551615"), "/"),
    (Some("not a count"), "/"),
    (None, "/nothing-here"),
    (None, "/forget"),
];

/// Opens one of the [`PAGES`].
async fn open(browser: &Browser, site: &Site, (cookie, path): (Option<&str>, &str)) {
    // WebDriver sets a cookie only for the page that is open.
    browser.goto(site.url("/nothing-here")).await.unwrap();
    browser.delete_all_cookies().await.unwrap();
    if let Some(cookie) = cookie {
        browser.store_count(cookie).await;
    }
    if path == "/forget" {
        browser.goto(site.url("/")).await.unwrap();
        browser.click(FORGET).await;
    } else {
        browser.goto(site.url(path)).await.unwrap();
    }
    let title = browser.title().await.unwrap();
    assert!(title.ends_with("Page Visit Counter"), "{path}: {title:?}");
}

/// Opens the page's folded details.
const UNFOLD: &str = "document.querySelectorAll('details').forEach(it => it.open = true)";

async fn each_visit_adds_one_and_shows_the_stored_cookie_before_and_after(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    // The exact text, in one line, as a person would copy it.
    let heading = browser.find(By::Css("h1")).await.unwrap();
    assert_eq!(heading.text().await.unwrap(), "Page Count: 1");
    assert_eq!(browser.title().await.unwrap(), "Page Visit Counter");
    assert!(!browser.text("#sent").await.contains('='));
    for visit in 1..=12 {
        if visit > 1 {
            browser.refresh().await.unwrap();
            assert_eq!(browser.text("#sent").await, format!("Cookie: count={}", visit - 1));
        }
        assert_eq!(browser.count().await, visit);
        assert_eq!(browser.stored_count().await, Some(visit));
        let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";
        let answered = format!("Set-Cookie: count={visit}; {attributes}");
        assert_eq!(browser.text("#answered").await, answered);
        assert_eq!(browser.text("#next").await, format!("Cookie: count={visit}"));
    }
    let cookie = browser.cookie().await.unwrap();
    assert_eq!(cookie.http_only, Some(true));
    assert_eq!(cookie.same_site, Some(SameSite::Lax));
    assert_eq!(cookie.path.as_deref(), Some("/"));
    assert_eq!(cookie.secure, Some(true));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let left = cookie.expiry.unwrap().unsigned_abs().abs_diff(now);
    // Browsers round to seconds, up or down.
    assert!(left.abs_diff(34_560_000) < 60, "{left} seconds");
}

async fn over_plain_http_it_counts_on_any_host(browser: &Browser, _: &Site) {
    // Only Chromium is set up to find the last one.
    let hosts = if browser.engine == Engine::Chromium { 3 } else { 2 };
    for host in &["127.0.0.1", "page.localhost", "box"][..hosts] {
        for count in 1..=3 {
            assert_eq!(browser.visit(format!("http://{host}:{}/", WATCH.port)).await, count, "{host}");
        }
        assert_eq!(browser.cookie().await.unwrap().secure, Some(false));
        browser.delete_all_cookies().await.unwrap();
    }
}

async fn the_second_experiment_is_true(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    browser.store_count("41").await;
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 42);
}

async fn visit_again_visits_again_and_reset_starts_again(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 2);
    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 3);
    browser.click(RESET).await;
    assert_eq!(browser.current_url().await.unwrap().as_str(), site.url("/"));
    assert_eq!(browser.count().await, 1);
    assert!(!browser.text("#sent").await.contains('='));
    assert_eq!(browser.stored_count().await, Some(1));
}

async fn a_deleted_cookie_is_gone_and_the_next_visit_is_the_first(browser: &Browser, site: &Site) {
    open(browser, site, (Some("7"), "/")).await;
    browser.click(FORGET).await;
    assert_eq!(browser.stored_count().await, None);
    assert_eq!(
        browser.text("#answered").await,
        "Set-Cookie: count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
    );
    // Firefox asks the visitor before it sends a form again, and its driver answers no.
    if browser.engine != Engine::Firefox {
        browser.refresh().await.unwrap();
        let posted = site.recorded(2, |it| it.path() == "/forget").await;
        assert_eq!(posted.answer.status, StatusCode::OK);
        assert_eq!(browser.stored_count().await, None);
    }

    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 1);
    assert!(!browser.text("#sent").await.contains('='));
    // Back does not show the old page, either: it is a new visit.
    browser.click(FORGET).await;
    browser.back().await.unwrap();
    assert_eq!(browser.count().await, 1);
    assert_eq!(browser.stored_count().await, Some(1));
}

async fn another_site_can_neither_reset_nor_forget_the_count(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    for (count, path) in [(2, "/reset"), (3, "/forget")] {
        let form = format!("<!doctype html><form method=post action='{}'><button>Win</button></form>", site.url(path));
        let attack = Site("attack.example.net".to_owned()).serve(&format!("{path}-{}", site.0), &form);
        browser.goto(attack).await.unwrap();
        browser.click("button").await;
        let refused = site.recorded(1, |it| it.path() == path).await;
        assert_eq!(refused.answer.status, StatusCode::FORBIDDEN);
        browser.click(VISIT_AGAIN).await;
        assert_eq!(browser.count().await, count);
    }
}

/// Puts the snippet from docs/embed.md into a page on this host, and returns the page's address.
fn embed(host: &str, counter: &Site) -> String {
    let documentation = include_str!("../../docs/embed.md");
    let (_, rest) = documentation.split_once("```html\n").unwrap();
    let (snippet, _) = rest.split_once("```").unwrap();
    let snippet = snippet.replace("PAGE_URL", &counter.url("/"));
    let page = format!(
        "<!doctype html><title>A page</title><script>
         onunhandledrejection = () => document.title = 'uncaught'
         onpageshow = event => event.persisted && (document.title = 'restored')
         const leave = new URLSearchParams(location.search).get('leave')
         const [{{ type }}] = performance.getEntriesByType('navigation')
         const leaving = leave && type == 'navigate' && setInterval(() => {{
             if (document.readyState != 'complete' || document.querySelector('#visits output').value == '') return
             clearInterval(leaving)
             location = leave
         }}, 100)</script>
         {snippet}<img src='{0}'><iframe src='{0}'></iframe>",
        counter.url("/")
    );
    Site(host.to_owned()).serve(&format!("/of-{}", counter.0), &page)
}

/// Opens a page that embeds the count, and returns the number that a visitor sees.
async fn embedded_count(browser: &Browser, page: &str) -> u64 {
    browser.goto(page).await.unwrap();
    let text = browser.text_once("#visits output", |text| !text.is_empty()).await;
    text.parse().expect(&text)
}

async fn listed_sites_count_separately_from_each_other_and_from_the_page(browser: &Browser, counter: &Site) {
    let (blog, shop) = (embed(BLOG, counter), embed(SHOP, counter));
    assert_eq!(browser.visit(counter.url("/")).await, 1);
    // `WebKit` for GTK does not support the attribute `Partitioned`, and keeps no cookie here.
    let is_kept = browser.engine != Engine::WebKit;
    let keeps = |count| if is_kept { count } else { 1 };
    for count in 1..=3 {
        assert_eq!(embedded_count(browser, &blog).await, keeps(count));
    }
    assert_eq!(embedded_count(browser, &shop).await, 1);
    assert_eq!(embedded_count(browser, &blog).await, keeps(4));
    assert_eq!(browser.visit(counter.url("/")).await, 2);
}

async fn a_page_of_the_same_site_shares_the_count(browser: &Browser, counter: &Site) {
    let page = embed(NEIGHBOUR, counter);
    assert_eq!(browser.visit(counter.url("/")).await, 1);
    assert_eq!(embedded_count(browser, &page).await, 2);
    assert_eq!(embedded_count(browser, &page).await, 3);
    assert_eq!(browser.visit(counter.url("/")).await, 4);
}

async fn after_back_the_embedded_count_is_a_new_one(browser: &Browser, counter: &Site) {
    let page = embed(NEIGHBOUR, counter);
    let elsewhere = Site(NEIGHBOUR.to_owned()).serve("/elsewhere", "<!doctype html><h1>Elsewhere</h1>");
    let is_counted = |it: &Exchange| it.answer.status == StatusCode::OK && it.request.headers.contains_key("origin");
    // On a busy machine, Chromium does not always keep the page, and loads it again.
    for count in [2, 4, 6, 8, 10] {
        // The page leaves by itself. Firefox would not keep a page in which its driver has just run a script.
        browser.goto(format!("{page}?leave={elsewhere}")).await.unwrap();
        browser.text_once("h1", |text| text == "Elsewhere").await;
        browser.run("history.back()").await;
        counter.recorded(count, is_counted).await;
        browser.text_once("#visits output", |text| text == count.to_string()).await;
        if browser.title().await.unwrap() == "restored" {
            return;
        }
    }
    panic!("the page was loaded again each time");
}

async fn a_site_that_is_not_listed_gets_no_number_and_does_not_change_the_count(browser: &Browser, counter: &Site) {
    let page = embed("stranger.example.net", counter);
    assert_eq!(browser.visit(counter.url("/")).await, 1);
    browser.goto(page).await.unwrap();
    // The script, the image and the frame are refused.
    counter.recorded(3, |it| it.answer.status == StatusCode::FORBIDDEN).await;
    let asked_again = "const [url, done] = arguments; fetch(url).catch(() => done())";
    browser.execute_async(asked_again, vec![json!(counter.url("/"))]).await.unwrap();
    assert!(!browser.find(By::Css("#visits")).await.unwrap().is_displayed().await.unwrap());
    assert_eq!(browser.title().await.unwrap(), "A page");
    assert_eq!(browser.visit(counter.url("/")).await, 2);
}

async fn with_cookies_blocked_the_page_stays_at_1_and_says_why(usual: &Browser, site: &Site) {
    let browser = Browser::open(usual.engine, Setup::NoCookies).await;
    for _ in 1..=3 {
        assert_eq!(browser.visit(site.url("/")).await, 1);
        assert_ne!(browser.text("#story + p").await, "");
    }
    browser.close().await;
}

/// With `no-cache` instead of `no-store`, each of the three shows an old number here.
async fn back_and_forward_never_show_an_old_number(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    browser.goto(site.url("/nothing-here")).await.unwrap();
    assert_eq!(browser.visit(site.url("/")).await, 2);

    for count in [3, 4, 5] {
        // Two steps, because the page "not found" is between the two visits.
        for _ in 1..=2 {
            if count == 4 {
                browser.forward().await.unwrap();
            } else {
                browser.back().await.unwrap();
            }
        }
        assert_eq!(browser.count().await, count);
        assert_eq!(browser.stored_count().await, Some(count));
    }
}

async fn a_page_loaded_in_advance_loses_and_adds_no_visit(browser: &Browser, _: &Site) {
    let by_script = |action| {
        format!(
            r#"<script type=speculationrules>{{"{action}": [{{"urls": ["./"], "eagerness": "immediate"}}]}}</script>"#
        )
    };
    let is_chromium = browser.engine == Engine::Chromium;
    for (ahead, purpose, is_known) in [
        ("<link rel=prefetch href='./'>".to_owned(), "prefetch", browser.engine != Engine::WebKit),
        (by_script("prefetch"), "prefetch", is_chromium),
        (by_script("prerender"), "prefetch;prerender", is_chromium),
    ] {
        let site = Site::counter();
        let page = site.serve("/ahead", &format!("<!doctype html><title>Ahead</title>{ahead}<a href='./'>Visit</a>"));
        assert_eq!(browser.visit(site.url("/")).await, 1);
        browser.goto(page).await.unwrap();
        if is_known {
            let ahead = site.recorded(1, Exchange::is_ahead).await;
            assert_eq!(ahead.path(), "/");
            assert_eq!(ahead.request.headers["sec-purpose"], purpose);
            // After a failure, the browser loads the page again when the visitor opens it.
            assert_eq!(ahead.answer.status, StatusCode::FORBIDDEN);
        }
        assert_eq!(browser.stored_count().await, Some(1));
        browser.click("a").await;
        assert_eq!(browser.count().await, 2);
        assert_eq!(browser.stored_count().await, Some(2));
        let record = site.record().into_iter().filter(|it| it.path() == "/");
        let (ahead, visits): (Vec<_>, Vec<_>) = record.partition(Exchange::is_ahead);
        assert_eq!(ahead.is_empty(), !is_known, "{ahead:?}");
        assert_eq!(visits.len(), 2);
    }
}

async fn the_console_stays_empty(browser: &Browser, site: &Site) {
    for cookie in [None, Some("7"), Some("not a count")] {
        open(browser, site, (cookie, "/")).await;
        // Discard the message about the missing page, from which the cookie was set.
        browser.console().await;
        browser.click(VISIT_AGAIN).await;
        browser.click(RESET).await;
        browser.click(FORGET).await;
        assert_eq!(browser.console().await, Vec::<String>::new());
    }
    // The policy works: it blocks a style that is not the page's own, and the console says so.
    browser.run("document.body.setAttribute('style', 'color: red')").await;
    let messages = browser.console().await;
    assert!(
        matches!(&messages[..], [message] if message.contains("Content Security Policy")
            || message.contains("Content-Security-Policy")),
        "{messages:#?}"
    );
}

async fn a_visit_is_one_request_and_arrives_compressed(browser: &Browser, site: &Site) {
    browser.goto(site.url("/")).await.unwrap();
    browser.refresh().await.unwrap();
    // The test proves something only if the browser asks for the icon of a page that includes none.
    browser.goto(site.serve("/without-icon", "<!doctype html>")).await.unwrap();
    if browser.engine != Engine::WebKit {
        site.recorded(1, |it| it.path() == "/favicon.ico").await;
    }
    let record = site.record();
    assert_eq!([&record[0], &record[1], &record[2]].map(Exchange::path), ["/", "/", "/without-icon"]);
    assert!(record[..2].iter().all(|it| it.answer.headers["content-encoding"] == "gzip"), "{record:?}");
}

/// How the page shows the number: whether its digits are on one line and in the window, which visible elements
/// touch it, where else on the page a number is broken across lines, and whether the cookie in `Set-Cookie` starts a
/// line although the line before has room for it.
const DIGITS: &str = "
    const number = document.querySelector('h1 b');
    const range = document.createRange();
    range.selectNodeContents(number);
    const digits = range.getClientRects();
    const [{ left, right, height }] = digits;
    const box = number.getBoundingClientRect();
    const touches = it => {
        const other = it.getBoundingClientRect();
        return box.left < other.right && other.left < box.right
            && box.top < other.bottom && other.top < box.bottom;
    };
    const others = [...document.querySelectorAll('h1 small, main p, a, button, h2')];
    const numbers = [...document.querySelectorAll('#sum b, code b')];
    const [header, cookie] = document.querySelector('#answered').childNodes;
    range.selectNodeContents(header);
    const name = range.getBoundingClientRect(), pair = cookie.getBoundingClientRect();
    const room = cookie.parentNode.getBoundingClientRect().width - 16;
    return {
        lines: digits.length,
        inWindow: left >= 0 && right <= document.documentElement.clientWidth,
        touched: others.filter(touches).map(it => it.outerHTML),
        broken: numbers.filter(it => it.getClientRects().length > 1).map(it => it.outerHTML),
        apart: pair.top > name.bottom && name.width + pair.width + 10 < room,
        height,
    }";

async fn the_number_is_on_one_line_and_touches_nothing_else(browser: &Browser, site: &Site) {
    for count in [1, 99, 999, 1_234, 99_999, 1_234_567, u64::MAX] {
        browser.goto(site.url("/nothing-here")).await.unwrap();
        browser.store_count(&(count - 1).to_string()).await;
        assert_eq!(browser.visit(site.url("/")).await, count);
        browser.run(UNFOLD).await;
        for width in [320, 414, 600, 768, 896, 1024, 1280, 2560] {
            browser.resize(width, 800).await;
            let mut found = browser.run(DIGITS).await;
            let height = found["height"].take().as_f64().unwrap();
            let good =
                json!({ "lines": 1, "inWindow": true, "touched": [], "broken": [], "apart": false, "height": null });
            assert_eq!(found, good, "{count} at {width} pixels");
            // Large type, even on a phone. More than seven digits need at least the size of a heading.
            let least = if count < 10_000_000 { 60.0 } else { 20.0 };
            assert!(height >= least, "{count} at {width} pixels: {height} pixels high");
        }
    }
}

/// Returns how far the page scrolls sideways, and the words of prose that are broken across lines.
const OVERFLOW: &str = r"
    const { scrollWidth, clientWidth } = document.documentElement;
    const broken = [], range = document.createRange();
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { parentNode, data } = texts.currentNode;
        for (const { index, 0: word } of parentNode.closest('code') ? [] : data.matchAll(/\p{L}+/gu)) {
            range.setStart(texts.currentNode, index);
            range.setEnd(texts.currentNode, index + word.length);
            if (new Set([...range.getClientRects()].map(it => it.top)).size > 1) broken.push(word);
        }
    }
    return [scrollWidth - clientWidth, broken]";

async fn nothing_scrolls_sideways_and_no_word_is_broken(browser: &Browser, site: &Site) {
    for page in PAGES {
        open(browser, site, page).await;
        browser.run(UNFOLD).await;
        // WebKit's window cannot be narrower.
        let narrowest = if browser.engine == Engine::WebKit { 290 } else { 280 };
        for width in [narrowest, 320, 600, 895, 896, 1280, 2560] {
            browser.resize(width, 800).await;
            assert_eq!(browser.run(OVERFLOW).await, json!([0, []]), "{page:?} at {width} pixels");
        }
        browser.run("document.documentElement.style.fontSize = '200%'").await;
        browser.resize(375, 800).await;
        assert_eq!(browser.run(OVERFLOW).await, json!([0, []]), "{page:?} with text at 200 %");
    }
}

/// How the picture looks: its steps' left and top edges, whether they are visible, how large the arrow from the request
/// is and whether it has a colour, and whether the page is dark.
const PICTURE: &str = "
    const steps = ['request', 'count', 'answer', 'next'].map(it => document.querySelector(`.${it} > div`));
    const boxes = steps.map(it => it.getBoundingClientRect());
    const { content, backgroundColor, width, height } = getComputedStyle(document.querySelector('.request > p'), '::before');
    const [red] = getComputedStyle(document.body).backgroundColor.match(/\\d+/);
    return {
        left: boxes.map(it => boxes[0].left < it.left),
        top: boxes.map(it => boxes[0].top < it.top),
        visible: steps.map(it => it.checkVisibility() && it.textContent.trim().length > 20),
        arrow: content == '\"\"' && backgroundColor == 'rgb(217, 105, 10)' && Math.max(parseFloat(width), parseFloat(height)) > 40,
        dark: red < 50,
    }";

async fn the_picture_shows_every_step_and_arrow(usual: &Browser, site: &Site) {
    // As in browsers without subgrid.
    let without_subgrid = "const [style] = document.styleSheets;
        style.deleteRule([...style.cssRules].findIndex(it => it instanceof CSSSupportsRule))";
    let right_to_left = "document.documentElement.dir = 'rtl'";
    for (setup, width, script, is_wide) in [
        (Setup::Usual, 1280, "", true),
        (Setup::Dark, 1280, "", true),
        (Setup::Usual, 1280, right_to_left, true),
        (Setup::Usual, 1280, without_subgrid, false),
        (Setup::Usual, 375, "", false),
    ] {
        let browser = Browser::open(usual.engine, setup).await;
        browser.resize(width, 800).await;
        open(&browser, site, (Some("11"), "/")).await;
        browser.run(script).await;
        let (left, top) = if is_wide { ([0, 1, 1, 0], [0, 0, 1, 1]) } else { ([0; 4], [0, 1, 1, 1]) };
        let [left, top] = [left, top].map(|it| it.map(|it| it == 1));
        let good = json!({
            "left": left, "top": top, "visible": [true, true, true, true], "arrow": true, "dark": setup == Setup::Dark,
        });
        assert_eq!(browser.run(PICTURE).await, good, "{setup:?}, {width} pixels, {script}");
        if setup == Setup::Usual && browser.engine == Engine::Chromium && script.is_empty() {
            on_paper_and_in_forced_colours(&browser).await;
        }
        browser.close().await;
    }
}

/// Only Chromium's driver can show these.
async fn on_paper_and_in_forced_colours(browser: &Browser) {
    let show = async |media: Value| browser.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    show(json!({ "features": [{ "name": "forced-colors", "value": "active" }] })).await;
    let dashes_and_border = "const dashes = getComputedStyle(document.querySelector('.request > div'), '::after');
        const { borderTopWidth } = getComputedStyle(document.querySelector('.quiet'));
        return [innerWidth < 896 || dashes.backgroundImage.includes('repeating'), borderTopWidth]";
    assert_eq!(browser.run(dashes_and_border).await, json!([true, "0px"]));
    show(json!({ "media": "", "features": [] })).await;

    let pdf = browser.cdp().send_raw("Page.printToPDF", json!({})).await.unwrap();
    let pdf = BASE64_STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count(), 1, "more than one page");
    show(json!({ "media": "print" })).await;
    assert_eq!(browser.run("return document.querySelector('form').checkVisibility()").await, false);
    show(json!({ "media": "" })).await;
}

async fn the_keyboard_reaches_every_control_with_a_visible_focus(browser: &Browser, site: &Site) {
    // Without a window manager, WebKit's window has the focus only if the pointer is in it. The pointer is in the
    // middle of the screen, so the window must be large.
    browser.resize(1440, 900).await;
    open(browser, site, (Some("7"), "/")).await;
    let focus = "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                 const { localName } = document.activeElement;
                 return [document.activeElement.getAttribute('formaction') ?? localName, outlineStyle, outlineWidth]";
    for element in ["a", "reset", "forget", "summary"] {
        press(browser, Key::Tab).await;
        assert_eq!(browser.run(focus).await, json!([element, "solid", "3px"]));
    }
    press(browser, Key::Enter).await;
    browser.text_once("details", |text| text.contains("HttpOnly")).await;
    browser.run("document.querySelector('button').focus()").await;
    press(browser, Key::Enter).await;
    browser.text_once("h1", |text| text == "Page Count: 1").await;
}

async fn press(browser: &Browser, key: Key) {
    browser.action_chain().send_keys(key).perform().await.unwrap();
}

async fn axe_finds_nothing_in_light_and_in_dark(usual: &Browser, site: &Site) {
    let axe = env::var_os("AXE_CORE").expect("AXE_CORE names axe.min.js: make test sets it");
    let axe = fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    for (setup, width) in [(Setup::Usual, 1280), (Setup::Dark, 1280), (Setup::Usual, 320)] {
        let browser = Browser::open(usual.engine, setup).await;
        browser.resize(width, 800).await;
        for page in PAGES {
            let row = format!("{page:?}, {setup:?}, {width} pixels");
            open(&browser, site, page).await;
            browser.run(UNFOLD).await;
            let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
            assert_eq!(browser.run(is_dark).await, setup == Setup::Dark, "{row}");
            // axe does not decide the contrast of a text near a pseudo-element.
            let unpaint = "const [style] = document.styleSheets;
                style.insertRule('::before, ::after { content: none !important }', style.cssRules.length)";
            browser.run(unpaint).await;
            browser.run(&axe).await;
            let found = browser.execute_async(RUN_AXE, Vec::new()).await.unwrap();
            assert_eq!(found.json(), &json!([[], [], true]), "{row}");
        }
        browser.close().await;
    }
}

/// Returns the rules that the page violates and those that axe could not decide, each with elements and reasons,
/// and whether axe checked the contrast.
const RUN_AXE: &str = "
    const [done] = arguments;
    const because = rules => rules.flatMap(({ id, nodes }) => nodes.map(it => [id, it.html, it.failureSummary]));
    axe.run().then(({ violations, incomplete, passes }) => {
        done([because(violations), because(incomplete), passes.some(({ id }) => id == 'color-contrast')]);
    }, error => done(String(error)))";

/// Takes the README's pictures: the numbered frames of the moving one, and the still one.
#[test]
#[ignore = "takes pictures: make screenshots"]
fn pictures() {
    let site = Site::counter();
    RUNTIME.block_on(async {
        for (setup, theme) in [(Setup::Usual, "light"), (Setup::Dark, "dark")] {
            let browser = Browser::open(Engine::Chromium, setup).await;
            let picture = async |name: &str| {
                let file = Path::new(ROOT).join(format!("target/pictures/{theme}-{name}.png"));
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                browser.screenshot(&file).await.unwrap();
            };
            browser.resize(1000, 880).await;
            browser.goto(site.url("/")).await.unwrap();
            picture("0").await;
            for (number, button) in [(1, VISIT_AGAIN), (2, VISIT_AGAIN), (3, RESET)] {
                let outline = format!("document.querySelector(\"{button}\").style.outline = '6px solid #e8842c'");
                browser.run(&outline).await;
                picture(&format!("{number}-pressed")).await;
                browser.click(button).await;
                picture(&format!("{number}-then")).await;
            }
            browser.resize(1280, 980).await;
            open(&browser, &site, (Some("11"), "/")).await;
            picture("twelfth-visit").await;
            browser.close().await;
        }
    });
}
