//! Configs of brokers and topics, from what an admin gives to what counts.
#![allow(clippy::unwrap_used)]

use kafkarium::{Cluster, Record, TopicSpec};

/// The value that an admin sees of a topic's property.
fn shown(cluster: &Cluster, topic: &str, name: &str) -> String {
    let entries = cluster.admin().describe_topic_configs(topic).unwrap();
    entries.into_iter().find(|entry| entry.name == name).unwrap().value.unwrap()
}

fn produce(cluster: &Cluster, topic: &str) {
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    let delivery = producer.send(Record::to(topic).value("espresso")).unwrap();
    producer.flush().unwrap();
    assert_eq!(delivery.try_result().unwrap().unwrap().offset.0, 0);
}

/// A value was checked without the blanks around it and kept with them: `segment.bytes = "
/// 2000000 "` was accepted and counted as 0, so that the topic refused every batch. A 4.3.1
/// broker shows and uses 2000000, whether a topic is created with it, is altered, or gets it from
/// its broker.
#[test]
fn a_value_with_blanks_counted_as_zero() {
    let cluster = Cluster::builder().config("log.segment.bytes", " 3000000").build().unwrap();
    let admin = cluster.admin();
    let spec = TopicSpec::partitions(1).config("segment.bytes", " 2000000 ");
    admin.create_topic("created", spec).unwrap();
    admin.create_topic("altered", TopicSpec::partitions(1)).unwrap();
    admin.create_topic("default", TopicSpec::partitions(1)).unwrap();
    admin.alter_topic_configs("altered", &[("segment.bytes", Some("\t1500000"))]).unwrap();
    admin.alter_broker_configs(&[("message.max.bytes", Some(" 1000000 "))]).unwrap();
    for (topic, value) in [("created", "2000000"), ("altered", "1500000"), ("default", "3000000")] {
        assert_eq!(shown(&cluster, topic, "segment.bytes"), value);
        assert_eq!(shown(&cluster, topic, "max.message.bytes"), "1000000");
        produce(&cluster, topic);
    }
}

/// Kafka 4.3 takes a topic without any policy: neither retention nor compaction.
#[test]
fn no_cleanup_policy_was_refused() {
    let cluster = Cluster::builder().build().unwrap();
    let spec = TopicSpec::partitions(1).config("cleanup.policy", "");
    cluster.admin().create_topic("forever", spec).unwrap();
    assert_eq!(shown(&cluster, "forever", "cleanup.policy"), "");
    produce(&cluster, "forever");
}
