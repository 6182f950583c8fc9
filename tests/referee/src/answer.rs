//! From an answer to the lines of a recording.

use crate::codec::Value;
use crate::error_names;
use crate::names::Names;
use crate::schema::{Api, Field, Kind, List};

/// The lines of an answer.
pub fn lines(api: &Api, version: i16, answer: &Value, names: &mut Names) -> Vec<String> {
    let mut writer = Writer { version, names, items: Vec::new() };
    let head = writer.row(&api.answer(), answer, 1);
    let mut lines = vec![format!("< {head}").trim_end().to_owned()];
    lines.append(&mut writer.items);
    lines
}

struct Writer<'a> {
    version: i16,
    names: &'a mut Names,
    items: Vec<String>,
}

impl Writer<'_> {
    /// The fields of a struct that are shown in a row; its lists of items go below.
    fn row(&mut self, fields: &[Field], value: &Value, depth: usize) -> String {
        let version = self.version;
        let mut words = Vec::new();
        for field in fields.iter().filter(|field| field.is_in(version) && !field.hidden) {
            let Some(part) = value.get(&field.name) else { continue };
            match (&field.kind, part) {
                (Kind::List(list), Value::List(elements)) => {
                    let elements = elements.as_deref().unwrap_or(&[]);
                    if list.items {
                        self.list_items(list, elements, depth);
                    } else {
                        words.push(format!("{}={}", field.name, self.inline(list, elements)));
                    }
                }
                (Kind::Group, part) => {
                    words.insert(0, format!("group {}", self.scalar(&Kind::Group, part)))
                }
                (Kind::Member, part) if depth > 1 => {
                    words.push(format!("member {}", self.scalar(&Kind::Member, part)))
                }
                // The default of a broker that was not asked for operations.
                (_, Value::Int(number))
                    if field.name == "operations" && *number == i64::from(i32::MIN) => {}
                (kind, part) => {
                    let text = self.scalar(kind, part);
                    let text = if text.contains(' ') { format!("\"{text}\"") } else { text };
                    words.push(format!("{}={text}", field.name));
                }
            }
        }
        words.join(" ")
    }

    fn inline(&mut self, list: &List, elements: &[Value]) -> String {
        let version = self.version;
        let mut texts = Vec::new();
        for element in elements {
            let Kind::Struct(fields) = &list.element else {
                texts.push(self.scalar(&list.element, element));
                continue;
            };
            let mut parts: Vec<String> = Vec::new();
            for field in fields.iter().filter(|field| field.is_in(version) && !field.hidden) {
                let Some(part) = element.get(&field.name) else { continue };
                if field.name == "instance" {
                    if *part != Value::Str(None) {
                        let instance = self.scalar(&field.kind, part);
                        parts[0].push('@');
                        parts[0].push_str(&instance);
                    }
                } else {
                    parts.push(self.scalar(&field.kind, part));
                }
            }
            texts.push(parts.join(":"));
        }
        if list.sorted {
            texts.sort();
        }
        texts.join(",")
    }

    /// Blocks of lines: one a partition, a group with its partitions or members, a member.
    fn list_items(&mut self, list: &List, elements: &[Value], depth: usize) {
        let Kind::Struct(fields) = &list.element else { return };
        let above = std::mem::take(&mut self.items);
        let mut blocks = Vec::new();
        let indent = "    ".repeat(depth);
        for element in elements {
            if fields.iter().any(|field| field.name == "partitions") {
                blocks.extend(
                    self.partitions(fields, element)
                        .into_iter()
                        .map(|line| vec![indent.clone() + &line]),
                );
                continue;
            }
            if let Some(Value::Str(Some(group))) = element.get("group")
                && !group.is_empty()
                && !self.names.is_ours(group)
            {
                continue;
            }
            let row = self.row(fields, element, depth + 1);
            let mut block = vec![indent.clone() + &row];
            block.append(&mut self.items);
            blocks.push(block);
        }
        if list.sorted || fields.iter().any(|field| field.name == "partitions") {
            blocks.sort();
        }
        self.items = above;
        self.items.extend(blocks.into_iter().flatten());
    }

    fn partitions(&mut self, fields: &[Field], topic: &Value) -> Vec<String> {
        let name = match topic.get("topic") {
            Some(Value::Uuid(id)) => self.names.topic_of(*id),
            Some(Value::Str(Some(name))) => self.names.back(name),
            _ => "?".into(),
        };
        let partitions =
            fields.iter().find(|field| field.name == "partitions").map(|field| &field.kind);
        let Some(Kind::List(list)) = partitions else { return Vec::new() };
        let Kind::Struct(fields) = &list.element else { return Vec::new() };
        let mut lines = Vec::new();
        for partition in topic.list("partitions") {
            let shown: Vec<_> =
                fields.iter().filter(|field| field.name != "partition").cloned().collect();
            let number = partition.int("partition").unwrap_or(-1);
            lines.push(format!("{name}-{number} {}", self.row(&shown, partition, 1)));
        }
        lines
    }

    fn scalar(&mut self, kind: &Kind, value: &Value) -> String {
        match (kind, value) {
            (Kind::Error, Value::Int(code)) => error_names::name(*code as i16),
            (Kind::Bool, Value::Int(truth)) => (*truth != 0).to_string(),
            (Kind::ProducerId, Value::Int(id)) => self.names.producer_back(*id),
            (_, Value::Int(number)) => number.to_string(),
            (_, Value::Str(None) | Value::Bytes(None)) => "~".into(),
            (Kind::Member, Value::Str(Some(id))) => self.names.member_back(id),
            (_, Value::Str(Some(text))) => self.names.back(text),
            (_, Value::Bytes(Some(bytes))) => self.names.bytes_back(bytes),
            (_, Value::Uuid(id)) => self.names.topic_of(*id),
            (kind, value) => format!("{kind:?}/{value:?}"),
        }
    }
}
