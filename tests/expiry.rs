//! Committed offsets end: with their time, and with their topic.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{SECOND, send, with_topic};
use kafkarium::{BrokerId, Cluster, Consumer, DEFAULTS, Time, TopicSpec};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn member(cluster: &Cluster) -> Consumer {
    let configs = [("group.id", "baristas"), ("auto.offset.reset", "earliest")];
    cluster.consumer(configs).unwrap()
}

/// Reads three records as a member of the group, and leaves.
fn read_and_leave(cluster: &Cluster) {
    send(&cluster.producer(DEFAULTS).unwrap(), &["a", "b", "c"]);
    let mut consumer = member(cluster);
    consumer.subscribe(["orders"]).unwrap();
    // The first generation waits three seconds for others.
    let mut read = 0;
    while read < 3 {
        read += consumer.poll(10 * SECOND).unwrap().len();
    }
    consumer.close().unwrap();
}

fn committed(cluster: &Cluster) -> Option<i64> {
    let offsets = member(cluster).committed([("orders", 0)]).unwrap();
    offsets.into_values().next().map(|committed| committed.offset.0)
}

/// The events until then.
fn events_until(cluster: &Cluster, time: Time) -> usize {
    let mut events = 0;
    while cluster.pending().iter().any(|next| next.due <= time) {
        cluster.step().unwrap();
        events += 1;
    }
    cluster.run_until(time).unwrap();
    events
}

/// Offsets are kept for a week after the last member has left, whatever happens to the broker
/// meanwhile; and that week is no work.
#[test]
fn a_week_after_the_last_member_has_left_the_offsets_are_gone() {
    let cluster = with_topic(Cluster::builder(), 1);
    read_and_leave(&cluster);
    let left = cluster.now();
    assert_eq!(events_until(&cluster, left.after(3 * DAY)), 0);
    cluster.crash(BrokerId(1)).unwrap();
    cluster.advance(SECOND).unwrap();
    cluster.restart(BrokerId(1)).unwrap();
    assert_eq!(committed(&cluster), Some(3));
    cluster.run_until(left.after(7 * DAY)).unwrap();
    assert_eq!(committed(&cluster), Some(3));
    let before = cluster.now();
    // The broker looks every ten minutes.
    assert_eq!(events_until(&cluster, before.after(600 * SECOND)), 1);
    assert_eq!(committed(&cluster), None);
    cluster.advance(52 * 7 * DAY).unwrap();
}

/// A topic takes the offsets along that were committed for it. One of the same name that comes
/// later is read from its beginning.
#[test]
fn a_topic_that_comes_again_is_read_from_its_beginning() {
    let cluster = with_topic(Cluster::builder(), 1);
    read_and_leave(&cluster);
    assert_eq!(committed(&cluster), Some(3));
    cluster.admin().delete_topic("orders").unwrap();
    cluster.admin().create_topic("orders", TopicSpec::partitions(1)).unwrap();
    assert_eq!(committed(&cluster), None);
    read_and_leave(&cluster);
}
