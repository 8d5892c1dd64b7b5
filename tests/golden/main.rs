//! See each file.
mod softmax;
mod tfidf;
mod ties;
