//! ONNX Runtime: graphs written by us, the pinned library, where it lies and what it offers, and the sessions
//! that run models.
//!
//! Sessions are made and run on threads of this stage only. A `SessionPool` holds the copies of one model;
//! whoever wants rows computed takes a `Line` to it, submits batches and receives their outputs on its own
//! thread, where the arithmetic of heads belongs.

mod batch;
mod device;
mod environment;
mod error;
mod foundry;
pub mod graph;
mod install;
mod library;
mod making;
mod output;
mod placement;
mod pool;
mod provider;
mod session;
mod signature;
mod trial;

pub use batch::Row;
pub use device::{Device, DeviceKind, UnknownDevice};
pub use error::{BatchError, SessionError};
pub use foundry::flushes_denormals;
pub use install::{install_build, install_library};
pub use library::{
    Build, LibraryError, LibraryInfo, PINNED_VERSION, describe, find_library, find_library_for, runtime_root,
};
pub use output::BatchOutput;
pub use placement::Placement;
pub use pool::{Line, PoolOptions, PoolReport, SessionPool};
pub use signature::{Element, InputRole, ModelInput, Signature};
pub use trial::{DeviceTrial, try_devices};
