//! The page on the developer's own machine: `make run`, `cargo lambda invoke`, and real clients with
//! real cookie jars.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    process::{Command, Output},
    sync::LazyLock,
};

use crate::support::watch::{self, Watch};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// One for all tests. Each keeps the count in a jar of its own, and the function keeps nothing.
static WATCH: LazyLock<Watch> = LazyLock::new(|| Watch::start(&[]));

fn client_with_a_cookie_jar() -> Client {
    Client::builder()
        .cookie_store(true)
        .no_proxy()
        .build()
        .unwrap()
}

/// Visits the page, and gives the number that it shows.
async fn visit(client: &Client) -> u64 {
    let answer = client.get(WATCH.url("")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    shown(&answer.text().await.unwrap())
}

#[track_caller]
fn shown(page: &str) -> u64 {
    let (_, rest) = page
        .split_once("<h1><small>Page Count:</small> <b>")
        .expect(page);
    let (count, _) = rest.split_once("</b></h1>").expect(page);
    count.parse().unwrap()
}

#[tokio::test]
#[ignore = "needs cargo-lambda: make test runs it"]
async fn counts_1_2_3_and_1_again_after_a_reset() {
    let client = client_with_a_cookie_jar();
    for count in 1..=3 {
        assert_eq!(visit(&client).await, count);
    }
    // The client follows the redirect to the page, which is a visit.
    let answer = client.post(WATCH.url("reset")).send().await.unwrap();
    assert_eq!(answer.url().as_str(), WATCH.url(""));
    assert_eq!(shown(&answer.text().await.unwrap()), 1);
    assert_eq!(visit(&client).await, 2);
}

#[tokio::test]
#[ignore = "needs cargo-lambda: make test runs it"]
async fn the_icon_and_a_prefetch_between_visits_change_nothing() {
    let client = client_with_a_cookie_jar();
    assert_eq!(visit(&client).await, 1);
    let icon = client.get(WATCH.url("favicon.ico")).send().await.unwrap();
    assert_eq!(icon.status(), StatusCode::NOT_FOUND);
    assert_eq!(visit(&client).await, 2);
    let prefetch = client
        .get(WATCH.url(""))
        .header("sec-purpose", "prefetch")
        .send()
        .await
        .unwrap();
    assert_eq!(prefetch.status(), StatusCode::FORBIDDEN);
    assert_eq!(visit(&client).await, 3);
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
    // The body is compressed, as the browser of this event asks.
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with("count=1;"), "{cookie}");
}

/// cargo-lambda would add headers of its own, which let any site read the answer.
#[tokio::test]
#[ignore = "needs cargo-lambda: make test runs it"]
async fn no_header_is_added_that_the_deployed_page_does_not_have() {
    let answer = client_with_a_cookie_jar()
        .get(WATCH.url("robots.txt"))
        .header("origin", "https://example.com")
        .send()
        .await
        .unwrap();
    let added: Vec<_> = answer
        .headers()
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .collect();
    assert!(added.is_empty(), "{added:?}");
}

#[test]
#[ignore = "needs make: make test runs it"]
fn make_run_says_that_another_program_has_the_port() {
    // A browser tries both for localhost.
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let Ok(other) = TcpListener::bind::<(IpAddr, _)>((address, 0)) else {
            continue; // a machine without IPv6
        };
        let port = other.local_addr().unwrap().port();
        assert_eq!(
            refused_by_make_run(Command::new("make").args(["run", &format!("PORT={port}")])),
            format!(
                "Another program listens on port {port}: end it, or use another port, as in \
                 `make run PORT=9100`."
            )
        );
    }
}

#[test]
#[ignore = "needs make: make test runs it"]
fn make_run_says_which_ports_there_are() {
    for port in ["", "0", "65536", "09000", "http", "-1", "9000 9100"] {
        assert_eq!(
            refused_by_make_run(Command::new("make").args(["run", &format!("PORT={port}")])),
            format!("PORT is a number from 1 to 65535, not \"{port}\".")
        );
    }
}

#[test]
#[ignore = "needs cargo-lambda: make test runs it"]
fn make_run_says_which_setting_the_function_refuses() {
    let said = refused_by_make_run(
        Command::new("make")
            .args(["run", &format!("PORT={}", watch::free_port())])
            // Nothing stays served if it is not refused.
            .arg("WATCH_OPTIONS=--help")
            .env("COUNT_COOKIE_MAX_AGE_DAYS", "forever"),
    );
    assert!(said.contains("COUNT_COOKIE_MAX_AGE_DAYS"), "{said}");
    assert!(said.contains("forever"), "{said}");
    assert!(!said.contains("The page is at"), "{said}");
}

/// What `make run` prints, apart from make's own lines, when it fails.
#[track_caller]
fn refused_by_make_run(command: &mut Command) -> String {
    let Output {
        status,
        mut stdout,
        mut stderr,
    } = command.output().unwrap();
    stdout.append(&mut stderr);
    let said = String::from_utf8_lossy(&stdout);
    assert!(!status.success(), "{status}: {said}");
    let lines = said.lines().filter(|line| !line.starts_with("make"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
#[ignore = "needs the installed tools: make test runs it"]
fn no_tool_depends_on_the_folder_that_it_was_installed_in() {
    let here = env::current_dir().unwrap().join(".tools/");
    let scripts: Vec<_> = fs::read_dir(&here)
        .unwrap()
        .filter_map(|tool| fs::read_dir(tool.unwrap().path().join("bin")).ok())
        .flatten()
        .map(|script| script.unwrap().path())
        .filter_map(|path| Some((fs::read(&path).ok()?, path)))
        .filter(|(content, _)| content.starts_with(b"#!"))
        .collect();
    assert!(!scripts.is_empty());
    for (content, path) in scripts {
        let first_line = String::from_utf8_lossy(&content);
        let first_line = first_line.lines().next().unwrap();
        assert!(
            !first_line.contains(here.to_str().unwrap()),
            "{}: {first_line}",
            path.display()
        );
    }
}

#[test]
#[ignore = "needs cargo-lambda, curl and wget: make test runs it"]
fn real_clients_keep_the_count_over_twenty_visits() {
    for client in ["curl", "wget", "urllib", "requests"] {
        let jar = format!("target/{client}-cookies.txt");
        fs::write(&jar, "").unwrap();
        let script = match client {
            // Without the user's own settings.
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
            assert_eq!(shown(&page), count, "{client}");
            if client == "curl" {
                assert!(page.ends_with("</html>gzip"), "{page}");
            }
        }
    }
}

/// The Python beside cargo-lambda first, where `make test` installs requests too.
fn path_to_python() -> String {
    let path = env::var("PATH").unwrap();
    let tools = env::split_paths(&path).find(|folder| folder.join("cargo-lambda").is_file());
    tools.map_or(path.clone(), |tools| format!("{}:{path}", tools.display()))
}

/// What a program that succeeds prints.
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
