//! `ConsumerProtocol`: what the consumers of a group tell each other, in bytes that the coordinator
//! only passes on. A subscription travels in JoinGroup, an assignment in SyncGroup.
//!
//! ```text
//! subscription  int16 version · topics [string] · userData bytes?
//!               from 1  · owned [topic string · partitions [int32]]
//!               from 2  · generation int32
//!               from 3  · rack string?
//! assignment    int16 version · assigned [topic string · partitions [int32]] · userData bytes?
//! ```
//!
//! Java's client of Kafka 4.3 sends version 3 of both, which is what is written here. Versions to
//! come are read as 3, as it reads them; what they add stands behind.

use bytes::Bytes;

use super::primitives::{DecodeError, Reader, StringTooLong, put_bytes, put_i32, put_string};
use crate::types::{TopicName, TopicPartition};

/// The protocol type of consumers, whose groups speak this.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The version that is written.
const VERSION: i16 = 3;

/// The smallest topic with its partitions: two lengths.
const SMALLEST_TOPIC: usize = 6;

/// What a member wants, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The topics that it wants to read. They are written in order.
    pub topics: Vec<TopicName>,
    /// What its assignor has to tell the leader's.
    pub user_data: Option<Bytes>,
    /// The partitions that it has. They are written in order.
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation in which it got them; −1 for none.
    pub generation_id: i32,
    /// `client.rack`.
    pub rack_id: Option<String>,
}

impl Subscription {
    /// The bytes of JoinGroup.
    ///
    /// # Errors
    /// When a topic's or the rack's name is too long.
    pub fn encode(&self) -> Result<Bytes, StringTooLong> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&VERSION.to_be_bytes());
        let mut topics: Vec<&TopicName> = self.topics.iter().collect();
        topics.sort_unstable();
        put_i32(&mut out, topics.len() as i32);
        for topic in topics {
            put_string(&mut out, Some(topic))?;
        }
        put_bytes(&mut out, self.user_data.as_deref());
        let mut owned: Vec<&TopicPartition> = self.owned_partitions.iter().collect();
        owned.sort_unstable();
        put_partitions(&mut out, &owned)?;
        put_i32(&mut out, self.generation_id);
        put_string(&mut out, self.rack_id.as_deref())?;
        Ok(out.into())
    }

    /// Reads the bytes of JoinGroup.
    ///
    /// # Errors
    /// Where they are damaged, and for a negative version.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader)?;
        let topics = reader.items(2, |reader| reader.string().map(TopicName::from))?;
        let user_data = reader.nullable_bytes()?;
        let mut owned_partitions = Vec::new();
        if version >= 1 {
            owned_partitions = partitions(&mut reader)?;
        }
        let generation_id = if version >= 2 { reader.i32()? } else { -1 };
        let rack_id = if version >= 3 { reader.nullable_string()? } else { None };
        let rack_id = rack_id.filter(|rack| !rack.is_empty());
        Ok(Subscription { topics, user_data, owned_partitions, generation_id, rack_id })
    }
}

/// The topics of the bytes of JoinGroup, as a broker reads them: of each version what version 0
/// has, which stands in front. Whatever it says and whatever follows, it is good enough.
///
/// # Errors
/// Where that is damaged.
pub fn subscribed_topics(bytes: &Bytes) -> Result<Vec<TopicName>, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.i16()?;
    let topics = reader.items(2, |reader| reader.string().map(TopicName::from))?;
    reader.nullable_bytes()?;
    Ok(topics)
}

/// What a member gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The partitions. Those of a topic are written together, topics as they come first.
    pub partitions: Vec<TopicPartition>,
    /// What the leader's assignor has to tell the member's.
    pub user_data: Option<Bytes>,
}

impl Assignment {
    /// The bytes of SyncGroup.
    ///
    /// # Errors
    /// When a topic's name is too long.
    pub fn encode(&self) -> Result<Bytes, StringTooLong> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&VERSION.to_be_bytes());
        put_partitions(&mut out, &self.partitions.iter().collect::<Vec<_>>())?;
        put_bytes(&mut out, self.user_data.as_deref());
        Ok(out.into())
    }

    /// Reads the bytes of SyncGroup.
    ///
    /// # Errors
    /// Where they are damaged, and for a negative version.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let partitions = partitions(&mut reader)?;
        Ok(Assignment { partitions, user_data: reader.nullable_bytes()? })
    }
}

fn version(reader: &mut Reader<'_>) -> Result<i16, DecodeError> {
    match reader.i16()? {
        version @ 0.. => Ok(version.min(VERSION)),
        _ => Err(DecodeError { position: 0, expected: "version" }),
    }
}

/// Writes partitions topic by topic, in the order in which topics come first.
fn put_partitions(out: &mut Vec<u8>, partitions: &[&TopicPartition]) -> Result<(), StringTooLong> {
    let mut topics: Vec<(&TopicName, Vec<i32>)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for partition in partitions {
        let topic = &partition.topic;
        let place = *places.entry(topic).or_insert_with(|| {
            topics.push((topic, Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(partition.partition);
    }
    put_i32(out, topics.len() as i32);
    for (topic, numbers) in topics {
        put_string(out, Some(topic))?;
        put_i32(out, numbers.len() as i32);
        for number in numbers {
            put_i32(out, number);
        }
    }
    Ok(())
}

fn partitions(reader: &mut Reader<'_>) -> Result<Vec<TopicPartition>, DecodeError> {
    let topics = reader.items(SMALLEST_TOPIC, |reader| {
        let topic = TopicName::from(reader.string()?);
        Ok((topic, reader.items(4, Reader::i32)?))
    })?;
    let of_topic = |(topic, numbers): (TopicName, Vec<i32>)| {
        numbers.into_iter().map(move |number| TopicPartition::new(topic.clone(), number))
    };
    Ok(topics.into_iter().flat_map(of_topic).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Bytes {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// Written by `ConsumerProtocol` of Kafka 4.3.1, as is what else stands here in hexadecimal.
    const SUBSCRIPTION: &str = "00030000000200066f7264657273000573746f636b00000001640000000200066f\
        7264657273000000020000000200000005000573746f636b00000001000000000000000700027231";
    const ASSIGNMENT: &str = "000300000002000573746f636b00000002000000010000000000066f7264657273\
        00000001000000050000000175";

    fn subscription() -> Subscription {
        Subscription {
            topics: vec!["orders".into(), "stock".into()],
            user_data: Some("d".into()),
            owned_partitions: [("orders", 2), ("orders", 5), ("stock", 0)]
                .map(|(topic, number)| TopicPartition::new(topic, number))
                .to_vec(),
            generation_id: 7,
            rack_id: Some("r1".to_owned()),
        }
    }

    #[test]
    fn subscriptions_are_written_as_java_writes_them() {
        let mut unordered = subscription();
        unordered.topics.reverse();
        unordered.owned_partitions.rotate_left(1);
        for subscription in [subscription(), unordered] {
            assert_eq!(subscription.encode(), Ok(bytes(SUBSCRIPTION)));
        }
        let (topics, generation_id) = (vec!["t".into()], -1);
        let bare = Subscription { topics, generation_id, ..Subscription::default() };
        let golden = bytes("000300000001000174ffffffff00000000ffffffffffff");
        assert_eq!(bare.encode(), Ok(golden.clone()));
        assert_eq!(Subscription::decode(&golden), Ok(bare));
    }

    /// A version has what the ones before have, and something behind it.
    #[test]
    fn each_version_of_a_subscription_is_read() {
        let full = bytes(SUBSCRIPTION);
        for (version, end) in [(0, full.len() - 45), (1, full.len() - 8), (2, full.len() - 4)] {
            let mut older = full[..end].to_vec();
            older[1] = version;
            let mut expected = subscription();
            expected.rack_id = None;
            if version < 2 {
                expected.generation_id = -1;
            }
            if version < 1 {
                expected.owned_partitions.clear();
            }
            assert_eq!(Subscription::decode(&older.into()), Ok(expected), "version {version}");
        }
        let mut newer = full.to_vec();
        newer[1] = 9;
        newer.extend_from_slice(b"what 9 adds");
        assert_eq!(Subscription::decode(&newer.into()), Ok(subscription()));
        newer = full.to_vec();
        newer[0] = 0xff;
        let read = subscribed_topics(&newer.clone().into());
        assert_eq!(read, Ok(subscription().topics), "a broker does not look at it");
        let error = DecodeError { position: 0, expected: "version" };
        assert_eq!(Subscription::decode(&newer.into()), Err(error));
    }

    #[test]
    fn assignments_are_written_as_java_writes_them() {
        let partition = |(topic, number)| TopicPartition::new(topic, number);
        let given = [("stock", 1), ("orders", 5), ("stock", 0)].map(partition).to_vec();
        let assignment = Assignment { partitions: given, user_data: Some("u".into()) };
        assert_eq!(assignment.encode(), Ok(bytes(ASSIGNMENT)));
        let grouped = [("stock", 1), ("stock", 0), ("orders", 5)].map(partition).to_vec();
        let read = Assignment { partitions: grouped, user_data: Some("u".into()) };
        assert_eq!(Assignment::decode(&bytes(ASSIGNMENT)), Ok(read));
        let empty = Assignment::default();
        assert_eq!(empty.encode(), Ok(bytes("000300000000ffffffff")));
    }

    #[test]
    fn damaged_bytes_are_refused_wherever_they_are_cut_or_changed() {
        for golden in [SUBSCRIPTION, ASSIGNMENT].map(bytes) {
            for len in 0..golden.len() {
                let cut = golden.slice(..len);
                let is_read = len + 47 >= golden.len();
                assert!(subscribed_topics(&cut).is_ok() == is_read || golden == bytes(ASSIGNMENT));
                assert!(Subscription::decode(&cut).is_err() || golden == bytes(ASSIGNMENT));
                assert!(Assignment::decode(&cut).is_err() || golden == bytes(SUBSCRIPTION));
            }
            for at in 0..golden.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = golden.to_vec();
                    changed[at] = value;
                    let changed = Bytes::from(changed);
                    // Whatever they read as, it neither panics nor takes much memory.
                    let _ = (Subscription::decode(&changed), Assignment::decode(&changed));
                }
            }
        }
    }
}
