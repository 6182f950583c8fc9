//! A broker whose disk fails: who is told, what goes on, and what is there afterwards.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kafkarium::storage::DiskFaults;
use kafkarium::{
    BrokerId, Cluster, DiskFault, Error, ErrorCode, Offset, Producer, Record, TopicPartition,
    TopicSpec,
};

const BROKER: BrokerId = BrokerId(1);

fn cluster() -> (Cluster, Producer) {
    let cluster = Cluster::builder().faulty_disk(DiskFaults::default()).build().unwrap();
    cluster.admin().create_topic("orders", TopicSpec::partitions(2)).unwrap();
    let configs =
        [("linger.ms", "0"), ("delivery.timeout.ms", "2000"), ("request.timeout.ms", "500")];
    let producer = cluster.producer(configs).unwrap();
    (cluster, producer)
}

fn send(producer: &Producer, partition: i32, value: &str) -> Result<i64, Error> {
    let sent = producer.send(Record::to("orders").partition(partition).value(value))?.wait()?;
    Ok(sent.offset.0)
}

/// The values that the broker holds, whoever may read them.
fn held(cluster: &Cluster, partition: i32) -> Vec<String> {
    let name = TopicPartition::new("orders", partition);
    let batches = cluster.view(|view| view.batches(&name, Offset::ZERO));
    let records = batches.iter().flat_map(|batch| batch.records().map(Result::unwrap));
    records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
}

/// The producer tries again until its time is up: `KAFKA_STORAGE_ERROR` is retriable. The other
/// partition goes on; a restart that finds the disk sound brings the log back.
#[test]
fn a_log_whose_disk_fails_is_offline_and_the_others_are_not() {
    for fault in [DiskFault::FailWrite { after: 0 }, DiskFault::Limit { bytes: 0 }] {
        let (cluster, producer) = cluster();
        assert_eq!(send(&producer, 0, "a").unwrap(), 0);
        assert_eq!(send(&producer, 1, "b").unwrap(), 0);
        cluster.break_disk(BROKER, fault.clone()).unwrap();
        let refused = send(&producer, 0, "c");
        assert!(refused.is_err(), "{refused:?}");
        let told = cluster.trace().to_string();
        assert!(told.contains("KAFKA_STORAGE_ERROR") && told.contains("takes orders-0 offline"));
        cluster.break_disk(BROKER, DiskFault::Limit { bytes: u64::MAX }).unwrap();
        // There is room again, but nobody knows what the disk holds.
        assert!(send(&producer, 0, "d").is_err());
        assert_eq!(send(&producer, 1, "e").unwrap(), 1);
        cluster.stop(BROKER).unwrap();
        cluster.restart(BROKER).unwrap();
        assert!(!cluster.recovery().is_empty(), "it was no clean shutdown");
        assert_eq!(
            (held(&cluster, 0), held(&cluster, 1)),
            (vec!["a".to_owned()], vec!["b".to_owned(), "e".to_owned()])
        );
        assert_eq!(send(&producer, 0, "f").unwrap(), 1);
    }
}

/// A decision that could not be written was in the log all the same, and the next one made it
/// durable: after a restart there were topics that nobody had been told of.
#[test]
fn a_decision_that_failed_stays_undecided() {
    let (cluster, _producer) = cluster();
    cluster.break_disk(BROKER, DiskFault::FailSync { after: 0 }).unwrap();
    let admin = cluster.admin();
    for topic in ["stock", "bills"] {
        let refused = admin.create_topic(topic, TopicSpec::partitions(1)).unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::KafkaStorageError), "{refused}");
    }
    assert_eq!(admin.list_topics().unwrap(), ["orders"]);
    cluster.stop(BROKER).unwrap();
    cluster.restart(BROKER).unwrap();
    admin.create_topic("bills", TopicSpec::partitions(1)).unwrap();
}

/// What was flushed survives a power failure; of the rest, any part may. The same seed loses the
/// same.
#[test]
fn a_power_failure_loses_what_was_not_flushed() {
    let lives = |seed| {
        let builder = Cluster::builder().seed(seed).faulty_disk(DiskFaults::default());
        let cluster = builder.build().unwrap();
        cluster.admin().create_topic("orders", TopicSpec::partitions(1)).unwrap();
        let producer = cluster.producer([("linger.ms", "0")]).unwrap();
        for value in ["a", "b"] {
            send(&producer, 0, value).unwrap();
        }
        cluster.flush_logs(BROKER).unwrap();
        for value in ["c", "d", "e"] {
            send(&producer, 0, value).unwrap();
        }
        cluster.power_off(BROKER).unwrap();
        cluster.restart(BROKER).unwrap();
        held(&cluster, 0).concat()
    };
    let ends: Vec<String> = (0..40).map(lives).collect();
    assert!(ends.iter().all(|end| "abcde".starts_with(end.as_str()) && end.len() >= 2), "{ends:?}");
    for end in ["ab", "abcde"] {
        assert!(ends.iter().any(|found| found == end), "{end} in {ends:?}");
    }
    assert_eq!(ends, (0..40).map(lives).collect::<Vec<_>>());
}

/// A bit that turns over behind the recovery point is found when the broker starts after a crash.
/// Its batch goes, and those behind it.
#[test]
fn a_flipped_bit_is_found_at_the_next_start() {
    let (cluster, producer) = cluster();
    for value in ["a", "b", "c"] {
        send(&producer, 0, value).unwrap();
    }
    let path = "orders-0/00000000000000000000.log".to_owned();
    let middle = 100;
    cluster.break_disk(BROKER, DiskFault::FlipBit { path, position: middle, bit: 3 }).unwrap();
    cluster.crash(BROKER).unwrap();
    cluster.restart(BROKER).unwrap();
    let told: Vec<String> = cluster.recovery().iter().map(|(_, step)| step.to_string()).collect();
    assert!(told.iter().any(|step| step.contains("cuts segment 0 at ")), "{told:?}");
    assert_eq!(held(&cluster, 0), ["a"]);
}

/// `flush.messages` makes each record durable before it is acknowledged.
#[test]
fn what_is_flushed_with_each_record_survives_any_power_failure() {
    for seed in 0..20 {
        let builder = Cluster::builder().seed(seed).faulty_disk(DiskFaults::default());
        let cluster = builder.build().unwrap();
        let spec = TopicSpec::partitions(1).config("flush.messages", "1");
        cluster.admin().create_topic("orders", spec).unwrap();
        let producer = cluster.producer([("linger.ms", "0")]).unwrap();
        for value in ["a", "b", "c"] {
            send(&producer, 0, value).unwrap();
        }
        cluster.advance(Duration::from_secs(1)).unwrap();
        cluster.power_off(BROKER).unwrap();
        cluster.restart(BROKER).unwrap();
        assert_eq!(held(&cluster, 0), ["a", "b", "c"], "seed {seed}");
    }
}

#[test]
fn only_a_faulty_disk_breaks() {
    let cluster = Cluster::builder().build().unwrap();
    let refused = cluster.break_disk(BROKER, DiskFault::FailWrite { after: 0 });
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    let (cluster, _producer) = self::cluster();
    let path = "nothing".to_owned();
    let missing = cluster.break_disk(BROKER, DiskFault::FlipBit { path, position: 0, bit: 0 });
    assert_eq!(missing, Err(Error::InvalidArgument("nothing: no such file".to_owned())));
}
