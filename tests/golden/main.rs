//! See each file.
mod tfidf;
