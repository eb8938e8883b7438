//! The page on the developer's own machine: `make run`, `cargo lambda invoke`, and real clients with
//! real cookie jars.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    process::{Command, Output},
    sync::LazyLock,
};

use reqwest::Client;
use serde_json::Value;

use crate::support::watch::{self, Watch};

/// All tests share one, because the function keeps nothing: each test has the count in its own cookie jar.
static WATCH: LazyLock<Watch> = LazyLock::new(|| Watch::start(&[]));

/// The count that a page shows.
fn shown(page: &str) -> Option<u64> {
    let (_, rest) = page.split_once("<h1><small>Page Count:</small> <b>")?;
    rest.split_once("</b></h1>")?.0.parse().ok()
}

#[tokio::test]
#[ignore = "needs cargo-lambda: make test runs it"]
async fn a_visitor_counts_up_and_starts_again_and_nothing_else_counts() {
    let client = Client::builder().cookie_store(true).no_proxy().build();
    let client = client.unwrap();
    let get = |path| client.get(WATCH.url(path));
    for (request, status, count) in [
        (get(""), 200, Some(1)),
        (get("favicon.ico"), 404, None),
        (get(""), 200, Some(2)),
        (get("").header("sec-purpose", "prefetch"), 403, None),
        (get(""), 200, Some(3)),
        // The client follows the redirect to the page, which is a visit.
        (client.post(WATCH.url("reset")), 200, Some(1)),
        (get(""), 200, Some(2)),
        (client.post(WATCH.url("forget")), 200, None),
        (get(""), 200, Some(1)),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(shown(&answer.text().await.unwrap()), count);
    }
    // By default, cargo-lambda would add headers that let any site read an answer.
    let other_site = get("robots.txt").header("origin", "https://example.com");
    let answer = other_site.send().await.unwrap();
    let mut names = answer.headers().keys();
    assert!(!names.any(|name| name.as_str().starts_with("access-control-")));
}

#[test]
#[ignore = "needs cargo-lambda: make test runs it"]
fn cargo_lambda_invoke_answers_an_event_with_the_page() {
    let address = WATCH.address();
    let output = run(Command::new(env!("CARGO"))
        .args(["lambda", "invoke", "--data-file", "events/first_visit.json"])
        .args(["--invoke-address", &address.ip().to_string()])
        .args(["--invoke-port", &address.port().to_string()]));
    let answer: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(answer["statusCode"], 200);
    // Check the cookie, because the body is compressed.
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with("count=1;"), "{cookie}");
}

#[test]
#[ignore = "needs make: make test runs it"]
fn make_run_says_which_port_it_cannot_use_and_which_setting_the_function_rejects() {
    for port in ["", "0", "65536", "09000", "http", "-1", "9000 9100"] {
        let said = refused_by_make_run(port, &[]);
        assert!(said.contains("from 1 to 65535"), "{said}");
        assert!(said.contains(&format!("\"{port}\"")), "{said}");
    }
    // A browser tries both for localhost.
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let Ok(other) = TcpListener::bind::<(IpAddr, _)>((address, 0)) else {
            continue; // a machine without IPv6
        };
        let port = other.local_addr().unwrap().port().to_string();
        let said = refused_by_make_run(&port, &[]);
        assert!(
            said.contains(&format!("Another program listens on port {port}")),
            "{said}"
        );
    }
    // With `--help`, nothing is served even if the setting is accepted.
    let setting = ["COUNT_COOKIE_MAX_AGE_DAYS=forever", "WATCH_OPTIONS=--help"];
    let said = refused_by_make_run(&watch::free_port().to_string(), &setting);
    assert!(said.contains("COUNT_COOKIE_MAX_AGE_DAYS"), "{said}");
    assert!(said.contains("forever"), "{said}");
    assert!(!said.contains("The page is at"), "{said}");
}

/// Returns what `make run` prints when it fails.
#[track_caller]
fn refused_by_make_run(port: &str, settings: &[&str]) -> String {
    let mut make = Command::new("make");
    make.arg("run").arg(format!("PORT={port}")).args(settings);
    let Output {
        status,
        stdout,
        stderr,
    } = make.output().unwrap();
    let said = [stdout, stderr]
        .map(|it| String::from_utf8(it).unwrap())
        .concat();
    assert!(!status.success(), "{said}");
    said
}

#[test]
#[ignore = "needs the installed tools: make test runs it"]
fn no_tool_depends_on_the_folder_that_it_was_installed_in() {
    let here = env::current_dir().unwrap();
    let search = format!("grep -l '^#!{}' .tools/*/bin/*", here.display());
    let found = Command::new("sh").args(["-c", &search]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert_eq!(found.status.code(), Some(1), "{found:?}");
}

#[test]
#[ignore = "needs cargo-lambda, curl and wget: make test runs it"]
fn real_clients_keep_the_count_over_twenty_visits() {
    for client in ["curl", "wget", "urllib", "requests"] {
        let jar = format!("target/{client}-cookies.txt");
        fs::write(&jar, "").unwrap();
        let script = match client {
            // Each client ignores the user's own settings.
            "curl" => {
                "curl --disable --silent --show-error --fail --noproxy '*' --compressed \
                 --write-out '%header{content-encoding}' --cookie $JAR --cookie-jar $JAR $URL"
            }
            "wget" => {
                "wget --no-config --no-hsts --no-proxy --quiet --load-cookies $JAR --save-cookies $JAR \
                 --output-document - $URL"
            }
            "urllib" => {
                "python3 -c '
import os, http.cookiejar as c, urllib.request as u
jar = c.MozillaCookieJar(os.environ[\"JAR\"])
if os.path.getsize(jar.filename): jar.load()
visitor = u.build_opener(u.ProxyHandler({}), u.HTTPCookieProcessor(jar))
print(visitor.open(os.environ[\"URL\"]).read().decode())
jar.save()'"
            }
            _ => {
                "python3 -c '
import json, os, requests
jar = open(os.environ[\"JAR\"], \"r+\")
visitor = requests.Session()
visitor.trust_env = False
visitor.cookies.update(json.loads(jar.read() or \"{}\"))
print(visitor.get(os.environ[\"URL\"]).text)
jar.seek(0)
json.dump(visitor.cookies.get_dict(), jar)'"
            }
        };
        for count in 1..=20 {
            let page = run(Command::new("sh")
                .args(["-c", script])
                .env("JAR", &jar)
                .env("URL", WATCH.url(""))
                .env("PATH", path_to_python()));
            assert_eq!(shown(&page), Some(count), "{client}");
            if client == "curl" {
                assert!(page.ends_with("</html>gzip"), "{page}");
            }
        }
    }
}

/// Puts the Python beside cargo-lambda first, because `make test` installs requests there.
fn path_to_python() -> String {
    let path = env::var("PATH").unwrap();
    let tools = env::split_paths(&path).find(|folder| folder.join("cargo-lambda").is_file());
    tools.map_or(path.clone(), |tools| format!("{}:{path}", tools.display()))
}

/// Returns what a program prints. The program must succeed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
