//! Measures the function's program beside the alternatives, as Lambda runs it.
//!
//! ```text
//! process              measures everything, prints a table, writes target/bench/results.json
//! process --record     the same, and keeps the results as benches/results.json
//! process --check      compares the exact figures with benches/baseline.json
//! process --accept     makes the exact figures the new baseline
//! process --profile    says which functions the instructions of a visit are spent in
//! ```

mod baseline;
mod contender;
mod function;
mod instructions;
mod measurement;
mod page;
mod results;
mod runtime_api;
mod throttle;

use std::{
    env, io,
    process::{Command, ExitCode, Stdio},
};

use baseline::Exact;
use contender::Folders;
use instructions::Instructions;
use page::{Event, Page};
use results::Results;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => bench(false),
        ["--record"] => bench(true),
        ["--check"] => check(),
        ["--accept"] => accept(),
        ["--profile"] => profile(),
        _ => {
            eprintln!("usage: process [--record | --check | --accept | --profile]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(keep: bool) -> io::Result<ExitCode> {
    let folders = Folders::find()?;
    let event = Event::read(&folders)?;
    let counter = contender::counter(&folders)?;
    let page = Page::serve(&counter, &event, &folders)?;
    let mut contenders = vec![
        counter,
        contender::constant_page(&folders, &page)?,
        contender::newcomer(&folders, &page)?,
    ];
    contenders.push(contender::django(&folders, &page)?);
    let event = event.json();
    share_one_processor()?;
    eprintln!("measuring time and memory");
    let measurements = measurement::measure(&contenders, &event, &page)?;
    eprintln!("counting instructions");
    let instructions = contenders
        .iter()
        .map(|contender| count(contender, &event, &folders))
        .collect::<io::Result<Vec<_>>>()?;
    let results = Results::new(&contenders, &measurements, &instructions)?;
    print!("{}", results.table());
    results.write(&folders, keep)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps this program, and what it starts from here on, on one processor: an environment has a
/// fraction of one. On two, a visit's log line and answer wake an idle processor, which a virtual
/// machine charges to the one that wrote, at half of a visit's time more or less.
fn share_one_processor() -> io::Result<()> {
    let id = std::process::id().to_string();
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", "0", &id])
        .stdout(Stdio::null())
        .status()?;
    if pinned.success() {
        Ok(())
    } else {
        Err(io::Error::other("taskset failed"))
    }
}

fn count(
    contender: &contender::Contender,
    event: &[u8],
    folders: &Folders,
) -> io::Result<Option<Instructions>> {
    instructions::can_be_counted()
        .then(|| instructions::count(contender, event, &folders.target))
        .transpose()
}

fn exact(folders: &Folders) -> io::Result<Exact> {
    let event = Event::read(folders)?;
    let counter = contender::counter(folders)?;
    let page = Page::serve(&counter, &event, folders)?;
    let constant_page = contender::constant_page(folders, &page)?;
    let growth = instructions::can_be_counted()
        .then(|| instructions::growth_with_neighbours(&counter, &event, &folders.target))
        .transpose()?;
    let event = event.json();
    Ok(Exact::new(
        (&counter, count(&counter, &event, folders)?),
        (&constant_page, count(&constant_page, &event, folders)?),
        measurement::log_bytes_a_visit(&counter, &event)?,
        growth,
    ))
}

fn check() -> io::Result<ExitCode> {
    let folders = Folders::find()?;
    let differences = exact(&folders)?.compare(&folders)?;
    if !instructions::can_be_counted() {
        println!("instructions: not checked, because valgrind is not installed");
    }
    if differences.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for difference in differences {
        eprintln!("{difference}");
    }
    eprintln!(
        "`make bench-profile` says where the instructions go; run it before and after the change. \
         If the change is worth its cost, or made things cheaper, `make bench-accept` makes these \
         figures the baseline: commit benches/baseline.json with the change."
    );
    Ok(ExitCode::FAILURE)
}

fn accept() -> io::Result<ExitCode> {
    let folders = Folders::find()?;
    if !instructions::can_be_counted() {
        return Err(io::Error::other(
            "a baseline needs valgrind, to count instructions",
        ));
    }
    exact(&folders)?.accept(&folders)?;
    Ok(ExitCode::SUCCESS)
}

fn profile() -> io::Result<ExitCode> {
    let folders = Folders::find()?;
    let event = Event::read(&folders)?.json();
    let counter = contender::counter_with_symbols(&folders)?;
    print!(
        "{}",
        instructions::profile(&counter, &event, &folders.target)?
    );
    Ok(ExitCode::SUCCESS)
}
