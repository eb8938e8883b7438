//! Headless Chromium, and what a person would see in it.

use std::{
    ops::Deref,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::server_process::ServerProcess;

/// One for all tests; each has a session of its own, which is a Chromium with a new profile.
static CHROMEDRIVER: LazyLock<Chromedriver> = LazyLock::new(Chromedriver::start);

struct Chromedriver {
    url: String,
    _process: ServerProcess,
}

impl Chromedriver {
    /// Starts it on a free port, which it chooses and prints.
    fn start() -> Self {
        let mut process = ServerProcess::start("chromedriver", &["chromedriver", "--port=0"]);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = process.log();
            if let Some((_, rest)) = log.split_once("started successfully on port ")
                && let Some((port, _)) = rest.split_once('.')
            {
                return Self {
                    url: format!("http://127.0.0.1:{port}"),
                    _process: process,
                };
            }
            process.assert_running();
            assert!(
                Instant::now() < deadline,
                "chromedriver does not start:\n{log}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A headless Chromium with a new, empty profile.
pub(crate) struct Chromium {
    driver: WebDriver,
}

impl Deref for Chromium {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

/// One that a failed test does not close ends with the driver: to close it here would block the
/// test's runtime, which the request to the driver needs.
impl Drop for Chromium {
    fn drop(&mut self) {
        self.driver.clone().leak().ok();
    }
}

impl Chromium {
    /// Opens it with the settings of a new user.
    pub(crate) async fn open() -> Self {
        Self::open_with_preferences(json!({})).await
    }

    /// Opens it with settings by their names in Chromium's profile.
    pub(crate) async fn open_with_preferences(preferences: Value) -> Self {
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
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
                "prefs": preferences,
            },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as an object")
        };
        let driver = WebDriver::new(&CHROMEDRIVER.url, Capabilities::from(capabilities))
            .await
            .unwrap();
        Self { driver }
    }

    /// Closes it.
    pub(crate) async fn close(self) {
        self.driver.clone().quit().await.unwrap();
    }

    /// The visible text of an element, with its white space normalised.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find(By::Css(css)).await.unwrap();
        let text = element.text().await.unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The number that the page shows.
    pub(crate) async fn count(&self) -> u64 {
        let heading = self.text("h1").await;
        let count = heading.strip_prefix("Page Count: ").expect(&heading);
        count.parse().unwrap()
    }

    /// The `count` cookie in the browser's store.
    pub(crate) async fn cookie(&self) -> Option<Cookie> {
        let cookies = self.get_all_cookies().await.unwrap();
        cookies.into_iter().find(|cookie| cookie.name == "count")
    }

    /// The number in the browser's store.
    pub(crate) async fn stored_count(&self) -> Option<u64> {
        let cookie = self.cookie().await?;
        Some(cookie.value.parse().expect(&cookie.value))
    }

    /// Puts a `count` cookie for a page's host into the browser's store.
    pub(crate) async fn store_count(&self, url: &str, value: &str) {
        let cookie = json!({ "url": url, "name": "count", "value": value, "httpOnly": true });
        let answer = self.devtools("Network.setCookie", cookie).await;
        assert_eq!(answer["success"], true, "{answer}");
    }

    /// Clicks what a selector finds, and waits for the page that it leads to.
    pub(crate) async fn click(&self, css: &str) {
        let page = self.find(By::Css("html")).await.unwrap();
        let element = self.find(By::Css(css)).await.unwrap();
        element.click().await.unwrap();
        // The driver waits for a link's page, but may answer between a form's redirect and its page.
        let (patience, pause) = (Duration::from_secs(20), Duration::from_millis(20));
        page.wait_until()
            .wait(patience, pause)
            .stale()
            .await
            .unwrap();
        let heading = self.query(By::Css("h1")).wait(patience, pause);
        heading.first().await.unwrap();
    }

    /// What a script returns that runs in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let answer = self.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// Sends a command of the [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/).
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// Gives the page a window of this size, in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// Sets what a media feature tells the page about the visitor's wishes.
    pub(crate) async fn prefer(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }
}
