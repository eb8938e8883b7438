//! The browser engines, each driven by its own program over `WebDriver`, and what a person would see.

use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    ops::Deref,
    path::PathBuf,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::http;
use serde_json::{Value, json};
use thirtyfour::{RequestData, SessionId, common::command::FormatRequestData, prelude::*};
use tokio::runtime::Runtime;

use super::{server_process::ServerProcess, watch::free_port};

/// How long a browser may take for what it does in a moment on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs all tests, so that a browser outlives the test that opened it.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The browsers of tests that have passed, for the next one that wants such a browser: to start one
/// takes longer than most tests.
static IDLE: Mutex<Vec<Session>> = Mutex::new(Vec::new());

/// The display of `WebKit`, which has no headless mode.
static DISPLAY: LazyLock<Display> = LazyLock::new(Display::start);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

/// How a browser differs from that of a new user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) dark: bool,
    pub(crate) no_cookies: bool,
    pub(crate) no_third_party_cookies: bool,
}

impl Engine {
    /// Starts the program that drives it, which starts the browser.
    fn driver(self, wishes: Wishes) -> (ServerProcess, String) {
        static DRIVERS: AtomicUsize = AtomicUsize::new(0);

        let port = free_port();
        let mut command = match self {
            Self::Chromium => vec!["chromedriver".to_owned()],
            Self::Firefox => vec![
                "geckodriver".to_owned(),
                "--websocket-port=0".to_owned(),
                // To read the console, and to let the window be as narrow as a phone.
                "--allow-system-access".to_owned(),
            ],
            Self::WebKit => vec![
                "env".to_owned(),
                format!("DISPLAY={}", DISPLAY.name),
                format!("XDG_CONFIG_HOME={}", DISPLAY.config.display()),
                format!(
                    "GTK_THEME=Adwaita{}",
                    if wishes.dark { ":dark" } else { "" }
                ),
                "WebKitWebDriver".to_owned(),
            ],
        };
        command.push(format!("--port={port}"));
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let number = DRIVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{self:?}{number}").to_lowercase();
        let mut process = ServerProcess::start(&name, &command);
        once(&mut process, |_| {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        (process, format!("http://127.0.0.1:{port}"))
    }

    fn capabilities(self, wishes: Wishes, proxy: SocketAddr) -> Capabilities {
        let mut capabilities = match self {
            Self::Chromium => json!({
                "browserName": "chrome",
                "goog:loggingPrefs": { "browser": "ALL" },
                "goog:chromeOptions": {
                    "args": [
                        "--headless=new",
                        // Chromium's sandbox refuses to run as root.
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-quic",
                        "--no-first-run",
                        // Nothing of its own over the network.
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                        // The same pixels on any screen.
                        "--force-device-scale-factor=1",
                        "--hide-scrollbars",
                    ],
                    "prefs": {
                        "profile.default_content_setting_values.cookies": if wishes.no_cookies { 2 } else { 1 },
                        "profile.cookie_controls_mode": u8::from(wishes.no_third_party_cookies),
                    },
                },
            }),
            Self::Firefox => json!({
                "browserName": "firefox",
                "moz:firefoxOptions": {
                    "args": ["-headless"],
                    "prefs": {
                        "layout.css.prefers-color-scheme.content-override": u8::from(!wishes.dark),
                        // None at all; or, which is its default, for each site its own.
                        "network.cookie.cookieBehavior": if wishes.no_cookies { 2 } else { 5 },
                        // The tab key goes to links too, on every system.
                        "accessibility.tabfocus": 7,
                    },
                },
            }),
            Self::WebKit => {
                let cookies = if wishes.no_cookies {
                    "never"
                } else {
                    "no-third-party"
                };
                json!({
                    "browserName": "MiniBrowser",
                    "webkitgtk:browserOptions": {
                        "binary": minibrowser(),
                        "args": [
                            "--automation".to_owned(),
                            format!("--cookies-policy={cookies}"),
                            // Of the capability below it would make a proxy that is spoken to in TLS.
                            format!("--proxy=http://{proxy}"),
                            "--ignore-host=127.0.0.1".to_owned(),
                        ],
                    },
                })
            }
        };
        capabilities["acceptInsecureCerts"] = true.into();
        if self != Self::WebKit {
            capabilities["proxy"] = json!({ "proxyType": "manual", "sslProxy": proxy.to_string() });
        }
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as an object")
        };
        Capabilities::from(capabilities)
    }
}

/// What a server has as soon as it has started.
fn once<T>(process: &mut ServerProcess, found: impl Fn(&ServerProcess) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found(process) {
            return found;
        }
        process.assert_running();
        assert!(Instant::now() < deadline, "{}", process.log());
        thread::sleep(PAUSE);
    }
}

/// The browser of `WebKitGTK`, which Debian keeps among the libraries.
fn minibrowser() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap();
    libraries
        .map(|library| library.unwrap().path().join("webkit2gtk-4.1/MiniBrowser"))
        .find(|program| program.is_file())
        .expect("MiniBrowser is beside the library of WebKitGTK")
}

/// A screen without a screen.
struct Display {
    name: String,
    config: PathBuf,
    _process: ServerProcess,
}

impl Display {
    fn start() -> Self {
        // It chooses a free number, and prints it.
        let command = "Xvfb -displayfd 1 -screen 0 2560x1600x24 -nolisten tcp";
        let command: Vec<_> = command.split(' ').collect();
        let mut process = ServerProcess::start("xvfb", &command);
        let number = once(&mut process, |process| {
            let log = process.log();
            log.lines().find_map(|line| line.parse::<u16>().ok())
        });
        // The toolbar would keep the window from being as narrow as a phone.
        let config = env::current_dir().unwrap().join("target/browser-gtk");
        fs::create_dir_all(config.join("gtk-3.0")).unwrap();
        fs::write(
            config.join("gtk-3.0/gtk.css"),
            "* { min-width: 0; margin: 0; padding: 0; border-width: 0; font-size: 1px }",
        )
        .unwrap();
        Self {
            name: format!(":{number}"),
            config,
            _process: process,
        }
    }
}

/// A running browser.
struct Session {
    engine: Engine,
    wishes: Wishes,
    driver: WebDriver,
    _process: ServerProcess,
}

/// It ends with its driver: to close it here would block the runtime, which the request to the driver
/// needs.
impl Drop for Session {
    fn drop(&mut self) {
        self.driver.clone().leak().ok();
    }
}

/// A browser that a test has for itself.
pub(crate) struct Browser(Option<Session>);

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.session().driver
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !thread::panicking() {
            IDLE.lock().unwrap().extend(self.0.take());
        }
    }
}

impl Browser {
    /// Opens a browser that reaches the web through this proxy.
    pub(crate) async fn open(engine: Engine, wishes: Wishes, proxy: SocketAddr) -> Self {
        let idle = {
            let mut idle = IDLE.lock().unwrap();
            let found = idle
                .iter()
                .position(|it| it.engine == engine && it.wishes == wishes);
            found.map(|index| idle.swap_remove(index))
        };
        if let Some(session) = idle {
            session.driver.goto("about:blank").await.unwrap();
            return Self(Some(session));
        }
        let (process, url) = engine.driver(wishes);
        let driver = WebDriver::new(&url, engine.capabilities(wishes, proxy)).await;
        let browser = Self(Some(Session {
            engine,
            wishes,
            driver: driver.unwrap_or_else(|error| panic!("{error}\n{}", process.log())),
            _process: process,
        }));
        match engine {
            Engine::Chromium if wishes.dark => {
                let dark = json!({ "name": "prefers-color-scheme", "value": "dark" });
                let features = json!({ "features": [dark] });
                browser
                    .devtools("Emulation.setEmulatedMedia", features)
                    .await;
            }
            Engine::Firefox => {
                browser
                    .run_in_firefox("document.documentElement.style.minWidth = 0")
                    .await;
            }
            Engine::Chromium | Engine::WebKit => {}
        }
        browser
    }

    fn session(&self) -> &Session {
        self.0.as_ref().expect("a session until it is dropped")
    }

    /// The visible text of an element, with its white space normalised.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find(By::Css(css)).await.unwrap();
        let text = element.text().await.unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until an element has a text that is wanted, on this page or on one that takes its place.
    pub(crate) async fn text_once(&self, css: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = None;
            if let Ok(element) = self.find(By::Css(css)).await {
                found = element.text().await.ok();
            }
            match found {
                Some(text) if wanted(&text) => return text,
                found => assert!(Instant::now() < deadline, "{css} stays {found:?}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
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
        assert!(cookies.next().is_none(), "one cookie");
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

    /// Clicks what a selector finds, and waits for the page that it leads to.
    pub(crate) async fn click(&self, css: &str) {
        let page = self.find(By::Css("html")).await.unwrap();
        let element = self.find(By::Css(css)).await.unwrap();
        element.click().await.unwrap();
        // The driver waits for a link's page, but may answer between a form's redirect and its page.
        let gone = page.wait_until().wait(PATIENCE, PAUSE);
        gone.stale().await.unwrap();
        let heading = self.query(By::Css("h1")).wait(PATIENCE, PAUSE);
        heading.first().await.unwrap();
    }

    /// What a script returns that runs in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let answer = self.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// Sends a command of the [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/)
    /// to Chromium.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// What a script returns that runs in Firefox's own window.
    async fn run_in_firefox(&self, script: &str) -> Value {
        self.cmd(MozContext("chrome")).await.unwrap();
        let result = self.run(script).await;
        self.cmd(MozContext("content")).await.unwrap();
        result
    }

    /// Gives the page a window of this size, in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        if self.session().engine == Engine::Chromium {
            let size = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
            });
            self.devtools("Emulation.setDeviceMetricsOverride", size)
                .await;
        } else {
            self.set_window_rect(0, 0, width, height).await.unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        while self.run("return innerWidth").await != width {
            assert!(Instant::now() < deadline, "the window is not {width} wide");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the console has said since it was asked last.
    pub(crate) async fn console(&self) -> Vec<String> {
        match self.session().engine {
            Engine::Chromium => {
                let messages = self.browser_log().await.unwrap();
                messages.into_iter().map(|it| it.message).collect()
            }
            Engine::Firefox => {
                // It has its own troubles there too.
                let messages = self
                    .run_in_firefox(
                        "const messages = Services.console.getMessageArray().map(String);
                         Services.console.reset();
                         return messages.filter(it => it.includes('.example.'))",
                    )
                    .await;
                serde_json::from_value(messages).unwrap()
            }
            Engine::WebKit => unimplemented!("its driver keeps the console to itself"),
        }
    }
}

/// Has Firefox run scripts in the page, or in the window around it
/// ([Marionette](https://firefox-source-docs.mozilla.org/testing/geckodriver/Usage.html)).
#[derive(Debug)]
struct MozContext(&'static str);

impl FormatRequestData for MozContext {
    fn format_request(&self, session: &SessionId) -> RequestData {
        RequestData::new(
            http::Method::POST,
            format!("/session/{session}/moz/context"),
        )
        .add_body(json!({ "context": self.0 }))
    }
}
