//! The exact figures, and how far they may move before somebody is to look.

use std::{fs, io, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    contender::{Contender, Folders},
    instructions::Instructions,
};

/// The figures that do not vary from run to run.
#[derive(Debug)]
pub(crate) struct Exact {
    figures: Vec<(&'static str, f64)>,
}

impl Exact {
    /// Of the function, beside the constant page that was built and run on the same machine: another
    /// machine's libraries and compiler change both.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no figure comes near 2 to the power of 52"
    )]
    pub(crate) fn new(
        counter: (&Contender, Option<Instructions>),
        constant_page: (&Contender, Option<Instructions>),
        log_bytes_a_visit: u64,
        growth_with_neighbours: Option<f64>,
    ) -> Self {
        let ratio = |ours: u64, theirs: u64| ours as f64 / theirs as f64;
        let mut figures = vec![
            ("zip", ratio(counter.0.zip, constant_page.0.zip)),
            ("log_bytes_a_visit", log_bytes_a_visit as f64),
        ];
        if let (Some(ours), Some(theirs)) = (counter.1, constant_page.1) {
            figures.push((
                "instructions_to_first_poll",
                ratio(ours.to_first_poll, theirs.to_first_poll),
            ));
            figures.push(("instructions_a_visit", ratio(ours.a_visit, theirs.a_visit)));
        }
        figures.extend(growth_with_neighbours.map(|growth| ("growth_with_cookies", growth)));
        Self { figures }
    }

    /// What differs from the baseline by more than its tolerance, a line each.
    pub(crate) fn compare(&self, folders: &Folders) -> io::Result<Vec<String>> {
        let baseline = read(folders)?;
        let mut differences = Vec::new();
        for (name, now) in &self.figures {
            let entry = &baseline[name];
            let (Some(then), Some(tolerance)) =
                (entry["baseline"].as_f64(), entry["tolerance"].as_f64())
            else {
                return Err(io::Error::other(format!("no {name} in the baseline")));
            };
            println!(
                "{name}: {now:.4}, baseline {then:.4} ± {:.1} %",
                tolerance * 100.0
            );
            if (now / then - 1.0).abs() > tolerance {
                let direction = if *now > then { "up" } else { "down" };
                differences.push(format!(
                    "{name} went {direction} from {then:.4} to {now:.4} ({:+.1} %, tolerance {:.1} %)",
                    (now / then - 1.0) * 100.0,
                    tolerance * 100.0,
                ));
            }
        }
        Ok(differences)
    }

    /// Makes these the baseline, with the tolerances that it has.
    pub(crate) fn accept(&self, folders: &Folders) -> io::Result<()> {
        let mut baseline = read(folders)?;
        for (name, now) in &self.figures {
            baseline[*name]["baseline"] = json!((now * 10_000.0).round() / 10_000.0);
        }
        fs::write(path(folders), format!("{baseline:#}\n"))
    }
}

fn path(folders: &Folders) -> PathBuf {
    folders.root.join("benches/baseline.json")
}

fn read(folders: &Folders) -> io::Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path(folders))?)?)
}
