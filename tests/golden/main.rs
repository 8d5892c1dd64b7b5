//! See each file.
mod softmax;
