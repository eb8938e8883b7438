//! The function's program beside the alternatives, as Lambda runs them; `docs/benchmarks.md` says how to
//! read the figures.
//!
//! ```text
//! cargo bench --bench process                measures everything, and prints a table
//! cargo test  --bench process                compares the exact figures with benches/baseline.json
//! cargo test  --bench process -- --accept    makes the exact figures the new baseline
//! cargo test  --bench process -- --profile   names the functions that a visit's instructions are spent in
//! ```
//!
//! All files are found from the working directory, which Cargo makes that of the project: a copy of the
//! project measures itself.

#![expect(
    clippy::cast_precision_loss,
    reason = "no figure comes near 2 to the power of 52"
)]

use std::{
    env, fs,
    path::absolute,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use runtime_api::{Function, RuntimeApi, body};
use serde_json::{Value, json};

#[path = "../tests/it/support/runtime_api.rs"]
mod runtime_api;

/// Cold starts of each contender.
const STARTS: usize = 25;
/// Warm visits to each contender, after some that do not count, and how many before the next has its turn.
const VISITS: usize = 6_000;
const UNCOUNTED_VISITS: usize = 200;
const TURN: usize = 100;
/// The two run lengths between which the slope of an exact figure is taken. The first leaves out what only
/// the first visits do.
const RUNS: [u32; 2] = [100, 500];

const BASELINE: &str = "benches/baseline.json";
/// Where everything is built and written.
const TARGET: &str = "target/bench";
const CALLGRIND: &str = "target/bench/callgrind.out";
const CONTENDERS: &str = "benches/contenders";

/// A visit that is measured in instructions: its name, what is special about its event, and a variable of
/// the environment.
type Case = (&'static str, fn(&mut Value), (&'static str, &'static str));

/// The first is the visit that everything else is measured by: a browser's, behind a Function URL.
#[rustfmt::skip] // a line each
const CASES: [Case; 4] = [
    ("instructions per visit", |_| (), ("", "")),
    ("instructions per visit, no gzip", without_gzip, ("", "")),
    ("instructions per visit, embeddable", |_| (), ("COUNT_EMBED_ORIGINS", "https://example.com")),
    ("instructions per visit, 100 more cookies", with_neighbours, ("", "")),
];

fn without_gzip(event: &mut Value) {
    event["headers"]["accept-encoding"] = "identity".into();
}

fn with_neighbours(event: &mut Value) {
    let neighbour = |number| format!("_neighbour_{number:02}=GA1.2.1234567890.1700000000");
    let neighbours = (0..100).map(neighbour);
    event["cookies"] = neighbours.chain(["count=2".to_owned()]).collect();
}

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("--bench") => bench(),
        Some("--profile") => profile(),
        Some("--accept") => return check(true),
        _ => return check(false),
    }
    ExitCode::SUCCESS
}

// The contenders

/// A program that answers visits.
struct Contender {
    name: &'static str,
    command: String,
    variables: Vec<(&'static str, String)>,
    /// The upload, in bytes.
    zip: u64,
}

impl Contender {
    /// Builds a program in Rust, with the function's profile.
    fn build(name: &'static str, folder: &str, page: &str) -> Self {
        let manifest = fs::read_to_string("Cargo.toml").unwrap();
        let (_, profile) = manifest.split_once("[profile.release]\n").unwrap();
        let keys = profile.lines().map_while(|line| {
            let key = line.split(" #").next()?.replace(' ', "");
            key.contains('=')
                .then(|| format!("--config=profile.release.{key}"))
        });
        run(command("cargo build --quiet --release --manifest-path")
            .arg(format!("{folder}/Cargo.toml"))
            .args(["--package", name, "--target-dir", TARGET])
            .args(keys)
            .env("BENCH_PAGE", page));
        let program = format!("{TARGET}/release/{name}");
        Self {
            name,
            zip: zip(name, &program),
            command: program,
            variables: Vec::new(),
        }
    }

    /// The original design.
    fn django(page: &str) -> Self {
        let sources = format!("{CONTENDERS}/django");
        let folder = format!("{TARGET}/django");
        let [package, runtime] = ["requirements", "runtime"].map(|name| {
            let (list, folder) = (format!("{sources}/{name}.txt"), format!("{folder}/{name}"));
            let installed = format!("{folder}.txt");
            if fs::read(&installed).ok() != fs::read(&list).ok() {
                fs::remove_dir_all(&folder).ok();
                run(
                    command("python3 -m pip install --quiet --disable-pip-version-check")
                        .args(["--root-user-action=ignore", "--no-deps", "--no-compile"])
                        .args(["--target", &folder, "--requirement", &list]),
                );
                fs::copy(&list, installed).unwrap();
            }
            folder
        });
        fs::copy(format!("{sources}/app.py"), format!("{package}/app.py")).unwrap();
        fs::copy(page, format!("{package}/page.html")).unwrap();
        // A shim would be one more process between the clock and the program.
        let python = run(command("python3 -c").arg("import sys; print(sys.executable)"));
        Self {
            name: "Django",
            zip: zip("Django", &package),
            command: format!("{} -m awslambdaric app.handler", python.trim()),
            variables: vec![
                ("PYTHONPATH", format!("{package}:{runtime}")),
                ("PYTHONPYCACHEPREFIX", format!("{folder}/bytecode")),
                ("LAMBDA_TASK_ROOT", package),
            ],
        }
    }

    fn start(&self) -> Running {
        self.start_below("", ("", ""))
    }

    /// Starts it below a wrapper, with one more variable if that has a name.
    fn start_below(&self, wrapper: &str, variable: (&'static str, &str)) -> Running {
        let api = RuntimeApi::start();
        let mut variables = self.variables.clone();
        variables.push(("AWS_LAMBDA_RUNTIME_API", api.address().to_string()));
        variables.push((variable.0, variable.1.to_owned()));
        variables.retain(|(name, _)| !name.is_empty());
        let start = Instant::now();
        let function = Function::spawn(
            &mut command(&format!("{wrapper} {}", self.command)),
            variables,
        );
        api.wait_for_poll();
        let first_poll = start.elapsed();
        Running {
            api,
            function,
            first_poll,
        }
    }
}

/// The function itself, and after it those who serve the page that it serves.
fn contenders(event: &Value, only_constant_page: bool) -> Vec<Contender> {
    // A number that nothing else in the page is.
    const PREVIOUS: u64 = 54_321;
    let counter = Contender::build("page-visit-counter", ".", "");
    let running = counter.start();
    let rendered = body(&running.visit(event).1);
    let mut marked = event.clone();
    marked["cookies"] = json!([format!("count={PREVIOUS}")]);
    let template = body(&running.visit(&marked).1)
        .replace(&PREVIOUS.to_string(), "{{ previous }}")
        .replace(&(PREVIOUS + 1).to_string(), "{{ count }}")
        .replace(&(PREVIOUS + 2).to_string(), "{{ next }}");
    let [rendered, template] = [("page", rendered), ("template", template)].map(|(name, page)| {
        let path = format!("{TARGET}/{name}.html");
        // An unchanged file keeps its age, so that nothing is built again for it.
        if fs::read_to_string(&path).ok().as_ref() != Some(&page) {
            fs::write(&path, page).unwrap();
        }
        absolute(path).unwrap().display().to_string()
    });
    let constant_page = Contender::build("constant_page", CONTENDERS, &rendered);
    if only_constant_page {
        return vec![counter, constant_page];
    }
    let newcomer = Contender::build("newcomer", CONTENDERS, &template);
    vec![
        counter,
        constant_page,
        newcomer,
        Contender::django(&template),
    ]
}

/// The size of an archive as SAM makes it: with Python's zlib.
fn zip(name: &str, path: &str) -> u64 {
    let archive = format!("{TARGET}/{name}.zip");
    run(command("python3 -m zipfile --create").args([&archive, path]));
    fs::metadata(archive).unwrap().len()
}

fn command(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// What a command that succeeds prints.
fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A contender at work, which waits for an event.
struct Running {
    api: RuntimeApi,
    function: Function,
    /// After its start.
    first_poll: Duration,
}

impl Running {
    /// Has it answer an event: how long that took, and the answer.
    fn visit(&self, event: &Value) -> (Duration, Value) {
        let event = event.to_string();
        let start = Instant::now();
        let answer = self.api.deliver(None, event).recv().unwrap();
        let time = start.elapsed();
        self.api.wait_for_poll();
        (time, serde_json::from_slice(&answer.unwrap()).unwrap())
    }

    /// Processor time of all its threads so far.
    fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.function.id())).unwrap();
        let nanoseconds = tasks.map(|task| {
            let account = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            account.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

// The exact figures

/// What does not vary from run to run, by name.
fn exact(contender: &Contender, event: &Value) -> Vec<(&'static str, f64)> {
    let (to_first_poll, _) = callgrind(contender, event, ("", ""), 0);
    let mut figures = vec![
        ("zip (bytes)", contender.zip as f64),
        ("instructions to first poll", to_first_poll),
    ];
    let mut logs = Vec::new();
    for (name, special, variable) in CASES {
        let mut event = event.clone();
        special(&mut event);
        let [short, long] = RUNS.map(|visits| callgrind(contender, &event, variable, visits));
        let visits = f64::from(RUNS[1] - RUNS[0]);
        figures.push((name, (long.0 - short.0) / visits));
        logs.push(("log per visit (bytes)", (long.1 - short.1) / visits));
    }
    figures.push(logs[0]);
    figures.extend(sizes(&contender.start().visit(event).1));
    figures
}

/// Instructions from the start to the poll after so many visits, and bytes logged meanwhile.
fn callgrind(
    contender: &Contender,
    event: &Value,
    variable: (&'static str, &str),
    visits: u32,
) -> (f64, f64) {
    let wrapper = format!("valgrind --quiet --tool=callgrind --callgrind-out-file={CALLGRIND}");
    let running = contender.start_below(&wrapper, variable);
    running.api.wait_for_sleep_of(&running.function);
    for _ in 0..visits {
        running.visit(event);
    }
    // It ends where it waits for an event, not an instruction later.
    running.function.wait_for_sleep();
    let logged = running
        .function
        .end()
        .iter()
        .map(|line| line.len() + 1)
        .sum::<usize>();
    let report = fs::read_to_string(CALLGRIND).unwrap();
    let total = report
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    (total.unwrap().trim().parse().unwrap(), logged as f64)
}

/// What an answer's body and the whole of it take on the wire, without what AWS adds.
fn sizes(answer: &Value) -> [(&'static str, f64); 2] {
    let body = answer["body"].as_str().unwrap();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => body.trim_end_matches('=').len() * 3 / 4,
        _ => body.len(),
    };
    let headers = answer["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value));
    let cookies = answer["cookies"].as_array().into_iter().flatten();
    let lines = headers.chain(cookies.map(|cookie| ("set-cookie", cookie)));
    let length =
        |(name, value): (&str, &Value)| name.len() + value.as_str().unwrap().len() + ": \r\n".len();
    let head = "HTTP/1.1 200 OK\r\n\r\n".len() + lines.map(length).sum::<usize>();
    [
        ("body (bytes)", body as f64),
        ("answer with its headers (bytes)", (head + body) as f64),
    ]
}

/// Compares the function's exact figures with the baseline, or makes them the baseline. Most are in relation
/// to the constant page that is built and run beside it: another machine's libraries and compiler change both.
fn check(accept: bool) -> ExitCode {
    let event = event();
    let [ours, constant_page] = &contenders(&event, true)[..] else {
        unreachable!()
    };
    let [ours, constant_page] = [ours, constant_page].map(|it| exact(it, &event));
    let mut baseline: Value = serde_json::from_str(&fs::read_to_string(BASELINE).unwrap()).unwrap();
    let mut code = ExitCode::SUCCESS;
    for ((name, ours), (_, constant_page)) in ours.into_iter().zip(constant_page) {
        let entry = &mut baseline[name];
        let now = if entry["unit"] == "bytes" {
            ours
        } else {
            ours / constant_page
        };
        let now = (now * 10_000.0).round() / 10_000.0;
        if accept {
            entry["baseline"] = now.into();
            continue;
        }
        let (then, tolerance) = (
            entry["baseline"].as_f64().unwrap(),
            entry["tolerance"].as_f64().unwrap(),
        );
        let change = now / then - 1.0;
        let verdict = if change.abs() > tolerance {
            "CHANGED"
        } else {
            "ok"
        };
        println!(
            "{verdict:8}{name}: {now}, was {then} ({:+.2} %, tolerance {:.1} %)",
            change * 100.0,
            tolerance * 100.0
        );
        if change.abs() > tolerance {
            code = ExitCode::FAILURE;
        }
    }
    if accept {
        fs::write(BASELINE, format!("{baseline:#}\n")).unwrap();
    } else if code == ExitCode::FAILURE {
        eprintln!(
            "`make bench-profile` says where the instructions go; run it before and after the change. If \
             the change is worth its cost, or made things cheaper, `make bench-accept` makes these figures \
             the baseline: commit {BASELINE} with the change."
        );
    }
    code
}

/// Prints where the instructions of many visits go, with the program's symbols left in.
fn profile() {
    let target = format!("{TARGET}/symbols");
    run(
        command("cargo build --quiet --release --config=profile.release.strip=false")
            .args(["--target-dir", &target]),
    );
    let counter = Contender {
        name: "symbols",
        command: format!("{target}/release/page-visit-counter"),
        variables: Vec::new(),
        zip: 0,
    };
    callgrind(&counter, &event(), ("", ""), RUNS[1]);
    print!(
        "{}",
        run(Command::new("callgrind_annotate").args(["--auto=no", CALLGRIND]))
    );
}

// The table

fn bench() {
    let event = event();
    let contenders = contenders(&event, false);
    share_one_processor();
    let mut columns = Vec::new();
    for (contender, times) in contenders.iter().zip(times(&contenders, &event)) {
        eprintln!("counting the instructions of {}", contender.name);
        columns.push([times, exact(contender, &event)].concat());
    }
    let row = |name: &str, cells: Vec<String>| {
        print!("| {name:40} |");
        let cells = cells.iter().map(|cell| format!(" {cell:>18} |"));
        println!("{}", cells.collect::<String>());
    };
    row("", contenders.iter().map(|it| it.name.to_owned()).collect());
    row(&"-".repeat(40), vec!["-".repeat(17) + ":"; columns.len()]);
    for (at, (name, _)) in columns[0].iter().enumerate() {
        row(
            name,
            columns.iter().map(|column| grouped(column[at].1)).collect(),
        );
    }
}

/// What varies with the machine and with what else it does. The contenders take turns at every step, so
/// that a machine that grows slower or faster does so for all of them.
fn times(contenders: &[Contender], event: &Value) -> Vec<Vec<(&'static str, f64)>> {
    let mut starts = vec![[const { Vec::new() }; 2]; contenders.len()];
    for _ in 0..STARTS {
        for (contender, [polls, answers]) in contenders.iter().zip(&mut starts) {
            let running = contender.start();
            polls.push(running.first_poll);
            answers.push(running.first_poll + running.visit(event).0);
        }
    }
    let warm: Vec<_> = contenders.iter().map(Contender::start).collect();
    for (contender, running) in contenders.iter().zip(&warm) {
        for _ in 0..UNCOUNTED_VISITS {
            let (_, answer) = running.visit(event);
            assert!(
                body(&answer).contains("<b>3</b></h1>"),
                "{} serves another page",
                contender.name
            );
        }
    }
    let before: Vec<_> = warm.iter().map(Running::processor_time).collect();
    let mut visits = vec![Vec::new(); warm.len()];
    for _ in 0..VISITS / TURN {
        for (running, visits) in warm.iter().zip(&mut visits) {
            visits.extend((0..TURN).map(|_| running.visit(event).0));
        }
    }
    let figures = |at: usize| {
        let [polls, answers] = starts[at].clone();
        let processor = warm[at]
            .processor_time()
            .saturating_sub(before[at])
            .as_secs_f64();
        vec![
            ("start to first poll (ms)", median(polls) * 1e3),
            ("start to first answer (ms)", median(answers) * 1e3),
            ("warm visit, median (µs)", median(visits[at].clone()) * 1e6),
            (
                "processor time per visit (µs)",
                processor / VISITS as f64 * 1e6,
            ),
            (
                "peak resident memory (KiB)",
                warm[at].function.memory_kib("VmHWM") as f64,
            ),
        ]
    };
    (0..warm.len()).map(figures).collect()
}

/// Keeps this program, and what it starts from here on, on one processor: an environment has a fraction of
/// one. On two, a visit's log line and answer wake an idle processor, which a virtual machine charges to
/// the one that wrote, at half of a visit's time more or less.
fn share_one_processor() {
    let id = std::process::id().to_string();
    run(Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", "0", &id]));
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// With commas between thousands, and two decimals below ten.
fn grouped(figure: f64) -> String {
    if figure < 10.0 {
        return format!("{figure:.2}");
    }
    let digits = format!("{figure:.0}").into_bytes();
    let groups: Vec<_> = digits
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}

fn event() -> Value {
    serde_json::from_slice(&fs::read("events/return_visit.json").unwrap()).unwrap()
}
