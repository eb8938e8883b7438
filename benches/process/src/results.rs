//! What was measured, as a table and as JSON.

use std::{fs, io, process::Command, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    contender::{Contender, Folders, output},
    instructions::Instructions,
    measurement::Measurement,
    throttle,
};

/// All that was measured of all contenders, and where.
#[derive(Debug)]
pub(crate) struct Results {
    date: String,
    processor: String,
    compiler: String,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    /// In the order of [`ROWS`].
    figures: Vec<Option<f64>>,
}

/// The name in the table, the unit, the name in the JSON, decimals in the table.
const ROWS: [(&str, &str, &str, usize); 12] = [
    ("start to first poll", "ms", "first_poll_ms", 2),
    ("start to first answer", "ms", "first_answer_ms", 2),
    ("warm visit, median", "µs", "warm_visit_p50_us", 0),
    ("warm visit, p99", "µs", "warm_visit_p99_us", 0),
    ("processor time a visit", "µs", "cpu_a_visit_us", 1),
    (
        "instructions to first poll",
        "",
        "instructions_to_first_poll",
        0,
    ),
    ("instructions a visit", "", "instructions_a_visit", 0),
    ("peak resident memory", "KiB", "peak_resident_kib", 0),
    ("zip", "bytes", "zip_bytes", 0),
    ("log a visit", "bytes", "log_bytes_a_visit", 0),
    (
        "visits a second at 128 MB",
        "computed",
        "visits_a_second_at_128_mb_computed",
        0,
    ),
    (
        "visits a second at 128 MB",
        "measured",
        "visits_a_second_at_128_mb_measured",
        0,
    ),
];

impl Results {
    /// Puts together what belongs together.
    pub(crate) fn new(
        contenders: &[Contender],
        measurements: &[Measurement],
        instructions: &[Option<Instructions>],
    ) -> io::Result<Self> {
        let columns = contenders
            .iter()
            .zip(measurements)
            .zip(instructions)
            .map(|((contender, measurement), instructions)| Column {
                name: contender.name,
                figures: figures(contender, measurement, *instructions),
            })
            .collect();
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
            .unwrap_or("unknown");
        let count = std::thread::available_parallelism()?;
        Ok(Self {
            date: output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
            processor: format!("{count} × {model} ({})", std::env::consts::ARCH),
            compiler: output(Command::new("rustc").arg("--version"))?,
            columns,
        })
    }

    /// As a Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut lines = vec![vec![format!("{} · {}", self.date, self.processor)]];
        lines[0].extend(self.columns.iter().map(|column| column.name.to_owned()));
        for (row, (name, unit, _, decimals)) in ROWS.iter().enumerate() {
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!(" ({unit})")
            };
            let mut line = vec![format!("{name}{unit}")];
            line.extend(self.columns.iter().map(|column| {
                column.figures[row].map_or("–".to_owned(), |figure| grouped(figure, *decimals))
            }));
            lines.push(line);
        }
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|at| {
                lines
                    .iter()
                    .map(|line| line[at].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let rule = widths.iter().enumerate().map(|(at, width)| {
            let alignment = if at == 0 { '-' } else { ':' };
            "-".repeat(width - 1) + &String::from(alignment)
        });
        lines.insert(1, rule.collect());
        let mut table = String::new();
        for line in lines {
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let space = " ".repeat(width - cell.chars().count());
                let (before, after) = if at == 0 {
                    ("", &*space)
                } else {
                    (&*space, "")
                };
                table.extend(["| ", before, cell, after, " "]);
            }
            table += "|\n";
        }
        table
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let contenders: Map<String, Value> = self
            .columns
            .iter()
            .map(|column| {
                let figures: Map<String, Value> = ROWS
                    .iter()
                    .zip(&column.figures)
                    .map(|((_, _, key, decimals), figure)| {
                        (
                            (*key).to_owned(),
                            json!(figure.map(|it| round(it, *decimals))),
                        )
                    })
                    .collect();
                (column.name.to_owned(), Value::Object(figures))
            })
            .collect();
        json!({
            "date": self.date,
            "processor": self.processor,
            "compiler": self.compiler,
            "contenders": contenders,
        })
    }

    /// Writes the JSON to `target/bench`, and beside the sources if it is to be kept.
    pub(crate) fn write(&self, folders: &Folders, keep: bool) -> io::Result<()> {
        let json = format!("{:#}\n", self.json());
        fs::write(folders.target.join("results.json"), &json)?;
        if keep {
            fs::write(folders.root.join("benches/results.json"), &json)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no figure comes near 2 to the power of 52"
)]
fn figures(
    contender: &Contender,
    measurement: &Measurement,
    instructions: Option<Instructions>,
) -> Vec<Option<f64>> {
    let milliseconds = |time: Duration| Some(time.as_secs_f64() * 1e3);
    let microseconds = |time: Duration| Some(time.as_secs_f64() * 1e6);
    vec![
        milliseconds(measurement.first_poll),
        milliseconds(measurement.first_answer),
        microseconds(measurement.warm_median),
        microseconds(measurement.warm_p99),
        microseconds(measurement.cpu_a_visit),
        instructions.map(|count| count.to_first_poll as f64),
        instructions.map(|count| count.a_visit as f64),
        Some(measurement.peak_resident_kib as f64),
        Some(contender.zip as f64),
        Some(measurement.log_bytes_a_visit as f64),
        Some(throttle::SHARE / measurement.cpu_a_visit.as_secs_f64()),
        measurement.throttled_visits_a_second,
    ]
}

fn round(figure: f64, decimals: usize) -> Value {
    let text = format!("{figure:.decimals$}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// With commas between thousands.
fn grouped(figure: f64, decimals: usize) -> String {
    let text = format!("{figure:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}
