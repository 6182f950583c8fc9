//! Snapshots, forks and rewinding meet calls and records that are under way.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{SECOND, read_all, reader, send, with_topic};
use kafkarium::{Cluster, DEFAULTS, Error, Record};

/// A batch that was open in a snapshot takes more records after the restore. They got the fate of
/// those that the restore had undone, `Rewound`, although they were delivered.
#[test]
fn a_record_sent_into_a_batch_of_the_snapshot_was_told_it_was_rewound() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer([("linger.ms", "5")]).unwrap();
    let before = producer.send(Record::to("orders").value("before")).unwrap();
    let snapshot = cluster.snapshot().unwrap();
    let undone = producer.send(Record::to("orders").value("undone")).unwrap();
    cluster.restore(&snapshot).unwrap();
    let after = producer.send(Record::to("orders").value("after")).unwrap();
    assert_eq!(undone.try_result(), Some(Err(Error::Rewound)));
    assert_eq!((before.try_result(), after.try_result()), (None, None));
    // And once more, so that one batch has records of three courses of events.
    cluster.restore(&snapshot).unwrap();
    let last = producer.send(Record::to("orders").value("last")).unwrap();
    producer.flush().unwrap();
    assert_eq!(after.wait(), Err(Error::Rewound));
    assert_eq!(before.wait().unwrap().offset, 0);
    assert_eq!(last.wait().unwrap().offset, 1);
    assert_eq!(read_all(&mut reader(&cluster, 1)), ["before", "last"]);
}

/// A fork had a copy of the journal and none of its checkpoints: stepping back panicked.
#[test]
fn a_fork_could_not_be_stepped_back() {
    let cluster = with_topic(Cluster::builder().journal(true), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let fork = cluster.fork().unwrap();
    for _ in 0..3 {
        fork.step_back().unwrap();
    }
    assert!(fork.now() < cluster.now());
    let journal = fork.journal().unwrap();
    assert_eq!(journal.replay().unwrap().fingerprint(), journal.fingerprint());
}

/// A poll that waited when a snapshot or a fork was taken went on waiting there, for nobody: the
/// consumer was "being polled already" for ever.
#[test]
fn a_poll_that_waits_is_given_up_in_a_copy() {
    let cluster = with_topic(Cluster::builder(), 1);
    let mut consumer = reader(&cluster, 1);
    let poll = consumer.begin_poll(Duration::from_secs(60)).unwrap();
    let (snapshot, fork) = (cluster.snapshot().unwrap(), cluster.fork().unwrap());
    let mut forked = consumer.on(&fork).unwrap();
    assert_eq!(forked.poll(SECOND).map(|records| records.len()), Ok(0));
    cluster.restore(&snapshot).unwrap();
    assert_eq!(poll.wait().unwrap_err(), Error::Rewound);
    assert_eq!(consumer.poll(SECOND).map(|records| records.len()), Ok(0));
}

/// An operation whose `wait` found another thread driving forgot that it still waited.
#[test]
fn an_operation_that_could_not_drive_is_given_up() {
    let cluster = with_topic(Cluster::builder(), 1);
    let mut consumer = reader(&cluster, 1);
    let poll = consumer.begin_poll(Duration::from_secs(60)).unwrap();
    let waiting = cluster.view(|_| {
        let waiting = std::thread::spawn(move || poll.wait());
        std::thread::sleep(Duration::from_millis(50));
        waiting
    });
    assert_eq!(waiting.join().unwrap().map(drop), Err(Error::ConcurrentDrive));
    assert_eq!(consumer.poll(SECOND).map(|records| records.len()), Ok(0));
}

/// Handles were compared by numbers that every cluster counts alike: a stranger's handle was bound
/// to another cluster, and one that was made after a fork to the fork.
#[test]
fn a_handle_is_bound_to_no_stranger() {
    let (one, other) = (with_topic(Cluster::builder(), 1), with_topic(Cluster::builder(), 1));
    let fork = one.fork().unwrap();
    let (producer, consumer) = (one.producer(DEFAULTS).unwrap(), reader(&one, 1));
    for stranger in [&other, &fork] {
        drop(stranger.producer(DEFAULTS).unwrap());
        drop(reader(stranger, 1));
        assert_eq!(producer.on(stranger).map(drop), Err(Error::Rewound));
        assert_eq!(consumer.on(stranger).map(drop), Err(Error::Rewound));
    }
    assert!(producer.on(&one.fork().unwrap()).is_ok());
}

/// What one consumer had been given was lost when another one failed in the same round.
#[test]
fn records_of_one_consumer_were_lost_with_the_error_of_another() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let mut good = reader(&cluster, 1);
    let mut bad = cluster.consumer([("auto.offset.reset", "none")]).unwrap();
    bad.assign([("orders", 0)]).unwrap();
    bad.seek(("orders", 0), 99).unwrap();
    let mut values = Vec::new();
    let mut errors = 0;
    for _ in 0..10 {
        let mut polled = cluster.poll_all(&mut [&mut good, &mut bad], SECOND).unwrap();
        errors += usize::from(polled.pop().unwrap().is_err());
        values.extend(polled.pop().unwrap().unwrap());
    }
    assert_eq!(values.len(), 1);
    assert!(errors > 0);
}
