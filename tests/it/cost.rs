//! What a visit costs, compared with the smallest possible `lambda_http` function and with the Django
//! program that the counter replaces. `docs/benchmarks.md` explains the figures.

#![expect(
    clippy::cast_precision_loss,
    reason = "every figure is far below 2 to the power of 52"
)]

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::{Map, Value, json};

use crate::support::runtime_api::{Function, RuntimeApi, body, counter};

/// The visits of two runs. The difference between the runs does not include the start.
const RUNS: [u32; 2] = [100, 500];
/// Starts and visits that are timed. The programs take turns, so that all meet the same machine.
const STARTS: usize = 25;
const VISITS: u32 = 6_000;

const BASELINE: &str = "tests/cost/baseline.json";
const UPLOAD: &str = "target/cost/upload.zip";
const CALLGRIND: &str = "target/cost/callgrind.out";

/// Environment variables.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// A name, a change to the event, and a setting of the function.
type Case = (&'static str, fn(&mut Value), Variables<'static>);

#[rustfmt::skip] // one line each
const CASES: [Case; 4] = [
    ("instructions per visit (thousand)", |_| (), &[]),
    ("instructions per visit, no gzip (thousand)", |event| event["headers"]["accept-encoding"] = json!("identity"), &[]),
    ("instructions per visit, embeddable (thousand)", |_| (), &[("COUNT_EMBED_ORIGINS", "https://example.com")]),
    ("instructions per visit, 100 more cookies (thousand)", add_cookies, &[]),
];

fn add_cookies(event: &mut Value) {
    let others = (0..100).map(|number| format!("_other_{number:02}=GA1.2.1234567890.1700000000"));
    event["cookies"] = others.chain(["count=2".to_owned()]).collect();
}

fn event() -> Value {
    serde_json::from_slice(&fs::read("events/return_visit.json").unwrap()).unwrap()
}

#[test]
#[ignore = "needs valgrind and release builds: make test-cost"]
fn exact_figures_are_those_of_the_baseline() {
    let accept = env::var_os("BASELINE").is_some_and(|it| it == "accept");
    let mut baseline: Map<_, _> = serde_json::from_slice(&fs::read(BASELINE).unwrap()).unwrap();
    let mut moved = Vec::new();
    let constant_page = Program::constant_page().exact();
    let counter = Program::counter().exact();
    for ((name, ours), (_, constant_page)) in counter.iter().zip(constant_page) {
        let absolute = baseline[*name]["absolute"] == true;
        let now = if absolute {
            *ours
        } else {
            ours / constant_page
        };
        let now = (now * 1e4).round() / 1e4;
        let of = |key| baseline[*name][key].as_f64();
        let change = now / of("baseline").unwrap() - 1.0;
        println!("{name}: {now} ({:+.2} %)", change * 1e2);
        let (tolerance, limit) = (of("tolerance").unwrap(), of("limit").unwrap_or(f64::MAX));
        if accept {
            baseline[*name]["baseline"] = now.into();
        } else if change.abs() > tolerance || now > limit {
            moved.push(name);
        }
    }
    if accept {
        fs::write(BASELINE, format!("{:#}\n", Value::from(baseline))).unwrap();
    }
    assert!(
        moved.is_empty(),
        "{moved:?}: see {BASELINE}. Run `make bench-profile` before and after the change to see where the \
         instructions go. If the change is worth them, or saves some, run `make bench-accept` and commit the \
         baseline."
    );
}

#[test]
#[ignore = "only prints where the instructions of a visit go: make bench-profile"]
fn profile() {
    Program::counter().callgrind(&event(), &[], RUNS[1]);
    println!(
        "{}",
        run(words("callgrind_annotate --auto=no").arg(CALLGRIND))
    );
}

#[test]
#[ignore = "only prints the table in docs/benchmarks.md: make bench"]
fn table() {
    // On one processor, because an execution environment has at most one.
    run(words("taskset --all-tasks --cpu-list --pid 0").arg(std::process::id().to_string()));
    let programs = [
        Program::counter(),
        Program::constant_page(),
        Program::django(),
    ];
    let mut columns = times(&programs);
    for (program, column) in programs.iter().zip(&mut columns) {
        column.extend(program.exact());
    }
    for (row, (name, _)) in columns[0].iter().enumerate() {
        print!("| {name:48} |");
        for column in &columns {
            let figure = column[row].1;
            print!(" {figure:>18.*} |", if figure < 10.0 { 2 } else { 0 });
        }
        println!();
    }
}

/// A program that answers visits.
struct Program {
    command: String,
    variables: Variables<'static>,
    /// Kilobytes to upload.
    zip: f64,
}

impl Program {
    fn new(command: String, variables: Variables<'static>, upload: &str) -> Self {
        // Python's zlib, which SAM uses too.
        let zip = format!("mkdir -p target/cost; python3 -m zipfile -c {UPLOAD} {upload}");
        run(Command::new("bash").args(["-ec", &zip]));
        let zip = fs::metadata(UPLOAD).unwrap().len() as f64 / 1e3;
        #[rustfmt::skip]
        let program = Self { command, variables, zip };
        program
    }

    fn counter() -> Self {
        let program = counter().display().to_string();
        Self::new(program.clone(), &[], &program)
    }

    /// The constant page is the function's own page, compiled in.
    fn constant_page() -> Self {
        let target = env::current_dir().unwrap().join("target");
        let (page, file) = (page(2), target.join("cost/page.html"));
        // Do not touch an unchanged file: Cargo would compile the program again.
        if fs::read_to_string(&file).ok().as_ref() != Some(&page) {
            fs::write(&file, page).unwrap();
        }
        let build = "cargo lambda build --quiet --release --manifest-path tests/cost/Cargo.toml";
        let flags = env::var_os("RELEASE_RUSTFLAGS").unwrap_or_default();
        let mut build = words(build);
        build.env("PAGE", file).env("RUSTFLAGS", flags);
        run(build.env("CARGO_TARGET_DIR", target));
        let program = "target/lambda/constant_page/bootstrap";
        Self::new(program.to_owned(), &[], program)
    }

    fn django() -> Self {
        // A number that appears nowhere else on the page.
        let template = page(54_321)
            .replace("54321", "{{ previous }}")
            .replace("54322", "{{ count }}")
            .replace("54323", "{{ next }}");
        fs::write("target/cost/django.html", template).unwrap();
        let python = ".tools/django/bin/python -m awslambdaric django_app.handler";
        let variables = &[
            ("PYTHONPATH", "tests/cost"),
            ("PYTHONPYCACHEPREFIX", "target/cost/bytecode"),
            ("LAMBDA_TASK_ROOT", "tests/cost"),
        ];
        // Without AWS's Python client, which is part of AWS's runtime.
        let packages = ".tools/django/lib/*/site-packages/{apig_wsgi,asgiref,django,sqlparse}";
        Self::new(python.to_owned(), variables, packages)
    }

    fn start(&self, api: &RuntimeApi, wrapper: &str, setting: Variables) -> Function {
        let api_address = [("AWS_LAMBDA_RUNTIME_API", &*api.address().to_string())];
        let mut command = words(&format!("{wrapper} {}", self.command));
        let variables = [&api_address, self.variables, setting].concat();
        let function = Function::spawn(&mut command, variables);
        api.wait_for_poll();
        function
    }

    /// The figures that do not vary from run to run.
    fn exact(&self) -> Vec<(&'static str, f64)> {
        let first_poll = self.callgrind(&event(), &[], 0);
        let mut figures = vec![
            ("zip (KB)", self.zip),
            ("answer (KB)", self.answer()),
            ("instructions to first poll (thousand)", first_poll),
        ];
        for (name, change, setting) in CASES {
            let mut event = event();
            change(&mut event);
            let [short, long] = RUNS.map(|visits| self.callgrind(&event, setting, visits));
            figures.push((name, (long - short) / f64::from(RUNS[1] - RUNS[0])));
        }
        figures
    }

    /// The kilobytes of an answer's body and headers.
    fn answer(&self) -> f64 {
        let api = RuntimeApi::start();
        let _function = self.start(&api, "", &[]);
        let answer = visit(&api, &event());
        let base64 = answer["isBase64Encoded"] == true;
        let body = answer["body"].as_str().unwrap().len() as f64 * if base64 { 0.75 } else { 1.0 };
        let headers = answer["headers"].to_string().len() + answer["cookies"].to_string().len();
        (body + headers as f64) / 1e3
    }

    /// Thousands of instructions from the start until the function polls after these visits.
    fn callgrind(&self, event: &Value, setting: Variables, visits: u32) -> f64 {
        let wrapper = format!("valgrind --quiet --tool=callgrind --callgrind-out-file={CALLGRIND}");
        let api = RuntimeApi::start();
        let function = self.start(&api, &wrapper, setting);
        api.wait_for_sleep_of(&function);
        for _ in 0..visits {
            visit(&api, event);
        }
        // End it only when it sleeps, so that the number of instructions does not vary.
        function.wait_for_sleep();
        function.end();
        let report = fs::read_to_string(CALLGRIND).unwrap();
        let total = report
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        total.unwrap().trim().parse::<f64>().unwrap() / 1e3
    }
}

/// Sends an event to the polling function, and waits until it polls again.
fn visit(api: &RuntimeApi, event: &Value) -> Value {
    let answer = api.deliver(None, event.to_string()).recv().unwrap();
    api.wait_for_poll();
    serde_json::from_slice(&answer.unwrap()).unwrap()
}

/// The function's page for a visit with the count `previous`.
fn page(previous: u64) -> String {
    let api = RuntimeApi::start();
    let _function = Program::counter().start(&api, "", &[]);
    let mut event = event();
    event["cookies"] = json!([format!("count={previous}")]);
    body(&visit(&api, &event))
}

/// The figures that vary with the machine and with what else it does.
fn times(programs: &[Program]) -> Vec<Vec<(&'static str, f64)>> {
    let mut starts = vec![Vec::new(); programs.len()];
    for _ in 0..STARTS {
        for (program, starts) in programs.iter().zip(&mut starts) {
            let (api, start) = (RuntimeApi::start(), Instant::now());
            let _function = program.start(&api, "", &[]);
            starts.push(start.elapsed());
        }
    }
    let running = programs.iter().map(|program| {
        let api = RuntimeApi::start();
        let function = program.start(&api, "", &[]);
        let page = body(&visit(&api, &event()));
        assert!(page.contains("<b>3</b></h1>"), "another page: {page}");
        (api, function)
    });
    let running: Vec<_> = running.collect();
    let turns = |visits| {
        for _ in 0..visits / 100 {
            for (api, _) in &running {
                (0..100).for_each(|_| drop(visit(api, &event())));
            }
        }
        let times = running.iter().map(|(_, function)| processor_time(function));
        times.collect::<Vec<_>>()
    };
    let (before, after) = (turns(200), turns(VISITS));
    let column = |at: usize| {
        starts[at].sort_unstable();
        let start = starts[at][STARTS / 2].as_secs_f64() * 1e3;
        let processor = (after[at] - before[at]) / f64::from(VISITS) / 1e3;
        let memory = running[at].1.memory_kib("VmHWM") as f64;
        vec![
            ("start to first poll (ms)", start),
            ("processor time per visit (µs)", processor),
            ("peak resident memory (KiB)", memory),
        ]
    };
    (0..programs.len()).map(column).collect()
}

/// The nanoseconds of processor time that a function's first thread has used. The others are idle.
fn processor_time(function: &Function) -> f64 {
    let account = fs::read_to_string(format!("/proc/{}/schedstat", function.id())).unwrap();
    account.split(' ').next().unwrap().parse().unwrap()
}

/// A command, split at white space.
fn words(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Returns what a command prints. The command must succeed.
fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
