//! Scripts: plain text, line by line. README.md has the grammar.

use std::time::Duration;

/// A sequence with its answers.
pub struct Script {
    /// The broker's settings beyond the base, sorted.
    pub settings: Vec<String>,
    /// The file in pieces.
    pub pieces: Vec<Piece>,
}

/// A piece of a file: lines as they stand there, then what they ask for, then what was answered.
pub struct Piece {
    /// The number of the first line, from 1.
    pub line: usize,
    /// Comments, blanks, or the lines of a step.
    pub source: Vec<String>,
    /// What is to be done, if anything.
    pub step: Option<Step>,
    /// The recorded answer; empty if there is none yet.
    pub answer: Vec<String>,
}

/// One step.
pub enum Step {
    /// `topic NAME PARTITIONS`
    Topic(String, i32),
    /// `drop NAME`
    Drop(String),
    /// `wait TIME`
    Wait(Duration),
    /// `close CLIENT`
    Close(String),
    /// `restart`
    Restart,
    /// `unload`
    Unload,
    /// `await CLIENT`
    Await(String),
    /// `> CLIENT API vN …`
    Request(Request),
}

/// A request as a script tells it.
pub struct Request {
    /// Who sends it.
    pub client: String,
    /// The API by name.
    pub api: String,
    /// Its version.
    pub version: i16,
    /// The fields.
    pub fields: Vec<(String, String)>,
    /// The lines below: each a head of words, then fields.
    pub items: Vec<Item>,
}

/// A line below a request.
pub struct Item {
    /// The words without `=`.
    pub head: Vec<String>,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

impl Step {
    /// Whether an answer follows.
    pub fn has_answer(&self) -> bool {
        matches!(self, Step::Await(_) | Step::Request(_))
    }
}

impl Script {
    /// Reads a file; an error tells its line.
    pub fn parse(text: &str) -> Result<Script, String> {
        let mut script = Script { settings: Vec::new(), pieces: Vec::new() };
        let mut in_answer = false;
        for (number, line) in (1..).zip(text.lines()) {
            let at = |e: String| format!("line {number}: {e}");
            let last = script.pieces.last_mut();
            if let Some(rest) = line.strip_prefix('<') {
                let piece = last.filter(|piece| piece.step.as_ref().is_some_and(Step::has_answer));
                let piece = piece.ok_or_else(|| at("an answer to nothing".into()))?;
                piece.answer.push(format!("<{rest}"));
                in_answer = true;
            } else if line.starts_with(' ') {
                let piece = last.ok_or_else(|| at("an item of nothing".into()))?;
                if in_answer {
                    piece.answer.push(line.into());
                } else {
                    let Some(Step::Request(request)) = &mut piece.step else {
                        return Err(at("an item of no request".into()));
                    };
                    request.items.push(item(line).map_err(at)?);
                    piece.source.push(line.into());
                }
            } else {
                in_answer = false;
                if let Some(setting) = line.strip_prefix("set ") {
                    script.settings.push(setting.trim().into());
                }
                let step = step(line).map_err(at)?;
                let source = vec![line.to_owned()];
                script.pieces.push(Piece { line: number, source, step, answer: Vec::new() });
            }
        }
        script.settings.sort();
        Ok(script)
    }

    /// Whether it does something to the broker that others on it would notice.
    pub fn is_alone(&self) -> bool {
        let steps = self.pieces.iter().filter_map(|piece| piece.step.as_ref());
        steps.into_iter().any(|step| matches!(step, Step::Restart | Step::Unload))
    }

    /// The file with these answers, one a piece.
    pub fn with_answers(&self, answers: &[Vec<String>]) -> String {
        let mut text = String::new();
        for (piece, answer) in self.pieces.iter().zip(answers) {
            for line in piece.source.iter().chain(answer) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

fn step(line: &str) -> Result<Option<Step>, String> {
    let (words, fields) = words(line)?;
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    Ok(Some(match words.as_slice() {
        [] | ["set", ..] => return Ok(None),
        [word, ..] if word.starts_with('#') => return Ok(None),
        ["topic", name, count] => {
            let count = count.parse().map_err(|_| format!("{count} is no number of partitions"))?;
            Step::Topic((*name).into(), count)
        }
        ["drop", name] => Step::Drop((*name).into()),
        ["wait", time] => Step::Wait(duration(time)?),
        ["close", client] => Step::Close((*client).into()),
        ["restart"] => Step::Restart,
        ["unload"] => Step::Unload,
        ["await", client] => Step::Await((*client).into()),
        [">", client, api, version] => {
            let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
            Step::Request(Request {
                client: (*client).into(),
                api: (*api).into(),
                version: number.ok_or(format!("{version} is no version"))?,
                fields,
                items: Vec::new(),
            })
        }
        _ => return Err(format!("no step: {line}")),
    }))
}

fn item(line: &str) -> Result<Item, String> {
    let (head, fields) = words(line)?;
    Ok(Item { head, fields })
}

type Fields = Vec<(String, String)>;

/// The words of a line, those with `=` apart. A comment line is one word.
fn words(line: &str) -> Result<(Vec<String>, Fields), String> {
    if line.starts_with('#') {
        return Ok((vec![line.into()], Vec::new()));
    }
    let (mut head, mut fields) = (Vec::new(), Vec::new());
    for word in line.split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) => fields.push((name.into(), value.into())),
            None if fields.is_empty() => head.push(word.into()),
            None => return Err(format!("{word} behind fields")),
        }
    }
    Ok((head, fields))
}

/// A time: `7s`, `250ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').ok_or(format!("{text} has no unit"))?, 1000),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text} is no time"))?;
    Ok(Duration::from_millis(number * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(String, String)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/groups");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
            .collect()
    }

    #[test]
    fn every_file_is_a_lesson_with_an_answer_to_each_step() {
        let files = files();
        assert!(files.len() >= 90, "{} files", files.len());
        for (name, text) in files {
            let script = Script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(text.starts_with("# "), "{name}: what does it show?");
            assert!(text.lines().all(|line| line.len() <= 400), "{name}: a line is too long");
            for piece in &script.pieces {
                let answered = piece.step.as_ref().is_some_and(Step::has_answer);
                assert_eq!(answered, !piece.answer.is_empty(), "{name}, line {}", piece.line);
            }
        }
    }

    #[test]
    fn reading_and_writing_leave_a_file_as_it_was() {
        for (name, text) in files() {
            let script = Script::parse(&text).unwrap();
            let answers: Vec<_> = script.pieces.iter().map(|piece| piece.answer.clone()).collect();
            assert_eq!(script.with_answers(&answers), text, "{name}");
        }
    }

    #[test]
    fn symbols_are_shown_by_an_answer_before_a_request_uses_them() {
        for (name, text) in files() {
            let mut seen = String::new();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let words = line.split(|c: char| !(c.is_alphanumeric() || "$.".contains(c)));
                for symbol in words.filter(|word| word.starts_with('$')) {
                    let known = seen.split(' ').any(|known| known == symbol);
                    assert!(known || line.starts_with(['<', ' ']), "{name}: {symbol} in {line}");
                    seen += symbol;
                    seen.push(' ');
                }
            }
        }
    }

    #[test]
    fn a_request_is_read_with_its_items() {
        let script =
            Script::parse("> a OffsetCommit v9 group=h\n    t-0 offset=5\n<\n    t-0 error=NONE\n");
        let script = script.unwrap();
        let Some(Step::Request(request)) = &script.pieces[0].step else { panic!("no request") };
        assert_eq!((request.client.as_str(), request.version), ("a", 9));
        assert_eq!(request.fields, [("group".into(), "h".into())]);
        assert_eq!(request.items[0].head, ["t-0"]);
        assert_eq!(script.pieces[0].answer, ["<", "    t-0 error=NONE"]);
    }
}
