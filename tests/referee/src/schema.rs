//! What each request and answer looks like, per version, in a notation of our own.
//!
//! A message is a row of fields, `name:kind@versions=default`. `@5` is "from version 5 on", `@0-3`
//! a range, without `@` the field is in every version. Kinds are `i8 i16 i32 i64 bool str bytes
//! uuid`, `?str` for a string that may be null, and some that have a meaning for scripts: `ms` (a
//! 32-bit number of milliseconds), `error` (a code, shown by name), `group` and `topic` (names that
//! the player makes unique), `topicid` (shown as the topic's name), `member` (shown as a symbol),
//! `pid` (a producer id, shown as a symbol). `[…]` is a list that a script writes on one line,
//! `{…}` a list that it writes as item lines; `?` before it says that the list may be null, `~`
//! that Kafka's order is that of a hash map, so that ours is sorted. A name that begins with `-` is
//! read and then forgotten: DIFFERENCES.md says why.

/// The kind of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A signed number of so many bytes.
    Int(u8),
    /// Milliseconds in 32 bits.
    Millis,
    /// An error code in 16 bits.
    Error,
    /// One byte, 0 or 1.
    Bool,
    /// A string; the flag says whether it may be null.
    Str(bool),
    /// The name of a group.
    Group,
    /// The name of a topic.
    Topic,
    /// The id of a topic.
    TopicId,
    /// The id of a member.
    Member,
    /// The id of a producer.
    ProducerId,
    /// Bytes.
    Bytes,
    /// A list.
    List(Box<List>),
    /// Fields in a row.
    Struct(Vec<Field>),
}

/// A list of elements of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// What it holds.
    pub element: Kind,
    /// Whether a script writes it as item lines.
    pub items: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether its order says nothing.
    pub sorted: bool,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in scripts.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The first version that has it.
    pub from: i16,
    /// The last version that has it.
    pub to: i16,
    /// What a request says when its script says nothing.
    pub default: Option<String>,
    /// Whether it is left out of recordings.
    pub hidden: bool,
}

impl Field {
    /// Whether messages of this version have the field.
    pub fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

/// An API: its key, its first flexible version, its messages.
pub struct Api {
    /// Kafka's name.
    pub name: &'static str,
    /// Kafka's number.
    pub key: i16,
    /// The first version with compact lengths and tagged fields.
    pub flexible: i16,
    /// The oldest and the newest version of a 4.3 broker.
    pub versions: (i16, i16),
    request: &'static str,
    answer: &'static str,
}

impl Api {
    /// The API of that name.
    pub fn named(name: &str) -> Option<&'static Api> {
        APIS.iter().find(|api| api.name == name)
    }

    /// The fields of its request.
    pub fn request(&self) -> Vec<Field> {
        parse(self.request)
    }

    /// The fields of its answer.
    pub fn answer(&self) -> Vec<Field> {
        parse(self.answer)
    }
}

const fn api(
    name: &'static str,
    key: i16,
    flexible: i16,
    versions: (i16, i16),
    request: &'static str,
    answer: &'static str,
) -> Api {
    Api { name, key, flexible, versions, request, answer }
}

/// An API without flexible versions.
const NEVER: i16 = i16::MAX;

static APIS: &[Api] = &[
    api(
        "JoinGroup",
        11,
        6,
        (0, 9),
        "group:group=g session:ms=30s rebalance:ms@1=30s member:member= instance:?str@5=~ type:str=consumer \
         protocols:[name:str metadata:bytes] reason:?str@8=~",
        "-throttle:i32@2 error:error generation:i32 type:?str@7 protocol:?str leader:member skip:bool@9 \
         member:member members:~[member:member instance:?str@5 metadata:bytes]",
    ),
    api(
        "SyncGroup",
        14,
        4,
        (0, 5),
        "group:group=g generation:i32=-1 member:member= instance:?str@3=~ type:?str@5=consumer \
         protocol:?str@5=range assignments:[member:member assignment:bytes]=",
        "-throttle:i32@1 error:error type:?str@5 protocol:?str@5 assignment:bytes",
    ),
    api(
        "Heartbeat",
        12,
        4,
        (0, 4),
        "group:group=g generation:i32=-1 member:member= instance:?str@3=~",
        "-throttle:i32@1 error:error",
    ),
    api(
        "LeaveGroup",
        13,
        4,
        (0, 5),
        "group:group=g member:member@0-2= members:[member:member instance:?str -reason:?str@5=~]@3=",
        "-throttle:i32@1 error:error members:[member:member instance:?str error:error]@3",
    ),
    api(
        "OffsetCommit",
        8,
        8,
        (2, 10),
        "group:group=g generation:i32=-1 member:member= instance:?str@7=~ retention:i64@2-4=-1 \
         topics:{topic:topic@0-9 topic:topicid@10 \
         partitions:{partition:i32 offset:i64 epoch:i32@6=-1 metadata:?str=}}",
        "-throttle:i32@3 topics:{topic:topic@0-9 topic:topicid@10 \
         partitions:{partition:i32 error:error}}",
    ),
    api(
        "OffsetFetch",
        9,
        6,
        (1, 10),
        "group:group@0-7=g topics:?{topic:topic partitions:[i32]}@0-7 \
         groups:{group:group member:?member@9=~ epoch:i32@9=-1 \
         topics:?{topic:topic@0-9 topic:topicid@10 partitions:[i32]}}@8 stable:bool@7=false",
        "-throttle:i32@3 topics:{topic:topic partitions:{partition:i32 offset:i64 epoch:i32@5 \
         metadata:?str error:error}}@0-7 error:error@2-7 groups:{group:group \
         topics:{topic:topic@0-9 topic:topicid@10 partitions:{partition:i32 offset:i64 epoch:i32 \
         metadata:?str error:error}} error:error}@8",
    ),
    api(
        "OffsetDelete",
        47,
        NEVER,
        (0, 0),
        "group:group=g topics:{topic:topic partitions:[i32]}",
        "error:error -throttle:i32 topics:{topic:topic partitions:{partition:i32 error:error}}",
    ),
    api(
        "DescribeGroups",
        15,
        5,
        (0, 6),
        "groups:[group] operations:bool@3=false",
        "-throttle:i32@1 groups:~{error:error message:?str@6 group:group state:str type:str protocol:str \
         members:~{member:member instance:?str@4 client:str -host:str metadata:bytes \
         assignment:bytes} operations:i32@3}",
    ),
    api(
        "ListGroups",
        16,
        3,
        (0, 5),
        "states:[str]@4= types:[str]@5=",
        "-throttle:i32@1 error:error groups:~{group:group type:str state:str@4 kind:str@5}",
    ),
    api(
        "DeleteGroups",
        42,
        2,
        (0, 2),
        "groups:[group]",
        "-throttle:i32 groups:~{group:group error:error}",
    ),
    api(
        "FindCoordinator",
        10,
        3,
        (0, 6),
        "group:group@0-3=g kind:i8@1=0 groups:[group]@4",
        "-throttle:i32@1 error:error@0-3 message:?str@1-3 -node:i32@0-3 -host:str@0-3 -port:i32@0-3 \
         groups:{group:group -node:i32 -host:str -port:i32 error:error message:?str}@4",
    ),
    api(
        "InitProducerId",
        22,
        2,
        (0, 5),
        "transaction:group timeout:ms=60s pid:i64@3=-1 epoch:i16@3=-1",
        "-throttle:i32 error:error pid:pid epoch:i16",
    ),
    api(
        "AddOffsetsToTxn",
        25,
        3,
        (0, 4),
        "transaction:group pid:pid epoch:i16=0 group:group=g",
        "-throttle:i32 error:error",
    ),
    api(
        "TxnOffsetCommit",
        28,
        3,
        (0, 5),
        "transaction:group group:group=g pid:pid epoch:i16=0 generation:i32@3=-1 member:member@3= \
         instance:?str@3=~ \
         topics:{topic:topic partitions:{partition:i32 offset:i64 epoch:i32@2=-1 metadata:?str=}}",
        "-throttle:i32 topics:{topic:topic partitions:{partition:i32 error:error}}",
    ),
    api(
        "EndTxn",
        26,
        3,
        (0, 4),
        "transaction:group pid:pid epoch:i16=0 commit:bool=true",
        "-throttle:i32 error:error",
    ),
    api(
        "CreateTopics",
        19,
        5,
        (2, 4),
        "topics:[topic:topic partitions:i32 replicas:i16 assignments:[i32] configs:[i32]] timeout:i32 \
         validate:bool",
        "-throttle:i32 topics:[topic:topic error:error message:?str]",
    ),
    api(
        "DeleteTopics",
        20,
        4,
        (1, 3),
        "topics:[topic] timeout:i32",
        "-throttle:i32 topics:[topic:topic error:error]",
    ),
    api(
        "Metadata",
        3,
        9,
        (10, 10),
        "topics:[topicid:uuid topic:topic] auto:bool cluster:bool operations:bool",
        "-throttle:i32 brokers:[node:i32 host:str port:i32 rack:?str] cluster:?str controller:i32 \
         topics:[error:error topic:topic topicid:uuid internal:bool partitions:[error:error \
         partition:i32 leader:i32 epoch:i32 replicas:[i32] isr:[i32] offline:[i32]] \
         operations:i32] operations:i32",
    ),
];

/// Reads the notation. A fault in it is a fault of this file: it panics.
fn parse(text: &str) -> Vec<Field> {
    split(text).into_iter().map(field).collect()
}

/// Splits at blanks that no bracket encloses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b' ' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

fn field(text: &str) -> Field {
    let (name, rest) = text.split_once(':').expect("a field is name:kind");
    let kind_end = rest
        .rfind([']', '}'])
        .map_or_else(|| rest.find(['@', '=']).unwrap_or(rest.len()), |bracket| bracket + 1);
    let (kind_text, rest) = rest.split_at(kind_end);
    let (versions, default) = match rest.split_once('=') {
        Some((versions, default)) => (versions, Some(default.to_owned())),
        None => (rest, None),
    };
    let number = |text: &str| text.parse::<i16>().expect("a version is a number");
    let (from, to) = match versions.strip_prefix('@') {
        None => (0, i16::MAX),
        Some(range) => match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None => (number(range), i16::MAX),
        },
    };
    let hidden = name.starts_with('-');
    Field {
        name: name.trim_start_matches('-').into(),
        kind: kind(kind_text),
        from,
        to,
        default,
        hidden,
    }
}

fn kind(text: &str) -> Kind {
    match text {
        "i8" => Kind::Int(1),
        "i16" => Kind::Int(2),
        "i32" => Kind::Int(4),
        "i64" => Kind::Int(8),
        "ms" => Kind::Millis,
        "error" => Kind::Error,
        "bool" => Kind::Bool,
        "str" => Kind::Str(false),
        "?str" => Kind::Str(true),
        "group" => Kind::Group,
        "topic" => Kind::Topic,
        "topicid" | "uuid" => Kind::TopicId,
        "member" | "?member" => Kind::Member,
        "pid" => Kind::ProducerId,
        "bytes" => Kind::Bytes,
        list => {
            let inner = list.trim_start_matches(['?', '~']);
            let prefix = &list[..list.len() - inner.len()];
            let body = &inner[1..inner.len() - 1];
            let is_struct = body.contains(':');
            Kind::List(Box::new(List {
                element: if is_struct { Kind::Struct(parse(body)) } else { kind(body) },
                items: inner.starts_with('{'),
                nullable: prefix.contains('?'),
                sorted: prefix.contains('~'),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_can_be_read() {
        for api in APIS {
            assert!(!api.request().is_empty() && !api.answer().is_empty(), "{}", api.name);
        }
    }

    #[test]
    fn a_field_has_kind_versions_and_default() {
        let fields = parse("-a:?str@1-3=~ b:~{group:group list:?[i32]@2}@8");
        assert_eq!((fields[0].from, fields[0].to, fields[0].hidden), (1, 3, true));
        assert_eq!(fields[0].default.as_deref(), Some("~"));
        assert!(!fields[1].is_in(7) && fields[1].is_in(8));
        let Kind::List(list) = &fields[1].kind else { panic!("no list") };
        assert!(list.items && list.sorted && !list.nullable);
        let Kind::Struct(inner) = &list.element else { panic!("no struct") };
        assert!(!inner[1].is_in(1) && inner[1].is_in(2));
    }
}
