//! ONNX Runtime: the pinned library, where it lies and what it offers.

mod library;

pub use library::{
    LibraryError, LibraryInfo, PINNED_VERSION, describe, find_library, install_library, runtime_root,
};
