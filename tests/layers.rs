//! A folder is a layer: it imports only from those that stand below it. The table of layers is
//! the one of `docs/architecture.md`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// A layer with what it may import.
#[derive(Debug, PartialEq)]
struct Layer {
    name: String,
    imports: Vec<String>,
}

/// Reads a table with the columns layer, holds, may import; several layers may share a row.
fn table(document: &str) -> Vec<Layer> {
    let section = document.split("\n## ").find(|section| section.starts_with("Layers")).unwrap();
    let mut layers: Vec<Layer> = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let [_, names, _, imports, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}");
        };
        let list = |cell: &str| cell.split(',').map(|name| name.trim().to_owned()).collect();
        let imports: Vec<String> = match imports.trim() {
            "–" => Vec::new(),
            "all above" => layers.iter().map(|layer| layer.name.clone()).collect(),
            names => list(names),
        };
        let names: Vec<String> = list(names);
        layers.extend(names.iter().map(|name| Layer {
            name: name.trim_matches('`').trim_end_matches('/').to_owned(),
            imports: imports.clone(),
        }));
    }
    layers
}

fn layers() -> Vec<Layer> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    table(&std::fs::read_to_string(path).unwrap())
}

/// The text without comments, literals and what is compiled for tests only.
fn code(text: &str) -> String {
    without_tests(&without_comments_and_literals(text))
}

fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|after| after.trim_start_matches('#'));
        let is_raw = raw.is_some_and(|after| after.starts_with('"'))
            && !code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if is_raw {
            let hashes = rest[1..].find('"').unwrap();
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            start + rest[start..].find(&end).unwrap() + end.len()
        } else if next == '"' {
            quoted(rest, '"')
        } else if next == '\'' && is_char(rest) {
            quoted(rest, '\'')
        } else {
            code.push(next);
            next.len_utf8()
        };
        rest = &rest[length..];
    }
    code
}

/// How long a literal is that begins here.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_char(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

/// Drops each item that stands behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut parts = code.split("#[cfg(test)]");
    let mut kept = parts.next().unwrap().to_owned();
    for part in parts {
        let mut depth = 0;
        let end = part.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, ';' | '}')
        });
        kept.push_str(end.map_or("", |(at, c)| &part[at + c.len_utf8()..]));
    }
    kept
}

/// The first names of all paths that begin with `crate::`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut heads = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let path = code[at + found.len()..].trim_start();
        match path.strip_prefix('{') {
            None => heads.push(head(path)),
            Some(group) => heads.extend(members(group).map(head)),
        }
    }
    heads
}

/// The members of a group whose brace has been opened.
fn members(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let end = group.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth < 0
    });
    let group = &group[..end.map_or(group.len(), |(at, _)| at)];
    let mut depth = 0;
    let members = group.split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c == ','
    });
    members.map(str::trim).filter(|member| !member.is_empty())
}

fn head(path: &str) -> String {
    let name: String =
        path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if name.is_empty() { path.chars().take(1).collect() } else { name }
}

/// How many steps up the longest chain of `super::` goes.
fn steps_up(code: &str) -> usize {
    let longest = (1..).find(|&steps| !code.contains(&"super::".repeat(steps)));
    longest.unwrap() - 1
}

/// What is wrong with one file of a layer, which lies `depth` modules below the crate's root.
fn faults(layers: &[Layer], layer: &str, depth: usize, text: &str) -> Vec<String> {
    let Some(own) = layers.iter().find(|known| known.name == layer) else {
        return vec!["its layer stands in no table".to_owned()];
    };
    let code = code(text);
    let mut faults = Vec::new();
    for import in crate_paths(&code) {
        if layers.iter().all(|known| known.name != import) {
            faults.push(format!("crate::{import} is no layer"));
        } else if import != layer && !own.imports.contains(&import) {
            faults.push(format!("{layer} must not import {import}"));
        }
    }
    if steps_up(&code) >= depth {
        faults.push("super:: leads out of the layer".to_owned());
    }
    faults
}

fn check(layers: &[Layer], layer: &str, depth: usize, path: &Path, broken: &mut Vec<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check(layers, layer, depth + 1, &entry.unwrap().path(), broken);
        }
        return;
    }
    // `mod.rs` is the folder; `tests.rs` is compiled for tests only, which may reach further.
    let depth = if path.ends_with("mod.rs") { depth - 1 } else { depth };
    if !path.ends_with("tests.rs") {
        let text = std::fs::read_to_string(path).unwrap();
        let faults = faults(layers, layer, depth, &text);
        broken.extend(faults.iter().map(|fault| format!("{}: {fault}", path.display())));
    }
}

#[test]
fn imports_only_look_down() {
    let layers = layers();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let layer = path.file_stem().unwrap().to_string_lossy().into_owned();
        if layer != "lib" {
            check(&layers, &layer, 1, &path, &mut broken);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_itself_only_looks_down() {
    let layers = layers();
    assert!(layers.len() > 10, "{layers:?}");
    for (place, layer) in layers.iter().enumerate() {
        for import in &layer.imports {
            let below = layers.iter().position(|other| other.name == *import);
            assert!(below.is_some_and(|below| below < place), "{} / {import}", layer.name);
        }
    }
}

fn small_table() -> Vec<Layer> {
    table(
        "# A\n\n## Layers\n\nText.\n\n| layer | holds | may import |\n|---|---|---|\n\
         | `types` | ids | – |\n| `hash`, `log/` | both | types |\n| `sim/` | all | all above |\n\n\
         ## B",
    )
}

#[test]
fn the_table_is_read() {
    let layer = |name: &str, imports: &[&str]| Layer {
        name: name.to_owned(),
        imports: imports.iter().map(|import| (*import).to_owned()).collect(),
    };
    let expected = [
        layer("types", &[]),
        layer("hash", &["types"]),
        layer("log", &["types"]),
        layer("sim", &["types", "hash", "log"]),
    ];
    assert_eq!(small_table(), expected);
}

/// The check saw `use crate::sim::…` alone. Groups, paths within the code, and names that the
/// crate's front page exports again passed it, as did all that stood behind a first
/// `#[cfg(test)]`.
#[test]
fn imports_passed_the_check() {
    let climbs = ["log must not import sim"];
    let table: &[(&str, &[&str])] = &[
        ("use crate::types::Offset;", &[]),
        ("use crate::{log::Log, types};", &[]),
        ("use crate::sim::World;", &climbs),
        ("use crate::{types::{Offset, Time}, sim};", &climbs),
        ("use crate::{\n    types,\n    sim::{World, wire::Wire},\n};", &climbs),
        ("fn f() -> crate::sim::World { todo!() }", &climbs),
        ("pub(in crate::sim) fn f() {}", &climbs),
        ("macro_rules! m { () => { $crate::sim::World } }", &climbs),
        ("use crate::Cluster;", &["crate::Cluster is no layer"]),
        ("use crate::*;", &["crate::* is no layer"]),
        ("#[cfg(test)]\nmod tests;\nuse crate::sim::World;", &climbs),
        ("#[cfg(test)]\nmod tests { use crate::sim::A; fn f() {} }\nuse crate::sim::B;", &climbs),
        ("#[cfg(test)]\nmod tests {\n    use crate::sim::{A, B};\n}\n", &[]),
        ("//! See [`crate::Cluster`].\n/* crate::sim */ fn f() {}", &[]),
        ("const A: &str = \"// \\\" crate::sim\"; use crate::types::B;", &[]),
        ("const A: &str = r#\"\" crate::sim\"#; const B: char = '\"'; use crate::sim::C;", &climbs),
        ("fn f<'a>(a: &'a str) { g::<'a>(crate::sim::H) }", &climbs),
        ("use super::World;", &[]),
        ("use super::super::World;", &["super:: leads out of the layer"]),
    ];
    for (text, expected) in table {
        // The file is `src/log/segment.rs`, say.
        assert_eq!(faults(&small_table(), "log", 2, text), *expected, "{text}");
    }
    let out = ["super:: leads out of the layer"];
    assert_eq!(faults(&small_table(), "log", 1, "use super::sim::World;"), out);
    let nowhere = ["its layer stands in no table"];
    assert_eq!(faults(&small_table(), "net", 1, ""), nowhere);
}
