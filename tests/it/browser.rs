//! The page in real browsers, over https: Chromium, Firefox and `WebKit` open what `make run` serves.

use std::{
    env, fs,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use axum::http::{Method, StatusCode};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use thirtyfour::{SameSite, prelude::*};

use crate::support::{
    browsers::{Browser, Engine, RUNTIME, Wishes},
    watch::Watch,
    web::{Exchange, Site, Web},
};

/// One for all tests. Each counts at a site of its own, and the function keeps nothing.
static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    let origins = format!("https://{BLOG} https://{SHOP} https://{NEIGHBOUR}");
    Watch::start(&[&format!("COUNT_EMBED_ORIGINS={origins}")])
});

/// Sites that may show the count: two others, and one that is of the same site as the counters.
const BLOG: &str = "blog.example.net";
const SHOP: &str = "shop.example.org";
const NEIGHBOUR: &str = "www.example.com";
/// A site that may not.
const STRANGER: &str = "stranger.example.net";

static WEB: LazyLock<Arc<Web>> = LazyLock::new(|| Web::start(WATCH.address(), &RUNTIME));

const VISIT_AGAIN: &str = "a[href='./']";
const RESET: &str = "form[action=reset] button";
const FORGET: &str = "form[action=forget] button";

/// Makes tests of claims, each for each engine.
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
                #[ignore = "needs cargo-lambda and the browsers: make test runs it"]
                fn $claim() {
                    super::RUNTIME.block_on(super::$claim(super::Engine::$engine));
                }
            )*
        }
    };
}

in_every_engine!(
    each_visit_is_one_more_and_shows_what_the_cookie_store_held_before_and_holds_now,
    the_cookie_store_keeps_what_the_server_asked_for,
    on_the_own_machine_it_counts_without_https,
    a_replaced_cookie_counts_from_then_on,
    visit_again_visits_again_and_reset_starts_again,
    a_deleted_cookie_is_gone_and_the_next_visit_is_the_first,
    another_site_can_neither_reset_nor_forget_the_count,
    with_cookies_blocked_the_page_stays_at_1_and_says_why,
    back_and_forward_never_show_an_old_number,
    a_link_to_prefetch_the_counter_loses_and_adds_no_visit,
    a_prefetch_or_prerender_by_script_loses_and_adds_no_visit,
    a_visit_is_one_request_and_arrives_compressed,
    the_number_is_on_one_line_and_touches_nothing_else,
    nothing_scrolls_sideways_from_320_pixels_up,
    the_keyboard_reaches_all_that_can_be_pressed_with_a_visible_focus,
    axe_finds_nothing_in_light_and_in_dark,
    other_sites_that_are_listed_count_apart_from_each_other_and_from_the_page,
    a_page_of_the_same_site_shares_the_count,
    a_site_that_is_not_listed_gets_no_number_and_leaves_the_count_alone;
    // Its driver keeps the console to itself.
    but_not_in_webkit: the_console_stays_empty
);

/// The pages that a visitor can meet, by what brings them up.
#[derive(Clone, Copy, Debug)]
enum Page {
    /// A visit with this `count` cookie.
    Visit(Option<&'static str>),
    NotFound,
    Forgotten,
}

impl Page {
    const ALL: [Self; 7] = [
        Self::Visit(None),
        Self::Visit(Some("7")),
        // The widest numbers, and the story of the greatest.
        Self::Visit(Some("18446744073709551614")),
        Self::Visit(Some("18446744073709551615")),
        Self::Visit(Some("not a count")),
        Self::NotFound,
        Self::Forgotten,
    ];

    async fn open(self, browser: &Browser, site: &Site) {
        // A cookie can be set from a page of its site only.
        browser.goto(site.url("/nothing-here")).await.unwrap();
        browser.delete_all_cookies().await.unwrap();
        if let Self::Visit(Some(cookie)) = self {
            browser.store_count(cookie).await;
        }
        if !matches!(self, Self::NotFound) {
            browser.goto(site.url("/")).await.unwrap();
        }
        if matches!(self, Self::Forgotten) {
            browser.click(FORGET).await;
        }
        let title = browser.title().await.unwrap();
        assert!(title.ends_with("Page Visit Counter"), "{self:?}: {title:?}");
    }

    /// With what is folded away, too.
    async fn open_all(self, browser: &Browser, site: &Site) {
        self.open(browser, site).await;
        browser
            .run("document.querySelectorAll('details').forEach(it => it.open = true)")
            .await;
    }
}

/// A browser like a new user's, and a counter that nobody has visited.
async fn visitor(engine: Engine) -> (Browser, Site) {
    visitor_who_wishes(engine, Wishes::default()).await
}

async fn visitor_who_wishes(engine: Engine, wishes: Wishes) -> (Browser, Site) {
    (
        Browser::open(engine, wishes, WEB.proxy).await,
        WEB.counter(),
    )
}

async fn each_visit_is_one_more_and_shows_what_the_cookie_store_held_before_and_holds_now(
    engine: Engine,
) {
    let (browser, site) = visitor(engine).await;
    browser.goto(site.url("/")).await.unwrap();
    // To the letter, in one line, as a person who copies it gets it.
    let heading = browser.find(By::Css("h1")).await.unwrap();
    assert_eq!(heading.text().await.unwrap(), "Page Count: 1");
    assert_eq!(browser.title().await.unwrap(), "Page Visit Counter");
    assert!(!browser.text("#sent").await.contains('='));
    for visit in 1..=12 {
        if visit > 1 {
            let before = browser.stored_count().await.unwrap();
            browser.refresh().await.unwrap();
            assert_eq!(
                browser.text("#sent").await,
                format!("Cookie: count={before}")
            );
        }
        assert_eq!(browser.count().await, visit);
        assert_eq!(browser.stored_count().await, Some(visit));
        assert_eq!(
            browser.text("#answered").await,
            format!(
                "Set-Cookie: count={visit}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
            )
        );
        assert_eq!(
            browser.text("#next").await,
            format!("Cookie: count={visit}")
        );
    }
}

async fn the_cookie_store_keeps_what_the_server_asked_for(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    browser.goto(site.url("/")).await.unwrap();
    let cookie = browser.cookie().await.unwrap();
    assert_eq!(cookie.http_only, Some(true));
    assert_eq!(cookie.same_site, Some(SameSite::Lax));
    assert_eq!(cookie.path.as_deref(), Some("/"));
    assert_eq!(cookie.secure, Some(true));
    let expiry = Duration::from_secs(cookie.expiry.unwrap().try_into().unwrap());
    let expiry = SystemTime::UNIX_EPOCH + expiry;
    let lifetime = expiry.duration_since(SystemTime::now()).unwrap();
    // Browsers round to seconds, up or down.
    let days_400 = Duration::from_secs(400 * 86_400);
    assert!(
        lifetime.abs_diff(days_400) < Duration::from_secs(60),
        "{lifetime:?}"
    );
}

async fn on_the_own_machine_it_counts_without_https(engine: Engine) {
    let (browser, _) = visitor(engine).await;
    for count in 1..=3 {
        browser.goto(WATCH.url("")).await.unwrap();
        assert_eq!(browser.count().await, count);
    }
    // With it, Safari would not keep the cookie.
    assert_eq!(browser.cookie().await.unwrap().secure, Some(false));
    browser.delete_all_cookies().await.unwrap();
}

async fn a_replaced_cookie_counts_from_then_on(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    Page::Visit(Some("not a count")).open(&browser, &site).await;
    assert!(!browser.text("#sent").await.contains('='));
    assert_eq!(browser.stored_count().await, Some(1));
    browser.refresh().await.unwrap();
    assert_eq!(browser.count().await, 2);
}

async fn visit_again_visits_again_and_reset_starts_again(engine: Engine) {
    let (browser, site) = visitor(engine).await;
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

async fn a_deleted_cookie_is_gone_and_the_next_visit_is_the_first(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    Page::Visit(Some("7")).open(&browser, &site).await;
    browser.click(FORGET).await;
    assert_eq!(browser.stored_count().await, None);
    assert_eq!(
        browser.text("#answered").await,
        "Set-Cookie: count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
    );
    // It sends the form again.
    browser.refresh().await.unwrap();
    let posted = |it: &Exchange| it.method == Method::POST;
    assert_eq!(site.recorded(2, posted).await.status, StatusCode::OK);
    assert_eq!(browser.stored_count().await, None);

    browser.click(VISIT_AGAIN).await;
    assert_eq!(browser.count().await, 1);
    assert!(!browser.text("#sent").await.contains('='));
    // Nor does the page come back that showed 8: back to it is a visit.
    browser.click(FORGET).await;
    browser.back().await.unwrap();
    assert_eq!(browser.count().await, 1);
    assert_eq!(browser.stored_count().await, Some(1));
}

async fn another_site_can_neither_reset_nor_forget_the_count(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    browser.goto(site.url("/")).await.unwrap();
    for (count, path) in [(2, "/reset"), (3, "/forget")] {
        let attack = format!(
            "<!doctype html><form method=post action='{}'><button>Win</button></form>",
            site.url(path)
        );
        let attack = WEB
            .site("attack.example.net")
            .serve(&format!("{path}-{}", site.host), &attack);
        browser.goto(attack).await.unwrap();
        browser.click("button").await;
        let refused = site.recorded(1, |it| it.path == path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        browser.click(VISIT_AGAIN).await;
        assert_eq!(browser.count().await, count);
    }
}

/// A visitor whose browser blocks third-party cookies.
async fn visitor_of_sites(engine: Engine) -> (Browser, Site) {
    let wishes = Wishes {
        no_third_party_cookies: true,
        ..Wishes::default()
    };
    visitor_who_wishes(engine, wishes).await
}

/// Puts the snippet of docs/embed.md into a page of this host, and gives the page's address.
fn embed(host: &str, counter: &Site) -> String {
    let documentation = include_str!("../../docs/embed.md");
    let (_, rest) = documentation.split_once("```html\n").unwrap();
    let (snippet, _) = rest.split_once("```").unwrap();
    let snippet = snippet.replace("PAGE_URL", &counter.url("/"));
    let page = format!(
        "<!doctype html><title>A page</title><p>{snippet}</p><img src='{0}'><iframe src='{0}'></iframe>",
        counter.url("/")
    );
    WEB.site(host)
        .serve(&format!("/of-{}", counter.host), &page)
}

/// Opens a page that embeds the count, and gives the number that a visitor reads.
async fn embedded_count(browser: &Browser, page: &str) -> u64 {
    browser.goto(page).await.unwrap();
    let text = browser.text_once("#visits", |text| text != "…").await;
    text.parse().expect(&text)
}

async fn other_sites_that_are_listed_count_apart_from_each_other_and_from_the_page(engine: Engine) {
    let (browser, counter) = visitor_of_sites(engine).await;
    let (blog, shop) = (embed(BLOG, &counter), embed(SHOP, &counter));
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 1);
    // `WebKit` for GTK does not know the attribute `Partitioned`, and keeps no cookie here.
    let keeps = |count| if engine == Engine::WebKit { 1 } else { count };
    for count in 1..=3 {
        assert_eq!(embedded_count(&browser, &blog).await, keeps(count));
    }
    assert_eq!(embedded_count(&browser, &shop).await, 1);
    assert_eq!(embedded_count(&browser, &blog).await, keeps(4));
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 2);
}

async fn a_page_of_the_same_site_shares_the_count(engine: Engine) {
    let (browser, counter) = visitor_of_sites(engine).await;
    let page = embed(NEIGHBOUR, &counter);
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 1);
    assert_eq!(embedded_count(&browser, &page).await, 2);
    assert_eq!(embedded_count(&browser, &page).await, 3);
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 4);
}

async fn a_site_that_is_not_listed_gets_no_number_and_leaves_the_count_alone(engine: Engine) {
    let (browser, counter) = visitor_of_sites(engine).await;
    let page = embed(STRANGER, &counter);
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 1);
    browser.goto(page).await.unwrap();
    // The script, the image and the frame.
    let refused = counter.recorded(3, |it| it.status == StatusCode::FORBIDDEN);
    refused.await;
    assert_eq!(browser.text("#visits").await, "…");
    browser.goto(counter.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 2);
}

async fn with_cookies_blocked_the_page_stays_at_1_and_says_why(engine: Engine) {
    let wishes = Wishes {
        no_cookies: true,
        ..Wishes::default()
    };
    let (browser, site) = visitor_who_wishes(engine, wishes).await;
    for _ in 1..=3 {
        browser.goto(site.url("/")).await.unwrap();
        assert_eq!(browser.count().await, 1);
        assert_ne!(browser.text("#story + p").await, "");
    }
}

async fn back_and_forward_never_show_an_old_number(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    let elsewhere = site.serve(
        "/elsewhere",
        "<!doctype html><title>new</title>
         <script>onpageshow = event => event.persisted && (document.title = 'restored')</script>",
    );
    browser.goto(elsewhere).await.unwrap();
    browser.goto(site.url("/")).await.unwrap();
    browser.goto(site.url("/nothing-here")).await.unwrap();
    browser.goto(site.url("/")).await.unwrap();
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
            assert!(shown > last, "{shown} after {last}");
            last = shown;
        }
    }
    // This browser does keep pages to go back to, where they let it.
    if engine != Engine::WebKit {
        // Its driver does not find a page again that did not have to load.
        browser.back().await.unwrap();
        assert_eq!(browser.title().await.unwrap(), "restored");
    }
}

/// Loads a page that makes the browser load the counter ahead, if it does such a thing, and then
/// visits.
async fn assert_loses_and_adds_no_visit(engine: Engine, ahead: &str, purpose: Option<&str>) {
    let (browser, site) = visitor(engine).await;
    let page = format!("<!doctype html><title>Ahead</title>{ahead}<a href='./'>Visit</a>");
    let page = site.serve("/ahead", &page);
    browser.goto(site.url("/")).await.unwrap();
    assert_eq!(browser.count().await, 1);

    browser.goto(page).await.unwrap();
    if let Some(purpose) = purpose {
        let ahead = site.recorded(1, |it| it.path == "/" && it.purpose.is_some());
        let ahead = ahead.await;
        assert_eq!(ahead.purpose.as_deref(), Some(purpose));
        // Any failure makes the browser load the page again when the visitor opens it.
        assert!(!ahead.status.is_success(), "{ahead:?}");
    }
    assert_eq!(browser.stored_count().await, Some(1));

    browser.click("a").await;
    assert_eq!(browser.count().await, 2);
    assert_eq!(browser.stored_count().await, Some(2));
    let record = site.record().into_iter();
    let (ahead, visits): (Vec<_>, Vec<_>) = record
        .filter(|it| it.path == "/")
        .partition(|it| it.purpose.is_some());
    assert_eq!(ahead.is_empty(), purpose.is_none(), "{ahead:?}");
    assert_eq!(visits.len(), 2);
}

async fn a_link_to_prefetch_the_counter_loses_and_adds_no_visit(engine: Engine) {
    let purpose = match engine {
        Engine::Chromium | Engine::Firefox => Some("prefetch"),
        // It does not prefetch what a page links.
        Engine::WebKit => None,
    };
    let ahead = "<link rel=prefetch href='./'>";
    assert_loses_and_adds_no_visit(engine, ahead, purpose).await;
}

async fn a_prefetch_or_prerender_by_script_loses_and_adds_no_visit(engine: Engine) {
    for (action, purpose) in [
        ("prefetch", "prefetch"),
        ("prerender", "prefetch;prerender"),
    ] {
        // Only Chromium has speculation rules.
        let purpose = (engine == Engine::Chromium).then_some(purpose);
        let ahead = format!(
            "<script type=speculationrules>
                {{\"{action}\": [{{\"urls\": [\"./\"], \"eagerness\": \"immediate\"}}]}}
             </script>"
        );
        assert_loses_and_adds_no_visit(engine, &ahead, purpose).await;
    }
}

async fn the_console_stays_empty(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    for page in [
        Page::Visit(None),
        Page::Visit(Some("7")),
        Page::Visit(Some("not a count")),
    ] {
        page.open(&browser, &site).await;
        // The cookie was set from a page that is not there.
        browser.console().await;
        browser.click(VISIT_AGAIN).await;
        browser.click(RESET).await;
        browser.click(FORGET).await;
        assert_eq!(browser.console().await, Vec::<String>::new());
    }
    // The policy is at work: it refuses a style that is not the page's, and the console says so.
    browser
        .run("document.body.setAttribute('style', 'color: red')")
        .await;
    let messages = browser.console().await;
    assert!(
        matches!(&messages[..], [message] if message.contains("Content Security Policy")
            || message.contains("Content-Security-Policy")),
        "{messages:#?}"
    );
}

async fn a_visit_is_one_request_and_arrives_compressed(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    browser.goto(site.url("/")).await.unwrap();
    browser.refresh().await.unwrap();
    // This browser does ask for an icon, where a page brings none.
    let without_icon = site.serve("/without-icon", "<!doctype html>");
    browser.goto(without_icon).await.unwrap();
    if engine != Engine::WebKit {
        site.recorded(1, |it| it.path == "/favicon.ico").await;
    }
    let record = site.record().into_iter();
    let visits: Vec<_> = record
        .take_while(|it| it.path != "/without-icon")
        .map(|it| (it.path, it.encoding))
        .collect();
    let visit = || ("/".to_owned(), Some("gzip".to_owned()));
    assert_eq!(visits, [visit(), visit()]);
}

/// Where the page shows the number, and what is beside it: whether its digits are on one line and
/// in the window, the visible elements that touch it, and where else a line breaks inside it.
const DIGITS: &str = "
    const number = document.querySelector('h1 b').firstChild;
    const digits = Array.from(number.data, (_, at) => {
        const range = document.createRange();
        range.setStart(number, at);
        range.setEnd(number, at + 1);
        const rectangles = range.getClientRects();
        return rectangles[rectangles.length - 1];
    });
    const touches = (a, b) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const box = number.parentElement.getBoundingClientRect();
    const others = [...document.querySelectorAll('h1 small, main p, a, button, h2')];
    return {
        lines: new Set(digits.map(({ top, bottom }) => `${top} ${bottom}`)).size,
        inOrder: digits.every((digit, at) => at == 0 || digits[at - 1].left < digit.left),
        inWindow: digits.every(({ left, right }) =>
            left >= 0 && right <= document.documentElement.clientWidth),
        touched: others.filter(it => touches(box, it.getBoundingClientRect()))
            .map(it => it.outerHTML),
        broken: [...document.querySelectorAll('#sum b, code b')]
            .filter(it => it.getClientRects().length > 1)
            .map(it => it.parentElement.textContent),
        height: digits[0].height,
    }";

async fn the_number_is_on_one_line_and_touches_nothing_else(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    for count in [1, 9, 10, 99, 100, 999, 1_234, 99_999, 1_234_567, u64::MAX] {
        browser.goto(site.url("/nothing-here")).await.unwrap();
        browser.store_count(&(count - 1).to_string()).await;
        browser.goto(site.url("/")).await.unwrap();
        assert_eq!(browser.count().await, count);
        for width in [320, 375, 414, 600, 768, 896, 1024, 1280, 1440, 1920, 2560] {
            browser.resize(width, 800).await;
            let mut found = browser.run(DIGITS).await;
            let height = found["height"].take().as_f64().unwrap();
            assert_eq!(
                found,
                json!({
                    "lines": 1, "inOrder": true, "inWindow": true, "touched": [], "broken": [],
                    "height": null,
                }),
                "{count} at {width} pixels"
            );
            // In large type, on a phone too; beyond seven digits at least in that of a heading.
            let least = if count < 10_000_000 { 60.0 } else { 20.0 };
            assert!(
                height >= least,
                "{count} at {width} pixels: {height} pixels high"
            );
        }
    }
}

async fn nothing_scrolls_sideways_from_320_pixels_up(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    for page in Page::ALL {
        page.open_all(&browser, &site).await;
        for width in [320, 375, 600, 895, 896, 1024, 1280, 1920, 2560] {
            browser.resize(width, 800).await;
            let beyond = browser
                .run(
                    "const { scrollWidth, clientWidth } = document.documentElement;
                      return scrollWidth - clientWidth",
                )
                .await;
            assert_eq!(beyond, 0, "{page:?} at {width} pixels");
        }
    }
}

async fn the_keyboard_reaches_all_that_can_be_pressed_with_a_visible_focus(engine: Engine) {
    let (browser, site) = visitor(engine).await;
    // So large that the pointer, which rests in the middle of the screen, is in the window: without
    // that and without a window manager WebKit's window does not have the focus.
    browser.resize(1440, 900).await;
    Page::Visit(Some("7")).open(&browser, &site).await;
    let focus = "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                 const { localName, form } = document.activeElement;
                 return [form?.getAttribute('action') ?? localName, outlineStyle, outlineWidth]";
    for element in ["a", "reset", "forget", "summary"] {
        press(&browser, Key::Tab).await;
        assert_eq!(browser.run(focus).await, json!([element, "solid", "3px"]));
    }
    press(&browser, Key::Enter).await;
    browser
        .text_once("details", |text| text.contains("HttpOnly"))
        .await;
    browser
        .run("document.querySelector('button').focus()")
        .await;
    press(&browser, Key::Enter).await;
    browser
        .text_once("h1", |text| text == "Page Count: 1")
        .await;
}

async fn press(browser: &Browser, key: Key) {
    let keys = browser.action_chain().send_keys(key);
    keys.perform().await.unwrap();
}

async fn axe_finds_nothing_in_light_and_in_dark(engine: Engine) {
    let axe = env::var_os("AXE_CORE").expect("AXE_CORE names axe.min.js: make test sets it");
    let axe = fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    for (dark, width) in [(false, 1280), (true, 1280), (false, 320)] {
        let wishes = Wishes {
            dark,
            ..Wishes::default()
        };
        let (browser, site) = visitor_who_wishes(engine, wishes).await;
        browser.resize(width, 800).await;
        for page in Page::ALL {
            let row = format!("{page:?}, dark: {dark}, {width} pixels");
            page.open_all(&browser, &site).await;
            let scheme = browser
                .run("return matchMedia('(prefers-color-scheme: dark)').matches")
                .await;
            assert_eq!(scheme, dark, "{row}");
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
}

/// The rules that the page violates and that axe could not decide, each with the elements and why,
/// and those that it passes.
async fn run_axe(browser: &Browser, options: Value) -> Value {
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
