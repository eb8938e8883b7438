//! Time, memory and bytes: what varies with the machine and with what else it does.
//!
//! The contenders take turns at every step, so that a machine that grows slower or faster while they are
//! measured does so for all of them.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{contender::Contender, function::Function, page::Page, throttle::Throttle};

/// Cold starts of each contender.
const STARTS: usize = 25;
/// Warm visits to each contender, after some that do not count.
const VISITS: usize = 6_000;
const UNCOUNTED_VISITS: usize = 200;
/// Visits to one contender before the next has its turn.
const TURN: usize = 100;
/// How long each contender answers visits with the processor of 128 MB.
const THROTTLED_TIME: Duration = Duration::from_secs(5);

/// What was measured of one contender.
#[derive(Debug)]
pub(crate) struct Measurement {
    /// From the start of the program to its first poll: the median.
    pub(crate) first_poll: Duration,
    /// From the start of the program to its first answer: the median.
    pub(crate) first_answer: Duration,
    /// A warm visit: the median.
    pub(crate) warm_median: Duration,
    /// A warm visit: all but one in a hundred are faster.
    pub(crate) warm_p99: Duration,
    /// Processor time of a warm visit.
    pub(crate) cpu_a_visit: Duration,
    /// The most memory resident, in KiB.
    pub(crate) peak_resident_kib: u64,
    /// Bytes logged at each visit but the first.
    pub(crate) log_bytes_a_visit: u64,
    /// Visits that one environment of 128 MB answers in a second, if the machine lets a process be
    /// throttled so.
    pub(crate) throttled_visits_a_second: Option<f64>,
}

/// Measures all contenders.
pub(crate) fn measure(
    contenders: &[Contender],
    event: &[u8],
    page: &Page,
) -> io::Result<Vec<Measurement>> {
    let cold = start_cold(contenders, event)?;
    let mut warm = Vec::new();
    for contender in contenders {
        let mut function = Function::start(contender, &[])?;
        let (_, answer) = function.visit(event)?;
        if !page.is_body_of(&answer)? {
            let message = format!("{} serves another page", contender.name);
            return Err(io::Error::other(message));
        }
        for _ in 0..UNCOUNTED_VISITS {
            function.visit(event)?;
        }
        warm.push(Warm {
            cpu_before: function.cpu_time()?,
            function,
            times: Vec::with_capacity(VISITS),
        });
    }
    for _ in 0..VISITS / TURN {
        for warm in &mut warm {
            for _ in 0..TURN {
                let (time, _) = warm.function.visit(event)?;
                warm.times.push(time);
            }
        }
    }
    let mut measurements = Vec::new();
    for ((contender, (polls, answers)), warm) in contenders.iter().zip(cold).zip(warm) {
        let cpu = warm.function.cpu_time()?.saturating_sub(warm.cpu_before);
        let visits = u32::try_from(warm.times.len()).expect("a few thousand");
        let times = sorted(warm.times);
        measurements.push(Measurement {
            first_poll: polls[polls.len() / 2],
            first_answer: answers[answers.len() / 2],
            warm_median: times[times.len() / 2],
            warm_p99: times[times.len() * 99 / 100],
            cpu_a_visit: cpu / visits,
            peak_resident_kib: warm.function.peak_resident_kib()?,
            log_bytes_a_visit: log_bytes_a_visit(contender, event)?,
            throttled_visits_a_second: throttled(warm.function, event)?,
        });
    }
    Ok(measurements)
}

struct Warm {
    function: Function,
    cpu_before: Duration,
    times: Vec<Duration>,
}

/// From the start to the first poll and to the first answer, sorted.
fn start_cold(
    contenders: &[Contender],
    event: &[u8],
) -> io::Result<Vec<(Vec<Duration>, Vec<Duration>)>> {
    let mut times = vec![(Vec::new(), Vec::new()); contenders.len()];
    for _ in 0..STARTS {
        for (contender, (polls, answers)) in contenders.iter().zip(&mut times) {
            let mut function = Function::start(contender, &[])?;
            polls.push(function.first_poll);
            let (answer, _) = function.visit(event)?;
            answers.push(function.first_poll + answer);
            function.end()?;
        }
    }
    Ok(times
        .into_iter()
        .map(|(polls, answers)| (sorted(polls), sorted(answers)))
        .collect())
}

/// Bytes logged at each visit but the first, exactly.
pub(crate) fn log_bytes_a_visit(contender: &Contender, event: &[u8]) -> io::Result<u64> {
    const VISITS: u64 = 100;
    let bytes = |visits| -> io::Result<u64> {
        let mut function = Function::start(contender, &[])?;
        for _ in 0..visits {
            function.visit(event)?;
        }
        function.end()
    };
    Ok((bytes(1 + VISITS)? - bytes(1)?) / VISITS)
}

fn throttled(mut function: Function, event: &[u8]) -> io::Result<Option<f64>> {
    let Some(_throttle) = Throttle::to_128_mb(function.id()) else {
        return Ok(None);
    };
    let start = Instant::now();
    let mut visits = 0_u32;
    while start.elapsed() < THROTTLED_TIME {
        function.visit(event)?;
        visits += 1;
    }
    let rate = f64::from(visits) / start.elapsed().as_secs_f64();
    function.end()?;
    Ok(Some(rate))
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}
