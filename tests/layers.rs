//! A folder is a layer: it imports only from those that stand below it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Each layer with what it may import. What is to come stands here too, so that its place is known.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("error", &["types"]),
    ("hash", &[]),
    ("random", &[]),
    ("record", &["error", "types"]),
    ("config", &["error", "record", "types"]),
    ("api", &["config", "error", "record", "types"]),
    ("storage", &["types"]),
    ("log", &["error", "record", "storage", "types"]),
    ("topic", &[]),
    ("partition", &["config", "error", "log", "record", "storage", "types"]),
    ("coordinator", &["api", "config", "error", "hash", "random", "record", "types"]),
    (
        "broker",
        &[
            "api",
            "config",
            "coordinator",
            "error",
            "hash",
            "log",
            "partition",
            "random",
            "record",
            "storage",
            "topic",
            "types",
        ],
    ),
    ("client", &["api", "config", "error", "hash", "random", "record", "types"]),
    (
        "sim",
        &["api", "broker", "client", "config", "error", "partition", "random", "record", "types"],
    ),
    ("cluster", &["api", "client", "config", "error", "record", "sim", "types"]),
];

fn imports(text: &str) -> Vec<&str> {
    // Tests at the end of a file may reach further.
    let code = text.split("#[cfg(test)]").next().unwrap();
    let places = code.match_indices("crate::").map(|(at, found)| &code[at + found.len()..]);
    places
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())
        .collect()
}

fn check(layer: &str, path: &Path, broken: &mut Vec<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check(layer, &entry.unwrap().path(), broken);
        }
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        broken.push(format!("{}: its layer stands in no table", path.display()));
        return;
    };
    for import in imports(&text) {
        // Documentation links to the crate's own front page names by capital letters.
        let is_layer = import.starts_with(|c: char| c.is_ascii_lowercase());
        if is_layer && import != layer && !allowed.contains(&import) {
            broken.push(format!("{}: {layer} must not import {import}", path.display()));
        }
    }
}

#[test]
fn imports_only_look_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let layer = path.file_stem().unwrap().to_string_lossy().into_owned();
        if layer != "lib" {
            check(&layer, &path, &mut broken);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_itself_only_looks_down() {
    for (place, (layer, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let below = LAYERS.iter().position(|(name, _)| name == import);
            assert!(below.is_some_and(|below| below < place), "{layer} stands below {import}");
        }
    }
}
