//! Instructions, counted by valgrind's callgrind: exact for the same program on the same machine,
//! whatever else that machine does.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    contender::{Contender, output},
    function::Function,
    page::Event,
};

/// The two run lengths between which the slope is taken. The first leaves out what only the first
/// visits do.
const SHORT_RUN: u64 = 200;
const LONG_RUN: u64 = 1_200;

/// What a contender executes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instructions {
    /// From the start of the program to its first poll.
    pub(crate) to_first_poll: u64,
    /// For a visit, without the ones before the first poll.
    pub(crate) a_visit: u64,
}

/// Whether valgrind is installed.
pub(crate) fn can_be_counted() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Counts a contender's.
pub(crate) fn count(
    contender: &Contender,
    event: &[u8],
    folder: &Path,
) -> io::Result<Instructions> {
    Ok(Instructions {
        to_first_poll: count_run(contender, event, 0, folder)?,
        a_visit: count_visit(contender, event, SHORT_RUN, LONG_RUN, folder)?,
    })
}

/// How the cost of a visit grows with the cookies that the browser sends along: what each of the
/// eleventh to the hundredth costs, in relation to each of the first ten. 1 is in proportion.
#[expect(
    clippy::cast_precision_loss,
    reason = "no figure comes near 2 to the power of 52"
)]
pub(crate) fn growth_with_neighbours(
    contender: &Contender,
    event: &Event,
    folder: &Path,
) -> io::Result<f64> {
    let visit = |neighbours| -> io::Result<f64> {
        let event = event.with_neighbours(neighbours);
        Ok(count_visit(contender, &event, 20, 120, folder)? as f64)
    };
    let (none, ten, hundred) = (visit(0)?, visit(10)?, visit(100)?);
    Ok((hundred - ten) / 90.0 / ((ten - none) / 10.0))
}

/// The slope between two run lengths.
fn count_visit(
    contender: &Contender,
    event: &[u8],
    short: u64,
    long: u64,
    folder: &Path,
) -> io::Result<u64> {
    let run = |visits| count_run(contender, event, visits, folder);
    Ok((run(long)? - run(short)?) / (long - short))
}

/// Names the functions that a contender spends its instructions in, the dearest first.
pub(crate) fn profile(contender: &Contender, event: &[u8], folder: &Path) -> io::Result<String> {
    count_run(contender, event, LONG_RUN, folder)?;
    output(
        Command::new("callgrind_annotate")
            .arg("--auto=no")
            .arg(file(contender, LONG_RUN, folder)),
    )
}

fn file(contender: &Contender, visits: u64, folder: &Path) -> PathBuf {
    let name = contender.name.replace(' ', "_");
    folder.join(format!("callgrind.{name}.{visits}"))
}

fn count_run(contender: &Contender, event: &[u8], visits: u64, folder: &Path) -> io::Result<u64> {
    let file = file(contender, visits, folder);
    let wrapper = [
        "valgrind".to_owned(),
        "--quiet".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", file.display()),
    ];
    let mut function = Function::start(contender, &wrapper)?;
    function.waits_for_sleep = true;
    for _ in 0..visits {
        function.visit(event)?;
    }
    // It ends where it waits for an event, not an instruction later.
    function.wait_for_sleep()?;
    function.end()?;
    fs::read_to_string(&file)?
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|totals| totals.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("no totals in {}", file.display())))
}
