//! From a step of a script to a request.

use crate::codec::Value;
use crate::names::{Names, many};
use crate::schema::{Api, Field, Kind, List};
use crate::script::{Item, Request, duration};

/// The value of a request. A field that the version does not have is a fault of the script.
pub fn build(api: &Api, request: &Request, names: &mut Names) -> Result<Value, String> {
    let fields = api.request();
    if !(api.versions.0..=api.versions.1).contains(&request.version) {
        return Err(format!("{} has no version {}", api.name, request.version));
    }
    Builder { version: request.version, names }.top(&fields, &request.fields, &request.items)
}

struct Builder<'a> {
    version: i16,
    names: &'a mut Names,
}

impl Builder<'_> {
    fn top(
        &mut self,
        fields: &[Field],
        given: &[(String, String)],
        items: &[Item],
    ) -> Result<Value, String> {
        let there: Vec<_> = fields.iter().filter(|field| field.is_in(self.version)).collect();
        for (name, _) in given {
            if !there.iter().any(|field| field.name == *name) {
                return Err(format!("version {} has no field {name}", self.version));
            }
        }
        let mut values = Vec::new();
        for field in there {
            let text =
                given.iter().find(|(name, _)| *name == field.name).map(|(_, text)| text.as_str());
            let text = text.or(field.default.as_deref());
            let value = match &field.kind {
                Kind::List(list) if list.items && text != Some("all") => self.items(list, items)?,
                Kind::List(list) => {
                    let text = text.ok_or(format!("{} is missing", field.name))?;
                    self.inline(list, text)?
                }
                kind => {
                    let text = text.ok_or(format!("{} is missing", field.name))?;
                    self.scalar(kind, text)?
                }
            };
            values.push((field.name.clone(), value));
        }
        Ok(Value::Struct(values))
    }

    /// `a:b,c:d`; `all` is null.
    fn inline(&mut self, list: &List, text: &str) -> Result<Value, String> {
        if text == "all" && list.nullable {
            return Ok(Value::List(None));
        }
        let elements = text.split(',').filter(|element| !element.is_empty());
        let elements = elements.map(|element| match &list.element {
            Kind::Struct(fields) => self.element(fields, element),
            kind => self.scalar(kind, element),
        });
        Ok(Value::List(Some(elements.collect::<Result<_, _>>()?)))
    }

    /// `name:rest`, `member@instance:rest`.
    fn element(&mut self, fields: &[Field], text: &str) -> Result<Value, String> {
        let version = self.version;
        let mut parts = text.split(':');
        let head = parts.next().unwrap_or("");
        let (head, instance) = match head.split_once('@') {
            Some((head, instance)) => (head, instance),
            None => (head, "~"),
        };
        let mut values = Vec::new();
        for (at, field) in fields.iter().filter(|field| field.is_in(version)).enumerate() {
            let part = match (at, field.name.as_str(), field.default.as_deref()) {
                (0, ..) => head,
                (_, "instance", _) => instance,
                (_, _, Some(default)) if field.hidden => default,
                (_, name, _) => parts.next().ok_or(format!("{text} has no {name}"))?,
            };
            values.push((field.name.clone(), self.scalar(&field.kind, part)?));
        }
        match parts.next() {
            Some(part) => Err(format!("{part} is too much in {text}")),
            None => Ok(Value::Struct(values)),
        }
    }

    /// Item lines: `group NAME …` with the partitions below it, or partitions, `topic-0 …`, alone.
    fn items(&mut self, list: &List, items: &[Item]) -> Result<Value, String> {
        let version = self.version;
        let Kind::Struct(fields) = &list.element else {
            return Err("items are no structs".into());
        };
        if fields.iter().any(|field| field.kind == Kind::Group) {
            let starts_group = |item: &Item| item.head.first().is_some_and(|word| word == "group");
            let mut groups = Vec::new();
            let mut rest = items;
            while let Some((first, after)) = rest.split_first() {
                let [_, name] = first.head.as_slice() else {
                    return Err("an item is `group NAME` here".into());
                };
                let end = after.iter().position(starts_group).unwrap_or(after.len());
                let mut given = first.fields.clone();
                given.push(("group".into(), name.clone()));
                groups.push(self.top(fields, &given, &after[..end])?);
                rest = &after[end..];
            }
            return Ok(Value::List(Some(groups)));
        }
        let mut topics: Vec<(String, Vec<Value>)> = Vec::new();
        let partitions = fields.iter().find(|field| field.name == "partitions");
        let Some(Kind::List(partitions)) = partitions.map(|field| &field.kind) else {
            return Err("items without partitions".into());
        };
        for item in items {
            let [word] = item.head.as_slice() else {
                return Err("an item is `TOPIC-N` here".into());
            };
            let (topic, number) = word.rsplit_once('-').ok_or(format!("{word} is no partition"))?;
            let partition = match &partitions.element {
                Kind::Struct(fields) => {
                    let mut given = item.fields.clone();
                    given.push(("partition".into(), number.into()));
                    self.top(fields, &given, &[])?
                }
                kind => self.scalar(kind, number)?,
            };
            match topics.last_mut() {
                Some((last, partitions)) if last == topic => partitions.push(partition),
                _ => topics.push((topic.into(), vec![partition])),
            }
        }
        let name = fields.iter().find(|field| field.name == "topic" && field.is_in(version));
        let name = name.ok_or("items without topics")?;
        let mut values = Vec::new();
        for (topic, partitions) in topics {
            values.push(Value::Struct(vec![
                ("topic".into(), self.scalar(&name.kind, &topic)?),
                ("partitions".into(), Value::List(Some(partitions))),
            ]));
        }
        Ok(Value::List(Some(values)))
    }

    fn scalar(&mut self, kind: &Kind, text: &str) -> Result<Value, String> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!("{text} is no number"));
        let text = if text == "\"\"" { "" } else { text };
        Ok(match kind {
            Kind::Int(_) | Kind::Error => Value::Int(number(text)?),
            Kind::Millis => Value::Int(match text.strip_prefix('-') {
                Some(positive) => -(duration(positive)?.as_millis() as i64),
                None => duration(text)?.as_millis() as i64,
            }),
            Kind::Bool => Value::Int(i64::from(text == "true")),
            Kind::ProducerId => Value::Int(self.names.producer_out(text)?),
            Kind::Group | Kind::Topic => Value::Str(Some(self.names.out(text))),
            Kind::TopicId => Value::Uuid(self.names.topic_id(text)),
            Kind::Str(_) | Kind::Member if text == "~" => Value::Str(None),
            Kind::Member => Value::Str(Some(self.names.member_out(text)?)),
            Kind::Str(_) => Value::Str(Some(many(text))),
            Kind::Bytes => Value::Bytes(Some(self.names.bytes_out(text))),
            Kind::List(_) | Kind::Struct(_) => return Err(format!("{text} is no scalar")),
        })
    }
}
