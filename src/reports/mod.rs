//! Evaluation -> JSON, Markdown, HTML and SVG: renders, computes nothing.

mod format;
mod plots;
mod view;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment};

use crate::evaluation::{CascadeCost, Evaluation, MemberCost};
use view::View;

pub use view::CostCells;

/// What stands around the numbers of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportContext {
    /// The headline: the run or the file.
    pub title: String,
    /// The resolved configuration as TOML, where there is one.
    pub configuration: Option<String>,
    /// What decides the result: hashes of data, encoder, features; names and values.
    pub identity: Vec<(String, String)>,
    /// What does not: commit, hardware, seconds; names and values.
    pub environment: Vec<(String, String)>,
    /// The members beside what they cost on this machine; none where that is not known.
    pub costs: Vec<MemberCost>,
    /// What a cascade costs on this machine.
    pub cascade: Option<CascadeCost>,
}

/// A report in every form; nothing is written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The evaluation as indented JSON.
    pub json: String,
    /// For reading in a terminal or on a forge; shows the plots of `plots`.
    pub markdown: String,
    /// One page that needs nothing beside it.
    pub html: String,
    /// File names (`scale.svg`) with their drawings.
    pub plots: Vec<(String, String)>,
}

/// A report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template of ours is wrong.
    #[error("the template of the report failed: {source:#}")]
    Template {
        /// What the engine said.
        #[from]
        source: minijinja::Error,
    },
    /// The evaluation holds what JSON cannot.
    #[error("the evaluation cannot be written as JSON: {source}")]
    Json {
        /// What the writer said.
        #[from]
        source: serde_json::Error,
    },
}

impl Rendered {
    /// Every file of the report: its path below the report's folder and its bytes.
    #[must_use]
    pub fn files(&self) -> Vec<(String, &[u8])> {
        let documents =
            [("report.json", &self.json), ("report.md", &self.markdown), ("report.html", &self.html)];
        let documents = documents.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes()));
        let plots = self.plots.iter().map(|(name, svg)| (format!("plots/{name}"), svg.as_bytes()));
        documents.chain(plots).collect()
    }
}

/// Renders an evaluation. The same evaluation and context give the same bytes.
///
/// # Errors
/// `ReportError` when a number cannot be written; never for what the evaluation says.
pub fn render(evaluation: &Evaluation, context: &ReportContext) -> Result<Rendered, ReportError> {
    let plots = plots::all(evaluation);
    let view = Value::from(Serde(&View::new(evaluation, context, &plots)));
    let environment = environment()?;
    let mut json = serde_json::to_string_pretty(evaluation)?;
    json.push('\n');
    Ok(Rendered {
        json,
        markdown: environment.get_template("report.md")?.render(view.clone())?,
        html: environment.get_template("report.html")?.render(view)?,
        plots: plots.into_iter().map(|plot| (format!("{}.svg", plot.name), plot.svg)).collect(),
    })
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if name == "report.html" { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("nats", format::nats);
    environment.add_filter("signed", format::signed);
    environment.add_filter("share", format::share);
    environment.add_filter("probability", format::probability);
    environment.add_filter("count", format::count);
    environment.add_filter("cell", |text: &str| format::cell(text));
    environment.add_filter("inline", |text: &str| format::inline(text));
    environment.add_filter("prose", |text: &str| format::prose(text));
    environment.add_filter("prose_html", |text: &str| Value::from_safe_string(format::prose_html(text)));
    environment.add_filter("fenced", |text: &str| format::fenced(text));
    environment.add_template("report.md", include_str!("templates/report.md.jinja"))?;
    environment.add_template("report.html", include_str!("templates/report.html.jinja"))?;
    Ok(environment)
}

#[cfg(test)]
mod tests;
