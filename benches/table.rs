//! Medians, percentiles, and rows that several programs leave for one table.

use std::io::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::say;

/// One line of the table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// How much.
    pub figure: String,
    /// What it stands beside, with its own figure.
    pub beside: String,
    /// The one over the other, where that is the measure.
    pub ratio: Option<f64>,
    /// The most that it may be, as text.
    pub target: String,
    /// Whether it is; nothing where there is no target.
    pub met: Option<bool>,
}

impl Row {
    /// A figure without a target.
    pub fn plain(what: &str, figure: String, beside: String) -> Self {
        Self {
            what: what.to_owned(),
            figure,
            beside,
            ratio: None,
            target: String::new(),
            met: None,
        }
    }

    /// A ratio with the most that it may be.
    pub fn ratio(what: &str, figure: f64, beside: f64, unit: &str, other: &str, most: f64) -> Self {
        let ratio = figure / beside;
        Self {
            what: what.to_owned(),
            figure: format!("{figure:.2} {unit}"),
            beside: format!("{other}: {beside:.2} {unit}"),
            ratio: Some(ratio),
            target: format!("at most {most} times"),
            met: Some(ratio <= most),
        }
    }

    /// A ratio with the least that it may be, if any.
    pub fn least(
        what: &str,
        figure: f64,
        beside: f64,
        unit: &str,
        other: &str,
        least: Option<f64>,
    ) -> Self {
        let mut row = Self::ratio(what, figure, beside, unit, other, f64::MAX);
        row.target = least.map_or(String::new(), |least| format!("at least {least:.1} times"));
        row.met = least.map(|least| figure / beside >= least);
        row
    }

    /// A count or size with the most that it may be.
    pub fn most(what: &str, figure: f64, unit: &str, most: f64) -> Self {
        Self {
            what: what.to_owned(),
            figure: format!("{figure:.1} {unit}"),
            beside: String::new(),
            ratio: None,
            target: format!("at most {most:.0} {unit}"),
            met: Some(figure <= most),
        }
    }

    /// Says it, and leaves it for the table.
    pub fn leave(self) {
        say(&line(&self));
        let Ok(path) = std::env::var("CUTWATER_BENCH_ROWS") else {
            return;
        };
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{}", serde_json::to_string(&self).unwrap()).unwrap();
    }
}

fn line(row: &Row) -> String {
    let ratio = row
        .ratio
        .map(|ratio| format!("{ratio:.2}"))
        .unwrap_or_default();
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "NOT MET",
        None => "",
    };
    format!(
        "| {} | {} | {} | {ratio} | {} | {met} |",
        row.what, row.figure, row.beside, row.target
    )
}

/// Prints the rows of a file as one table.
pub fn print(file: &str) {
    println!("| what | figure | beside | ratio | target | |");
    println!("|---|---|---|---|---|---|");
    for text in std::fs::read_to_string(file).unwrap_or_default().lines() {
        println!("{}", line(&serde_json::from_str(text).unwrap()));
    }
}

/// Figures, sorted; times in milliseconds.
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn new(times: &[Duration]) -> Self {
        Self::of(times.iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    /// Figures that are no times.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    /// The nearest-rank percentile.
    pub fn at(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub fn median(&self) -> f64 {
        self.at(50)
    }

    pub fn p99(&self) -> f64 {
        self.at(99)
    }
}

/// The load of the machine in the last minute: figures are only as good as it is quiet.
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let word = text.split(' ').next().and_then(|word| word.parse().ok());
    word.unwrap_or(f64::NAN)
}
