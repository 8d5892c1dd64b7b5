//! Numbers of reference programs: each `.json` was printed by the `.py` beside it.

mod calibrators;
mod metrics;
mod softmax;
mod tfidf;
mod ties;
