//! What a script calls things, and what the broker knows them by.

use std::collections::BTreeMap;

/// The names of one sequence while it is played.
///
/// Groups, topics and transactional ids get a prefix, so that sequences do not meet on one broker.
/// Member ids and producer ids, which the broker draws, are shown as symbols.
pub struct Names {
    prefix: String,
    members: Vec<(String, String)>,
    producers: Vec<i64>,
    topic_ids: Vec<(String, [u8; 16])>,
    texts: Vec<(Vec<u8>, String)>,
    seen: BTreeMap<String, usize>,
}

impl Names {
    /// Names for a sequence whose things are told from others by this prefix.
    pub fn new(prefix: String) -> Self {
        Names {
            prefix,
            members: Vec::new(),
            producers: Vec::new(),
            topic_ids: Vec::new(),
            texts: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// The broker's name of a group, topic or transaction. The empty name stays empty.
    pub fn out(&self, name: &str) -> String {
        if name.is_empty() { String::new() } else { format!("{}{name}", self.prefix) }
    }

    /// Whether the broker's name belongs to this sequence.
    pub fn is_ours(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }

    /// The script's words for a text of the broker's.
    pub fn back(&self, text: &str) -> String {
        text.replace(&self.prefix, "")
    }

    /// The member id that a script means. `$a` must have been seen before.
    pub fn member_out(&self, word: &str) -> Result<String, String> {
        if !word.starts_with('$') {
            return Ok(word.into());
        }
        let known = self.members.iter().find(|(_, symbol)| symbol == word);
        known.map(|(id, _)| id.clone()).ok_or(format!("{word} has not been seen yet"))
    }

    /// The symbol of a member id: what precedes the random part is a client's or an instance's
    /// name, and the second id with the same name is `$name.2`.
    pub fn member_back(&mut self, id: &str) -> String {
        if let Some((_, symbol)) = self.members.iter().find(|(known, _)| known == id) {
            return symbol.clone();
        }
        let Some(name) = drawn_for(id) else { return id.into() };
        let count = self.seen.entry(name.into()).or_insert(0);
        *count += 1;
        let symbol = if *count == 1 { format!("${name}") } else { format!("${name}.{count}") };
        self.members.push((id.into(), symbol.clone()));
        symbol
    }

    /// The producer id that a script means: `$1` is the first that was seen.
    pub fn producer_out(&self, word: &str) -> Result<i64, String> {
        let Some(number) = word.strip_prefix('$') else {
            return word.parse().map_err(|_| format!("{word} is no producer id"));
        };
        let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        index
            .and_then(|index| self.producers.get(index).copied())
            .ok_or(format!("{word} has not been seen yet"))
    }

    /// The symbol of a producer id.
    pub fn producer_back(&mut self, id: i64) -> String {
        if id < 0 {
            return id.to_string();
        }
        let index = self.producers.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.producers.push(id);
            self.producers.len() - 1
        });
        format!("${}", index + 1)
    }

    /// Remembers the id of a topic.
    pub fn learn_topic(&mut self, name: &str, id: [u8; 16]) {
        self.topic_ids.push((name.into(), id));
    }

    /// The id of a topic: the newest of that name, or one that no topic has.
    pub fn topic_id(&mut self, name: &str) -> [u8; 16] {
        if let Some((_, id)) = self.topic_ids.iter().rev().find(|(known, _)| known == name) {
            return *id;
        }
        let mut id = [0x7f; 16];
        id[15] = self.topic_ids.len() as u8;
        self.learn_topic(name, id);
        id
    }

    /// The topic of an id.
    pub fn topic_of(&self, id: [u8; 16]) -> String {
        let known = self.topic_ids.iter().find(|(_, known)| *known == id);
        known.map_or_else(|| "?".into(), |(name, _)| name.clone())
    }

    /// The bytes that a script writes as text: `subscription(t+u)` is what a consumer that
    /// subscribes to these topics sends, `subscription3(t+u)` the same with another version in
    /// front.
    pub fn bytes_out(&mut self, text: &str) -> Vec<u8> {
        let subscription = text.strip_prefix("subscription").and_then(|rest| {
            let (version, topics) = rest.strip_suffix(')')?.split_once('(')?;
            let version: i16 = if version.is_empty() { 0 } else { version.parse().ok()? };
            Some((version, topics))
        });
        let Some((version, topics)) = subscription else {
            let bytes = many(text).into_bytes();
            if bytes != text.as_bytes() {
                self.texts.push((bytes.clone(), text.into()));
            }
            return bytes;
        };
        let topics: Vec<_> = topics.split('+').filter(|topic| !topic.is_empty()).collect();
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(topics.len() as i32).to_be_bytes());
        for topic in topics {
            let topic = self.out(topic);
            bytes.extend_from_slice(&(topic.len() as i16).to_be_bytes());
            bytes.extend_from_slice(topic.as_bytes());
        }
        bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self.texts.push((bytes.clone(), text.into()));
        bytes
    }

    /// The text of bytes: the script's own, or plain ASCII, or hexadecimal.
    pub fn bytes_back(&self, bytes: &[u8]) -> String {
        if let Some((_, text)) = self.texts.iter().find(|(known, _)| known == bytes) {
            return text.clone();
        }
        if bytes.iter().all(u8::is_ascii_graphic) {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("0x{hex}")
    }
}

/// The name before the random part of an id, which has the form of a UUID.
fn drawn_for(id: &str) -> Option<&str> {
    let at = id.len().checked_sub(37)?;
    let (name, random) = (id.get(..at)?, id.get(at..)?);
    let dashes = random.bytes().enumerate().all(|(at, byte)| match at {
        0 | 9 | 14 | 19 | 24 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (dashes && !name.is_empty()).then_some(name)
}

/// `x*4097` is a text of 4097 times x.
pub fn many(text: &str) -> String {
    match text.split_once('*') {
        Some((part, count)) => match count.parse() {
            Ok(count) => part.repeat(count),
            Err(_) => text.into(),
        },
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_shown_by_the_name_its_id_begins_with() {
        let mut names = Names::new("p.".into());
        let (first, second) =
            ("a-01234567-89ab-cdef-0123-456789abcdef", "a-11234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(names.member_back(first), "$a");
        assert_eq!(names.member_back(second), "$a.2");
        assert_eq!(names.member_back(first), "$a");
        assert_eq!(names.member_back("nobody"), "nobody");
        assert_eq!(names.member_out("$a.2").as_deref(), Ok(second));
        assert!(names.member_out("$b").is_err());
    }

    #[test]
    fn bytes_come_back_as_the_script_wrote_them() {
        let mut names = Names::new("p.".into());
        let bytes = names.bytes_out("subscription(t+u)");
        assert_eq!(bytes.len(), 2 + 4 + 2 * (2 + 3) + 4);
        assert_eq!(names.bytes_back(&bytes), "subscription(t+u)");
        assert_eq!(names.bytes_back(b"t0"), "t0");
        assert_eq!(names.bytes_back(&[0, 1]), "0x0001");
    }
}
