use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use prost::Message;

use super::GraphError;
use super::messages::{Graph, Model, Tensor};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::files;

/// Names that are ours in a model folder.
const TAKEN: [&str; 6] =
    [files::GRAPH, files::CARD, files::HEAD, files::TOKENIZER, files::TOKENIZER_CONFIG, files::ENCODER];

/// Copies an ONNX file and the files that hold its weights into a model folder; gives the number of its nodes.
///
/// # Errors
/// `GraphError::Foreign` when it is no ONNX file, or its weights lie elsewhere than beside it.
pub(super) fn copy_graph(file: &Path, folder: &Path) -> Result<usize, GraphError> {
    let foreign = |message: String| GraphError::Foreign { path: file.to_owned(), message };
    let bytes = fs::read(file).map_err(|source| CheckpointError::Read { path: file.to_owned(), source })?;
    let model = Model::decode(&bytes[..]).map_err(|error| foreign(format!("it is no ONNX file: {error}")))?;
    let graph = model.graph.ok_or_else(|| foreign("it is no ONNX file: it holds no graph".to_owned()))?;
    let mut names = BTreeSet::new();
    locations(&graph, &mut names);
    for name in names {
        if Path::new(&name).file_name() != Some(name.as_ref()) || TAKEN.contains(&name.as_str()) {
            return Err(foreign(format!(
                "its weights lie in `{name}`, which is not the name of a file beside it that a model folder can hold; \
                 save it again with `onnx.save_model(model, 'model.onnx', save_as_external_data=True, \
                 location='model.onnx.data')`"
            )));
        }
        let path = file.with_file_name(&name);
        if !path.is_file() {
            return Err(foreign(format!("its weights lie in `{}`, which is not there", path.display())));
        }
        fs::copy(&path, folder.join(&name)).map_err(|source| GraphError::Folder { path, source })?;
    }
    crate::files::write(&folder.join(files::GRAPH), &bytes)?;
    Ok(graph.node.len())
}

/// The files that hold weights of a graph or of a graph inside of it.
fn locations(graph: &Graph, names: &mut BTreeSet<String>) {
    let mut note = |tensor: &Tensor| {
        let location = tensor.external_data.iter().find(|entry| entry.key == "location");
        names.extend(location.map(|entry| entry.value.clone()));
    };
    graph.initializer.iter().for_each(&mut note);
    let attributes = || graph.node.iter().flat_map(|node| &node.attribute);
    attributes().filter_map(|attribute| attribute.t.as_ref()).for_each(&mut note);
    for inner in attributes().filter_map(|attribute| attribute.g.as_deref()) {
        locations(inner, names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::graph::messages::{Attribute, Entry, Node};

    fn written(folder: &Path, location: &str) -> std::path::PathBuf {
        let external_data = vec![Entry { key: "location".to_owned(), value: location.to_owned() }];
        let tensor = Tensor { external_data, data_location: 1, ..Default::default() };
        let constant = Attribute { t: Some(tensor), ..Default::default() };
        let node = Node { op_type: "Constant".to_owned(), attribute: vec![constant], ..Default::default() };
        let branch = Attribute {
            g: Some(Box::new(Graph { node: vec![node], ..Default::default() })),
            ..Default::default()
        };
        let node = Node { op_type: "If".to_owned(), attribute: vec![branch], ..Default::default() };
        let graph = Graph { node: vec![node], ..Default::default() };
        let path = folder.join("theirs.onnx");
        fs::write(&path, Model { graph: Some(graph), ..Default::default() }.encode_to_vec()).unwrap();
        path
    }

    #[test]
    fn weights_beside_the_graph_come_along_even_those_of_a_branch() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let path = written(from.path(), "weights.bin");
        let missing = copy_graph(&path, to.path()).unwrap_err().to_string();
        assert!(missing.contains("weights.bin") && missing.contains("not there"), "{missing}");
        fs::write(from.path().join("weights.bin"), b"numbers").unwrap();
        assert_eq!(copy_graph(&path, to.path()).unwrap(), 1);
        assert_eq!(fs::read(to.path().join("weights.bin")).unwrap(), b"numbers");
        assert_eq!(fs::read(to.path().join("model.onnx")).unwrap(), fs::read(&path).unwrap());
    }

    #[test]
    fn weights_elsewhere_and_files_of_another_kind_are_refused() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for place in ["../weights.bin", "/etc/weights.bin", "data/weights.bin", "tokenizer.json"] {
            let message = copy_graph(&written(from.path(), place), to.path()).unwrap_err().to_string();
            assert!(message.contains(place), "{message}");
        }
        let path = from.path().join("text.onnx");
        fs::write(&path, "no graph").unwrap();
        assert!(copy_graph(&path, to.path()).unwrap_err().to_string().contains("no ONNX file"));
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    }
}
