//! What a visit costs, compared with the smallest possible `lambda_http` function that compresses the same page.
//! `docs/benchmarks.md` explains the figures.

use std::{env, fs, io::Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    front_doors::sample,
    function::{Function, counter},
};

/// What is measured, and its limit: the counter may need at most this many times what the constant page needs. For
/// callgrind's figures, this ratio hardly depends on the compiler and the C library. Memory is only printed.
const ROWS: [(&str, Option<f64>); 7] = [
    ("peak resident memory (KiB)", None),
    ("answer's body (bytes)", Some(1.0)),
    ("answer (bytes)", None),    // data transfer is the largest part of what a visit costs
    ("zip (bytes)", Some(0.95)), // an upload, and a part of each cold start
    ("instructions to first poll", Some(1.15)),
    ("instructions per visit", Some(1.05)),
    ("instructions per visit with 100 more cookies", Some(1.1)), // shows a cost that grows faster than they do
];

/// The visits of two runs. The difference between the runs does not include the start.
const RUNS: [u64; 2] = [100, 500];

#[test]
#[ignore = "needs valgrind and release builds: make test-cost"]
#[expect(clippy::cast_precision_loss, reason = "every figure is far below 2 to the power of 52")]
fn a_visit_costs_no_more_than_permitted() {
    let theirs = env::var("CONSTANT_PAGE").expect("its program");
    // The function's own page.
    let page = Answer::read(&Function::start(&[]).invoke(sample("return_visit").to_string()).unwrap()).body;
    let [ours, theirs] = [&counter(), &theirs].map(|program| costs(program, &page));
    let mut exceeded = Vec::new();
    for (((name, limit), ours), theirs) in ROWS.into_iter().zip(ours).zip(theirs) {
        let ratio = ours as f64 / theirs as f64;
        let printed = limit.map_or(String::new(), |limit| limit.to_string());
        println!("| {name:44} | {ours:>9} | {theirs:>13} | {ratio:.3} | {printed:>5} |");
        exceeded.extend(limit.is_some_and(|limit| ratio > limit).then_some(name));
    }
    assert!(exceeded.is_empty(), "more than permitted: {exceeded:?}");
}

/// The figures in [`ROWS`].
fn costs(program: &str, page: &str) -> [u64; ROWS.len()] {
    let event = sample("return_visit");
    let function = Function::spawn(&[program], &[("PAGE", page)]);
    let answer = (0..1_000).map(|_| function.invoke(event.to_string()).unwrap()).last().unwrap();
    let memory = function.memory_kib("VmHWM");

    let body = BASE64_STANDARD.decode(answer["body"].as_str().unwrap()).unwrap().len();
    let headers = [&answer["headers"], &answer["cookies"]].map(|part| part.to_string().len());
    let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
    zip.write_all(&fs::read(program).unwrap()).unwrap();

    let mut cookies = event.clone();
    let others = (0..100).map(|number| format!("_other_{number:02}=GA1.2.1234567890.1700000000"));
    cookies["cookies"] = others.chain(["count=2".to_owned()]).collect();
    let [visit, visit_with_cookies] = [event, cookies].map(|event| {
        let [short, long] = RUNS.map(|visits| instructions(program, page, &event, visits));
        (long - short) / (RUNS[1] - RUNS[0])
    });
    let answer = body + headers.iter().sum::<usize>();
    let [body, answer, zip] = [body, answer, zip.finish().unwrap().len()].map(|it| it as u64);
    [memory, body, answer, zip, instructions(program, page, &json!(null), 0), visit, visit_with_cookies]
}

/// Instructions from the start until the program polls after these visits.
fn instructions(program: &str, page: &str, event: &Value, visits: u64) -> u64 {
    let report = "target/callgrind.out";
    let output = format!("--callgrind-out-file={report}");
    let command = ["valgrind", "--quiet", "--tool=callgrind", &output, program];
    let function = Function::spawn(&command, &[("PAGE", page)]);
    function.wait_for_poll();
    for _ in 0..visits {
        function.invoke(event.to_string()).unwrap();
        function.wait_for_poll();
    }
    function.end();
    let report = fs::read_to_string(report).unwrap();
    report.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap().trim().parse().unwrap()
}
