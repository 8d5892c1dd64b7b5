//! Evaluation -> JSON, Markdown, HTML and SVG: renders, computes nothing.
