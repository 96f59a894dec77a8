//! What was measured, side by side, as a Markdown table.

use std::fmt::Write;

use super::figures::{median, range};
use super::server::Kind;

/// How the rounds of a figure become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounds {
    /// The middle one, with the least and the greatest behind it.
    Median,
    /// All together: of a loss, a middle would hide it.
    Sum,
}

/// One figure of one run.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    name: &'static str,
    value: f64,
    digits: usize,
    rounds: Rounds,
    /// Whether servers can be compared by it.
    compared: bool,
}

impl Figure {
    /// A figure whose middle counts.
    pub fn median(name: &'static str, value: f64, digits: usize) -> Figure {
        Figure { name, value, digits, rounds: Rounds::Median, compared: true }
    }

    /// Its value, if this is its name.
    pub fn named(&self, name: &str) -> Option<f64> {
        (self.name == name).then_some(self.value)
    }

    /// A figure that adds up.
    pub fn sum(name: &'static str, value: f64) -> Figure {
        Figure { name, value, digits: 0, rounds: Rounds::Sum, compared: false }
    }

    /// A figure of the machine, not of the server.
    pub fn noise(name: &'static str, value: f64) -> Figure {
        Figure { name, value, digits: 2, rounds: Rounds::Median, compared: false }
    }
}

struct Row {
    scenario: String,
    figure: Figure,
    /// The rounds of each server, in the order of the columns.
    values: Vec<Vec<f64>>,
}

/// The table; its first column of figures is what the others are compared with.
pub struct Table {
    kinds: Vec<Kind>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    /// An empty one with these columns.
    pub fn new(kinds: &[Kind]) -> Table {
        Table { kinds: kinds.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Takes the figures of one run.
    pub fn add(&mut self, scenario: &str, kind: Kind, figures: Vec<Figure>) {
        let column = self.kinds.iter().position(|&known| known == kind).unwrap_or(0);
        for figure in figures {
            let is_it = |row: &Row| row.scenario == scenario && row.figure.name == figure.name;
            let row = self.rows.iter().position(is_it).unwrap_or_else(|| {
                let values = vec![Vec::new(); self.kinds.len()];
                self.rows.push(Row { scenario: scenario.to_owned(), figure, values });
                self.rows.len() - 1
            });
            self.rows[row].values[column].push(figure.value);
        }
    }

    /// Says something below the table that its reader must know, and now as well; once.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            eprintln!("fanout: {note}");
            self.notes.push(note);
        }
    }

    /// As Markdown.
    pub fn render(&self) -> String {
        let mut text = self.head();
        let mut last = "";
        for row in &self.rows {
            // A scenario is named once.
            let scenario = if row.scenario == last { "" } else { &row.scenario };
            last = &row.scenario;
            let _infallible = writeln!(text, "| {scenario} | {} |{}", row.figure.name, row.cells());
        }
        for note in &self.notes {
            let _infallible = write!(text, "\nNote: {note}\n");
        }
        text
    }

    fn head(&self) -> String {
        let mut head = String::from("| scenario | figure |");
        for (column, kind) in self.kinds.iter().enumerate() {
            let _infallible = write!(head, " {} |", kind.name());
            head.push_str(if column > 0 { " x |" } else { "" });
        }
        let columns = 2 * self.kinds.len() - 1;
        format!("{head}\n|---|---|{}\n", "---:|".repeat(columns))
    }
}

impl Row {
    fn cells(&self) -> String {
        let mut cells = String::new();
        for (column, values) in self.values.iter().enumerate() {
            let _infallible = write!(cells, " {} |", self.cell(values));
            if column > 0 {
                let _infallible = write!(cells, " {} |", self.ratio(values));
            }
        }
        cells
    }

    fn cell(&self, values: &[f64]) -> String {
        let digits = self.figure.digits;
        match (values.len(), self.figure.rounds) {
            (0, _) => "-".into(),
            (_, Rounds::Sum) => format!("{:.digits$}", values.iter().sum::<f64>()),
            (1, Rounds::Median) => format!("{:.digits$}", values[0]),
            (_, Rounds::Median) => {
                let (least, greatest) = range(values);
                let middle = median(values);
                format!("{middle:.digits$} ({least:.digits$}-{greatest:.digits$})")
            }
        }
    }

    /// How often the first column's figure this one is.
    fn ratio(&self, values: &[f64]) -> String {
        let measure = median(&self.values[0]);
        if !self.figure.compared || values.is_empty() || measure == 0.0 {
            return String::new();
        }
        format!("{:.2}", median(values) / measure)
    }
}
