//! Where ONNX Runtime put every node: the only way to see that a device is used and not only compiled in.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};

use ort::AsPointer;
use ort::session::Session;
use serde::{Deserialize, Serialize};

/// The session option without which nothing is recorded.
pub(super) const RECORD_OPTION: &str = "session.record_ep_graph_assignment_info";

/// Which execution provider runs how many nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Placement {
    /// By provider, and in it by operator; counted after the graph was optimised.
    Known {
        /// Number of nodes: provider, then operator.
        nodes: BTreeMap<String, BTreeMap<String, usize>>,
    },
    /// The library did not say.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Placement {
    /// Nodes on one provider; `None` where it is not known.
    #[must_use]
    pub fn nodes_on(&self, provider: &str) -> Option<usize> {
        match self {
            Self::Known { nodes } => Some(nodes.get(provider).map_or(0, |by| by.values().sum())),
            Self::Unknown { .. } => None,
        }
    }

    /// One line, such as `CPUExecutionProvider 51`.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Known { nodes } => nodes
                .iter()
                .map(|(provider, by)| format!("{provider} {}", by.values().sum::<usize>()))
                .collect::<Vec<_>>()
                .join(", "),
            Self::Unknown { reason } => format!("unknown: {reason}"),
        }
    }
}

/// Asks the session; a library that does not answer gives `Unknown`, never an error.
pub(super) fn of_session(session: &Session) -> Placement {
    match assignments(session) {
        Ok(nodes) if nodes.is_empty() => {
            Placement::Unknown { reason: "the library recorded nothing".to_owned() }
        }
        Ok(nodes) => Placement::Known { nodes },
        Err(error) => Placement::Unknown { reason: error.to_string() },
    }
}

#[expect(unsafe_code, reason = "the crate does not wrap these calls; every pointer is the session's own")]
fn assignments(session: &Session) -> ort::Result<BTreeMap<String, BTreeMap<String, usize>>> {
    let api = ort::api();
    let mut nodes = BTreeMap::<String, BTreeMap<String, usize>>::new();
    let (mut subgraphs, mut count) = (std::ptr::null(), 0_usize);
    // SAFETY: the session outlives the call; the arrays and strings that it hands out belong to it, live as
    // long as it does, and hold as many elements as it says; each status is taken over exactly once.
    unsafe {
        ort::Error::result_from_status((api.Session_GetEpGraphAssignmentInfo)(
            session.ptr(),
            &raw mut subgraphs,
            &raw mut count,
        ))?;
        for index in 0..count {
            let subgraph = *subgraphs.add(index);
            let mut name: *const c_char = std::ptr::null();
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetEpName)(subgraph, &raw mut name))?;
            let operators = nodes.entry(CStr::from_ptr(name).to_string_lossy().into_owned()).or_default();
            let (mut members, mut length) = (std::ptr::null(), 0_usize);
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetNodes)(
                subgraph,
                &raw mut members,
                &raw mut length,
            ))?;
            for position in 0..length {
                let mut operator: *const c_char = std::ptr::null();
                ort::Error::result_from_status((api.EpAssignedNode_GetOperatorType)(
                    *members.add(position),
                    &raw mut operator,
                ))?;
                *operators.entry(CStr::from_ptr(operator).to_string_lossy().into_owned()).or_default() += 1;
            }
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_by_provider() {
        let operators = BTreeMap::from([("MatMul".to_owned(), 3), ("Add".to_owned(), 2)]);
        let known =
            Placement::Known { nodes: BTreeMap::from([("CPUExecutionProvider".to_owned(), operators)]) };
        assert_eq!(known.nodes_on("CPUExecutionProvider"), Some(5));
        assert_eq!(known.nodes_on("CUDAExecutionProvider"), Some(0));
        assert_eq!(known.summary(), "CPUExecutionProvider 5");
        let unknown = Placement::Unknown { reason: "old".to_owned() };
        assert_eq!(unknown.nodes_on("CPUExecutionProvider"), None);
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Placement>(&text).unwrap(), known);
    }
}
