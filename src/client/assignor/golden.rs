//! What Java's assignors say, case by case: `tests/referee/assignors/golden.txt`, which tells its
//! format itself.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Assignor, LastAssignment, Member, by_name};
use crate::api::Assignment;
use crate::types::{TopicName, TopicPartition};

const GOLDEN: &str = include_str!("../../../tests/referee/assignors/golden.txt");

type Lists = BTreeMap<String, Vec<TopicPartition>>;

struct Case {
    assignor: std::sync::Arc<dyn Assignor>,
    topics: BTreeMap<TopicName, i32>,
    members: BTreeMap<String, Member>,
}

/// `t0t12`: a letter and a number each.
fn partitions(text: &str) -> Vec<TopicPartition> {
    let starts: Vec<usize> =
        text.char_indices().filter(|c| c.1.is_alphabetic()).map(|c| c.0).collect();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    let partition = |(start, end): (&usize, usize)| {
        TopicPartition::new(&text[*start..=*start], text[*start + 1..end].parse().unwrap())
    };
    starts.iter().zip(ends).map(partition).collect()
}

fn hex(text: &str) -> Bytes {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn user_data(
    assignor: &dyn Assignor,
    generation_id: i32,
    owned: &[TopicPartition],
) -> Option<Bytes> {
    let assignment = Assignment { partitions: owned.to_vec(), user_data: None };
    let last = LastAssignment { assignment, generation_id };
    assignor.user_data(&[], (generation_id >= 0).then_some(&last))
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::split_whitespace);
        let mut head = parts.next().unwrap();
        let assignor = by_name(head.next().unwrap()).unwrap();
        let topics = head.map(|topic| (topic[..1].into(), topic[1..].parse().unwrap())).collect();
        let mut case = Case { assignor, topics, members: BTreeMap::new() };
        for words in parts {
            case.member(words);
        }
        case
    }

    fn member<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) {
        let id = words.next().unwrap();
        let (id, instance) = id.split_once('@').map_or((id, None), |(id, i)| (id, Some(i)));
        let mut member =
            Member { group_instance_id: instance.map(str::to_owned), ..Member::default() };
        let topics = words.next().unwrap().chars().filter(|topic| *topic != '-');
        member.subscription.topics = topics.map(|topic| topic.to_string().into()).collect();
        let (mut generation, mut subscribed, mut raw, mut owned) = (-1, None, None, Vec::new());
        for word in words {
            match word.split_at(1) {
                ("g", number) => generation = number.parse().unwrap(),
                ("s", number) => subscribed = Some(number.parse().unwrap()),
                ("#", bytes) => raw = Some(hex(bytes)),
                _ => owned = partitions(word),
            }
        }
        member.subscription.generation_id = subscribed.unwrap_or(generation);
        member.subscription.user_data =
            raw.or_else(|| user_data(&*self.assignor, generation, &owned));
        if self.assignor.name() != "sticky" {
            member.subscription.owned_partitions = owned;
        }
        self.members.insert(id.to_owned(), member);
    }

    fn assign(&self) -> Lists {
        let assignments = self.assignor.assign(&self.topics, &self.members);
        assignments.into_iter().map(|(id, assignment)| (id, assignment.partitions)).collect()
    }

    /// Each partition goes to one member that wants it; if some may be held back, to one at most.
    fn check(&self, lists: &Lists) {
        assert!(lists.keys().eq(self.members.keys()));
        let mut given = BTreeSet::new();
        for (id, list) in lists {
            for partition in list {
                assert!(self.members[id].subscription.topics.contains(&partition.topic));
                assert!((0..self.topics[&partition.topic]).contains(&partition.partition));
                assert!(given.insert(partition), "{partition} is given twice");
            }
        }
        let wanted = self.topics.iter().filter(|(topic, _)| {
            self.members.values().any(|member| member.subscription.topics.contains(topic))
        });
        let count: i32 = wanted.map(|(_, count)| count).sum();
        assert!(given.len() == count as usize || self.assignor.name() == "cooperative-sticky");
    }
}

fn lists(text: &str) -> Lists {
    let list = |words: &str| {
        let (id, list) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
        (id.to_owned(), partitions(list))
    };
    text.split(';').filter(|words| !words.trim().is_empty()).map(list).collect()
}

/// The lines with this mark: what is asked, and what Java says.
fn cases(mark: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = GOLDEN.lines().filter_map(move |line| line.strip_prefix(mark));
    lines.map(|line| line.split_once(" ->").unwrap())
}

#[test]
fn what_the_rules_decide_is_as_in_java() {
    let mut count = 0;
    for (asked, answer) in cases("= ") {
        let case = Case::parse(asked);
        let given = case.assign();
        case.check(&given);
        assert_eq!(given, lists(answer), "{asked}");
        count += 1;
    }
    assert!(count > 400, "{count} cases");
}

/// The letters of the cases lie in Java's hash maps as in the alphabet, so even these are equal.
#[test]
fn what_hashes_decide_in_java_is_decided_by_name() {
    let mut count = 0;
    for (asked, answer) in cases("~ ") {
        let case = Case::parse(asked);
        let given = case.assign();
        case.check(&given);
        assert_eq!(given, lists(answer), "{asked}");
        count += 1;
    }
    assert!(count > 50, "{count} cases");
}

#[test]
fn where_java_fails_the_contract_holds() {
    for (asked, _) in cases("! ") {
        let case = Case::parse(asked);
        case.check(&case.assign());
    }
}

#[test]
fn user_data_is_written_as_java_writes_it() {
    for (asked, answer) in cases("data ") {
        let words: Vec<&str> = asked.split(' ').collect();
        let owned = partitions(words.get(2).unwrap_or(&""));
        let assignor = by_name(words[0]).unwrap();
        let written = user_data(&*assignor, words[1][1..].parse().unwrap(), &owned);
        assert_eq!(written, (answer != " null").then(|| hex(answer.trim())), "{asked}");
    }
}
