//! What a broker answers to the batches of an idempotent producer, and what it tells the trace.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::{
    CreatableTopic, CreateTopicsRequest, ProducePartition, ProduceRequest, ProducedPartition,
};
use crate::config::parse_broker_file;
use crate::record::{BatchBuilder, BatchOptions};
use crate::types::ProducerEpoch;

fn broker(timestamp_type: &str) -> (Broker, TopicPartition) {
    let configs = [("producer.id.expiration.ms", "60000")];
    let configs = parse_broker_file(configs).unwrap();
    let mut broker = Broker::new(BrokerId(1), "test".to_owned(), configs, 1);
    let topic = CreatableTopic {
        name: "orders".into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![("message.timestamp.type".to_owned(), Some(timestamp_type.to_owned()))],
    };
    let request = Request::CreateTopics(CreateTopicsRequest { topics: vec![topic] });
    broker.handle(Time::VIRTUAL_START, ConnectionId(1), 1, "test", request);
    (broker, TopicPartition::new("orders", 0))
}

/// Sends a record of a producer at its epoch and sequence number, so many milliseconds after the
/// start; gives the answer, and the texts of what was told.
fn produce(
    broker: &mut Broker,
    partition: &TopicPartition,
    (epoch, base_sequence): (i16, i32),
    after_ms: i64,
) -> (ProducedPartition, Vec<BrokerEvent>) {
    let now = Time::VIRTUAL_START.after_ms(after_ms);
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: ProducerId(5),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence,
        ..BatchOptions::default()
    });
    builder.append(now.timestamp(), None, Some(b"espresso"), &[]);
    let records = builder.build();
    let partitions = vec![ProducePartition { partition: partition.clone(), records }];
    let request = Request::Produce(ProduceRequest { acks: -1, timeout_ms: 0, partitions });
    let (mut answer, mut events) = (None, Vec::new());
    for effect in broker.handle(now, ConnectionId(1), 1, "test", request) {
        match effect {
            BrokerEffect::Reply { response: Response::Produce(response), .. } => {
                answer = response.partitions.into_iter().next();
            }
            BrokerEffect::Event(event) => events.push(event),
            other => panic!("{other:?}"),
        }
    }
    (answer.unwrap(), events)
}

/// Kafka answers a duplicate with the time of the stored batch, whoever set it.
#[test]
fn a_duplicate_is_a_success_with_the_stored_offset_and_time() {
    for timestamp_type in ["CreateTime", "LogAppendTime"] {
        let (mut one, orders) = broker(timestamp_type);
        produce(&mut one, &orders, (0, 0), 0);
        produce(&mut one, &orders, (0, 1), 10);
        let (answer, events) = produce(&mut one, &orders, (0, 0), 20);
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::None, Offset::ZERO));
        assert_eq!(answer.log_append_time, Time::VIRTUAL_START.timestamp(), "{timestamp_type}");
        let duplicate = BrokerEvent::Deduplicated {
            partition: orders.clone(),
            producer_id: ProducerId(5),
            base_sequence: 0,
            base_offset: Offset::ZERO,
        };
        let text = "has the batch for orders-0 of producer 5 from sequence 0 at offset 0 already";
        assert_eq!(duplicate.to_string(), text);
        assert_eq!(events, [duplicate]);
        assert_eq!(one.partitions[&orders].high_watermark(), 2);
    }
}

#[test]
fn a_batch_out_of_turn_is_refused_with_the_code_of_its_fault() {
    let (mut one, orders) = broker("CreateTime");
    produce(&mut one, &orders, (1, 0), 0);
    let table = [
        ((1, 2), ErrorCode::OutOfOrderSequenceNumber),
        ((2, 1), ErrorCode::OutOfOrderSequenceNumber),
        ((0, 1), ErrorCode::InvalidProducerEpoch),
        ((1, -1), ErrorCode::InvalidRecord),
    ];
    for (place, error) in table {
        let (answer, events) = produce(&mut one, &orders, place, 0);
        assert_eq!((answer.error_code, answer.base_offset), (error, Offset(-1)), "{place:?}");
        assert!(answer.error_message.is_some());
        assert_eq!(events, [BrokerEvent::Refused { partition: orders.clone(), error }]);
    }
    // The broker's own producer.id.expiration.ms counts.
    assert_eq!(produce(&mut one, &orders, (0, 9), 60_000).0.base_offset, 1);
}

/// What a broker knows of producers outlives its crash, as its log does.
#[test]
fn a_restarted_broker_knows_what_it_has() {
    let (mut one, orders) = broker("CreateTime");
    produce(&mut one, &orders, (0, 0), 0);
    one.restart(Time::VIRTUAL_START);
    let (answer, _) = produce(&mut one, &orders, (0, 0), 10);
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::None, Offset::ZERO));
}
