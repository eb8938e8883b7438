//! The page on the developer's own machine: `make run` and `cargo lambda invoke`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    server_process::{ROOT, ServerProcess, free_port},
    web::{CLIENT, RUNTIME, WATCH},
};

#[test]
fn cargo_lambda_invoke_answers_an_event_with_the_page() {
    let output = run(Command::new(env!("CARGO"))
        .args(["lambda", "invoke", "--data-file", "events/first_visit.json", "--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &WATCH.port.to_string()]));
    let answer: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(answer["statusCode"], 200);
    // Check the cookie, because the body is compressed.
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with("count=1;"), "{cookie}");
}

#[test]
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
        assert!(said.contains(&format!("Another program listens on port {port}")), "{said}");
    }
    for setting in ["COUNT_COOKIE_MAX_AGE_DAYS=forever", "COUNT_EMBED_ORIGINS=example.com"] {
        // With `--help`, nothing is served even if the setting is accepted.
        let said = refused_by_make_run(&free_port().to_string(), &[setting, "WATCH_OPTIONS=--help"]);
        let (name, value) = setting.split_once('=').unwrap();
        assert!(said.contains(name) && said.contains(value), "{said}");
        assert!(!said.contains("The page is at"), "{said}");
    }
}

#[test]
fn make_run_serves_this_machine_only_and_shows_what_is_saved() {
    let other_address = (Ipv4Addr::new(127, 0, 0, 2), WATCH.port);
    assert!(TcpStream::connect(other_address).is_err(), "other machines reach the page too");

    // In a copy, because other tests run in the original. Cargo finds the dependencies that it has compiled there.
    let copy = Path::new(ROOT).join("target/copy");
    fs::remove_dir_all(&copy).ok();
    fs::create_dir_all(copy.join("target")).unwrap();
    let files = "tools src askama.toml build.rs Cargo.toml Cargo.lock Makefile .cargolambdaignore";
    run(Command::new("cp").arg("-r").args(files.split(' ')).arg("target/copy"));
    run(Command::new("cp").args(["-rl", "target/debug", "target/copy/target"]));
    run(Command::new("ln").args(["-s", "../../.tools", "target/copy/.tools"]));
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let get = async || CLIENT.get(&url).timeout(Duration::from_secs(60)).send().await?.text().await;
    let ask = |wanted| RUNTIME.block_on(get()).ok().filter(|page| page.contains(wanted));
    let command = ["make", "-C", "target/copy", "run", &format!("PORT={port}")];
    let timeout = Duration::from_secs(300);
    let (_server, _) = ServerProcess::start(&command, timeout, || ask("How this visit was counted"));
    let page = copy.join("src/page/page.html");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(page, text.replace("How this visit was counted", "Saved")).unwrap();
    let deadline = Instant::now() + timeout;
    while ask("Saved").is_none() {
        assert!(Instant::now() < deadline, "the page does not change");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Returns what `make run` prints when it fails.
#[track_caller]
fn refused_by_make_run(port: &str, settings: &[&str]) -> String {
    let mut make = Command::new("make");
    make.current_dir(ROOT).args(["run", &format!("PORT={port}")]).args(settings);
    let Output { status, stdout, stderr } = make.output().unwrap();
    let said = [stdout, stderr].map(|it| String::from_utf8(it).unwrap()).concat();
    assert!(!status.success(), "{said}");
    said
}

/// Returns what a program prints. The program must succeed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
