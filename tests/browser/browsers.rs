//! Drives the browser engines through `WebDriver`, and reads what a person would see.

use std::{fs, net::TcpStream, ops::Deref, path::PathBuf, sync::Mutex, time::Duration};

use axum::http;
use serde_json::{Value, json};
use thirtyfour::{RequestData, SessionId, common::command::FormatRequestData, prelude::*};
use tokio::time::timeout;

use crate::{
    server_process::{ROOT, ServerProcess, free_port},
    web::{PROXY, retry},
};

/// Closed browsers, which later tests use again, because starting one takes longer than most tests.
static IDLE: Mutex<Vec<Browser>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

/// How a visitor has set up the browser.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Setup {
    /// The defaults, except that Chromium blocks third-party cookies, as the others do.
    Usual,
    Dark,
    NoCookies,
}

impl Engine {
    /// Starts the engine's driver, which starts the browser.
    fn driver(self, setup: Setup) -> (ServerProcess, String) {
        let port = free_port();
        let port_option = format!("--port={port}");
        let theme = if setup == Setup::Dark { "dark" } else { "light" };
        let theme = format!("GTK_THEME=Adwaita:{theme}");
        let gtk = format!("XDG_CONFIG_HOME={}", gtk_without_minimum_width().display());
        let mut command = match self {
            Self::Chromium => vec!["chromedriver"],
            // System access permits reading the console, and making the window as narrow as a phone.
            Self::Firefox => vec!["geckodriver", "--websocket-port=0", "--allow-system-access"],
            // WebKit has no headless mode.
            Self::WebKit => {
                vec!["xvfb-run", "-a", "-s", "-screen 0 2560x1600x24", "env", &theme, &gtk, "WebKitWebDriver"]
            }
        };
        command.push(&port_option);
        let connect = || TcpStream::connect(("127.0.0.1", port)).ok();
        let (process, _) = ServerProcess::start(&command, Duration::from_secs(30), connect);
        (process, format!("http://127.0.0.1:{port}"))
    }

    fn capabilities(self, setup: Setup) -> Capabilities {
        let proxy = *PROXY;
        let light = u8::from(setup != Setup::Dark);
        let no_cookies = setup == Setup::NoCookies;
        let mut capabilities = match self {
            Self::Chromium => json!({
                "browserName": "chrome",
                "goog:loggingPrefs": { "browser": "ALL" },
                "goog:chromeOptions": {
                    "args": [
                        "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run",
                        // Chromium's sandbox refuses to run as root.
                        "--no-sandbox",
                        // No network requests of its own.
                        "--disable-background-networking", "--disable-component-update", "--disable-sync",
                        // The same pixels on any screen.
                        "--force-device-scale-factor=1", "--hide-scrollbars",
                        format!("--blink-settings=preferredColorScheme={light}"),
                        // A host of this machine that is not localhost.
                        "--host-resolver-rules=MAP box 127.0.0.1",
                    ],
                    "prefs": {
                        "profile.default_content_setting_values.cookies": if no_cookies { 2 } else { 1 },
                        "profile.cookie_controls_mode": 1,
                    },
                },
            }),
            Self::Firefox => json!({
                "browserName": "firefox",
                "moz:firefoxOptions": {
                    "args": ["-headless"],
                    "prefs": {
                        "layout.css.prefers-color-scheme.content-override": light,
                        // No cookies at all; or the default, which keeps them separately for each site.
                        "network.cookie.cookieBehavior": if no_cookies { 2 } else { 5 },
                        // The tab key reaches links on every system.
                        "accessibility.tabfocus": 7,
                    },
                },
            }),
            Self::WebKit => json!({
                "browserName": "MiniBrowser",
                "webkitgtk:browserOptions": {
                    "args": [
                        "--automation",
                        format!("--cookies-policy={}", if no_cookies { "never" } else { "no-third-party" }),
                        // With the capability below, WebKit would speak TLS to the proxy.
                        format!("--proxy=http://{proxy}"),
                        "--ignore-host=127.0.0.1",
                        "--ignore-host=page.localhost",
                    ],
                },
            }),
        };
        capabilities["acceptInsecureCerts"] = true.into();
        if self != Self::WebKit {
            capabilities["proxy"] = json!({ "proxyType": "manual", "sslProxy": proxy.to_string() });
        }
        serde_json::from_value(capabilities).unwrap()
    }
}

/// A GTK configuration with small toolbars, so that the window can be as narrow as a phone.
fn gtk_without_minimum_width() -> PathBuf {
    let folder = fs::canonicalize(ROOT).unwrap().join("target/browser-gtk");
    let style = "* { min-width: 0; margin: 0; padding: 0; border-width: 0; font-size: 1px }";
    fs::create_dir_all(folder.join("gtk-3.0")).unwrap();
    fs::write(folder.join("gtk-3.0/gtk.css"), style).unwrap();
    folder
}

/// A browser that only one test uses at a time.
pub(crate) struct Browser {
    pub(crate) engine: Engine,
    setup: Setup,
    driver: WebDriver,
    _process: ServerProcess,
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

/// A browser that a failed test did not close ends with its driver. Closing it here would block the runtime, which
/// the request to the driver needs.
impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.clone().leak().ok();
    }
}

impl Browser {
    /// Opens a browser that reaches the web through the tests' proxy.
    pub(crate) async fn open(engine: Engine, setup: Setup) -> Self {
        let is_such = |it: &mut Self| it.engine == engine && it.setup == setup;
        let idle = IDLE.lock().unwrap().extract_if(.., is_such).next();
        if let Some(browser) = idle {
            return browser;
        }
        let (process, url) = engine.driver(setup);
        let driver = WebDriver::new(&url, engine.capabilities(setup)).await;
        let browser = Self {
            engine,
            setup,
            driver: driver.unwrap_or_else(|error| panic!("{error}\n{}", process.log())),
            _process: process,
        };
        if engine == Engine::Firefox {
            let narrow = "document.documentElement.style.minWidth = 0";
            browser.run_in_firefox(narrow).await;
        }
        browser
    }

    /// Keeps the browser for the next test.
    pub(crate) async fn close(self) {
        self.goto("about:blank").await.unwrap();
        IDLE.lock().unwrap().push(self);
    }

    /// The visible text of an element, with its white space normalised.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.text_once(css, |_| true).await
    }

    /// Waits until an element has the wanted text, on this page or on one that replaces it.
    pub(crate) async fn text_once(&self, css: &str, wanted: impl Fn(&str) -> bool) -> String {
        retry(async || {
            let found = async { self.find(By::Css(css)).await?.text().await };
            let text = found.await.map_err(|error| format!("{css}: {error}"))?;
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if wanted(&text) { Ok(text) } else { Err(format!("{css} stays {text:?}")) }
        })
        .await
    }

    /// Opens a page of the counter, and returns the number that it shows.
    pub(crate) async fn visit(&self, url: String) -> u64 {
        self.goto(url).await.unwrap();
        self.count().await
    }

    /// The number that the page shows.
    pub(crate) async fn count(&self) -> u64 {
        let heading = self.text("h1").await;
        let count = heading.strip_prefix("Page Count: ").expect(&heading);
        count.parse().unwrap()
    }

    /// The `count` cookie that the browser keeps for the site of the page.
    pub(crate) async fn cookie(&self) -> Option<Cookie> {
        let cookies = self.get_all_cookies().await.unwrap();
        let mut cookies = cookies.into_iter().filter(|it| it.name == "count");
        let cookie = cookies.next();
        assert!(cookies.next().is_none(), "more than one cookie");
        cookie
    }

    /// The number in that cookie.
    pub(crate) async fn stored_count(&self) -> Option<u64> {
        let cookie = self.cookie().await?;
        Some(cookie.value.parse().expect(&cookie.value))
    }

    /// Puts a `count` cookie for the site of the page into the browser's store.
    pub(crate) async fn store_count(&self, value: &str) {
        let mut cookie = Cookie::new("count", value);
        cookie.set_path("/");
        cookie.set_secure(true);
        self.add_cookie(cookie).await.unwrap();
    }

    /// Clicks an element, and waits for the page that it leads to.
    pub(crate) async fn click(&self, css: &str) {
        let page = self.find(By::Css("html")).await.unwrap();
        let element = self.find(By::Css(css)).await.unwrap();
        element.click().await.unwrap();
        // The driver waits for the page after a link, but may not wait for the page after a form's redirect.
        // If the new page gets a process of its own (another site, or another Cross-Origin-Opener-Policy) at
        // the moment of the question, WebKit's driver never answers. It answers the next question.
        retry(async || {
            let is_present = timeout(Duration::from_secs(3), page.is_present()).await;
            if matches!(is_present, Ok(Ok(false))) { Ok(()) } else { Err(format!("{css} leads nowhere")) }
        })
        .await;
        self.text_once("h1", |_| true).await;
    }

    /// Runs a script in the page, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let answer = self.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// Runs a script in Firefox's own window, and returns its result.
    async fn run_in_firefox(&self, script: &str) -> Value {
        self.cmd(MozContext("chrome")).await.unwrap();
        let result = self.run(script).await;
        self.cmd(MozContext("content")).await.unwrap();
        result
    }

    /// Gives the page a window of this size, in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        if self.engine == Engine::Chromium {
            let size = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
            });
            let command = "Emulation.setDeviceMetricsOverride";
            self.cdp().send_raw(command, size).await.unwrap();
        } else {
            self.set_window_rect(0, 0, width, height).await.unwrap();
        }
        retry(async || {
            let found = self.run("return innerWidth").await;
            if found == width { Ok(()) } else { Err(format!("the window is {found} pixels wide, not {width}")) }
        })
        .await;
    }

    /// The console's messages since the last call.
    pub(crate) async fn console(&self) -> Vec<String> {
        match self.engine {
            Engine::Chromium => {
                let messages = self.browser_log().await.unwrap();
                messages.into_iter().map(|it| it.message).collect()
            }
            Engine::Firefox => {
                // Firefox logs messages of its own there too.
                let script = "const messages = Services.console.getMessageArray().map(String);
                    Services.console.reset();
                    return messages.filter(it => it.includes('.example.'))";
                let messages = self.run_in_firefox(script).await;
                serde_json::from_value(messages).unwrap()
            }
            Engine::WebKit => unimplemented!("WebKit's driver does not show the console"),
        }
    }
}

/// Makes Firefox run scripts in the page, or in the window around it
/// ([Marionette](https://firefox-source-docs.mozilla.org/testing/geckodriver/Usage.html)).
#[derive(Debug)]
struct MozContext(&'static str);

impl FormatRequestData for MozContext {
    fn format_request(&self, session: &SessionId) -> RequestData {
        let path = format!("/session/{session}/moz/context");
        RequestData::new(http::Method::POST, path).add_body(json!({ "context": self.0 }))
    }
}
