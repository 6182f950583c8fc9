//! A broker alone: requests in, replies and events out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::{MetadataRequest, MetadataTopic};
use crate::config::parse_broker_file;

fn broker(configs: &[(&str, &str)]) -> Broker {
    let configs = parse_broker_file(configs.iter().copied()).unwrap();
    Broker::new(BrokerId(1), "test".to_owned(), configs, Random::stream(1, "topic ids"))
}

fn ask(broker: &mut Broker, request: Request) -> Response {
    let effects = broker.handle(Time::VIRTUAL_START, ConnectionId(1), 1, request);
    let replies = effects.into_iter().filter_map(|effect| match effect {
        BrokerEffect::Reply { response, .. } => Some(response),
        _ => None,
    });
    replies.last().unwrap()
}

/// Asks about a topic as a producer does, creating it.
fn metadata(broker: &mut Broker, topic: &str) -> MetadataTopic {
    let topics = Some(vec![topic.into()]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: true };
    let Response::Metadata(mut response) = ask(broker, Request::Metadata(request)) else {
        panic!("another response");
    };
    response.topics.pop().unwrap()
}

/// The answer that creates a topic said LEADER_NOT_AVAILABLE, as before KRaft. A 4.3.1 broker says
/// UNKNOWN_TOPIC_OR_PARTITION, also when the creation fails (`AutoTopicCreationManager`).
#[test]
fn auto_creation_answered_leader_not_available() {
    let mut one = broker(&[]);
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let table = [
        ("orders", [unknown, ErrorCode::None]),
        ("bad name", [ErrorCode::InvalidTopicException; 2]),
        ("a.b", [unknown, ErrorCode::None]),
        // It collides with the one before.
        ("a_b", [unknown; 2]),
    ];
    for (topic, answers) in table {
        for answer in answers {
            assert_eq!(metadata(&mut one, topic).error_code, answer, "{topic}");
        }
    }
    let mut short = broker(&[("default.replication.factor", "2")]);
    assert_eq!(metadata(&mut short, "orders").error_code, unknown);
    assert_eq!(metadata(&mut short, "orders").error_code, unknown);
}
