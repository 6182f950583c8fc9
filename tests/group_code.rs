//! The user's code in a group: listeners that look back, fork, fail to be run, or drive the world.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SECOND, send, with_topic};
use kafkarium::{Cluster, Consumer, DEFAULTS, Error, RebalanceListener, TopicPartition};

/// A listener that runs this when something is assigned.
struct OnAssigned<F>(F);

impl<F> RebalanceListener for OnAssigned<F>
where
    F: FnMut(&mut Consumer, &[TopicPartition]) -> Result<(), Error> + Send,
{
    fn on_partitions_revoked(
        &mut self,
        _consumer: &mut Consumer,
        _partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        Ok(())
    }

    fn on_partitions_assigned(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        (self.0)(consumer, partitions)
    }
}

fn cluster() -> Cluster {
    let config = ("group.initial.rebalance.delay.ms", "0");
    with_topic(Cluster::builder().config(config.0, config.1), 2)
}

fn member(cluster: &Cluster) -> Consumer {
    let configs =
        [("group.id", "baristas"), ("auto.offset.reset", "earliest"), ("max.poll.records", "1")];
    cluster.consumer(configs).unwrap()
}

/// What a listener was told of, by number of partitions.
type Told = Arc<Mutex<Vec<usize>>>;

/// Inside of a listener the world was put back to a moment before the listener had to run. Its
/// answer went into a world where nobody waited for it, and the poll panicked.
#[test]
fn a_listener_may_put_the_world_back() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let snapshot = Arc::new(Mutex::new(None));
    let (world, before, told) = (cluster.clone(), snapshot.clone(), Told::default());
    let all = told.clone();
    let listener = OnAssigned(move |_: &mut Consumer, partitions: &[TopicPartition]| {
        all.lock().unwrap().push(partitions.len());
        match before.lock().unwrap().take() {
            Some(snapshot) => world.restore(&snapshot),
            None => Ok(()),
        }
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    *snapshot.lock().unwrap() = Some(cluster.snapshot().unwrap());
    assert!(matches!(consumer.poll(SECOND), Err(Error::Rewound)));
    assert!(consumer.assignment().is_empty());
    assert!(consumer.poll(SECOND).unwrap().is_empty());
    assert_eq!((told.lock().unwrap().as_slice(), consumer.assignment().len()), (&[2, 2][..], 2));

    // By a call that has been begun, too.
    *snapshot.lock().unwrap() = Some(cluster.snapshot().unwrap());
    consumer.unsubscribe().unwrap();
    consumer.subscribe(["orders"]).unwrap();
    assert!(consumer.begin_poll(SECOND).unwrap().wait().unwrap().is_empty());
}

/// A snapshot that was taken inside of a listener: who goes back to it runs the listener once more,
/// for nobody knows how far it had come.
#[test]
fn a_listener_runs_once_more_in_a_world_from_the_middle_of_it() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let (world, middle, told) = (cluster.clone(), Arc::new(Mutex::new(None)), Told::default());
    let (all, taken) = (told.clone(), middle.clone());
    let listener = OnAssigned(move |_: &mut Consumer, partitions: &[TopicPartition]| {
        all.lock().unwrap().push(partitions.len());
        taken
            .lock()
            .unwrap()
            .get_or_insert_with(|| (world.snapshot().unwrap(), world.fork().unwrap()));
        Ok(())
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    consumer.poll(SECOND).unwrap();
    let (snapshot, fork) = middle.lock().unwrap().take().unwrap();
    cluster.restore(&snapshot).unwrap();
    consumer.poll(SECOND).unwrap();
    assert_eq!(told.lock().unwrap().as_slice(), [2, 2]);

    // A fork has its own listener, or none.
    let forked = Told::default();
    let all = forked.clone();
    let listener = OnAssigned(move |consumer: &mut Consumer, partitions: &[TopicPartition]| {
        all.lock().unwrap().push(partitions.len());
        partitions.iter().try_for_each(|partition| consumer.seek(partition.clone(), 0))
    });
    let bare = fork.fork().unwrap();
    consumer.on(&fork).unwrap().with_listener(listener).poll(SECOND).unwrap();
    assert_eq!((forked.lock().unwrap().as_slice(), told.lock().unwrap().len()), (&[2][..], 2));
    let mut alone = consumer.on(&bare).unwrap();
    alone.poll(SECOND).unwrap();
    assert_eq!(alone.assignment().len(), 2);
}

#[test]
fn a_listener_must_not_poll_unsubscribe_or_close() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let refused = Arc::new(Mutex::new(Vec::new()));
    let all = refused.clone();
    let listener = OnAssigned(move |consumer: &mut Consumer, _: &[TopicPartition]| {
        let polled = consumer.poll(SECOND).map(drop);
        *all.lock().unwrap() = vec![polled, consumer.unsubscribe(), consumer.close()];
        consumer.commit_sync()
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    consumer.poll(SECOND).unwrap();
    let refused = refused.lock().unwrap();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|result| matches!(result, Err(Error::InvalidArgument(_)))));
    assert_eq!(consumer.assignment().len(), 2);
}

/// The world has come to where the listener has to run, and the call that was to run it is dropped.
#[test]
fn a_call_that_is_dropped_leaves_its_listener_to_the_next_one() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let told = Told::default();
    let all = told.clone();
    let listener = OnAssigned(move |_: &mut Consumer, partitions: &[TopicPartition]| {
        all.lock().unwrap().push(partitions.len());
        Ok(())
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    let poll = consumer.begin_poll(2 * SECOND).unwrap();
    // The eager listener is told of nothing first; with that the poll goes on at the next look.
    cluster.advance(SECOND).unwrap();
    drop(poll);
    assert!(told.lock().unwrap().is_empty());
    consumer.poll(SECOND).unwrap();
    assert_eq!((told.lock().unwrap().as_slice(), consumer.assignment().len()), (&[2][..], 2));
}

/// While the listener of one consumer drove the world, the poll of another one, which had been
/// looked at before, was given records; then a third one had some, `poll_all` returned, and the
/// records of the second one were lost. With auto commit nobody would have read them again.
#[test]
fn poll_all_loses_no_records_while_a_listener_drives_the_world() {
    let cluster = cluster();
    let producer = cluster.producer(DEFAULTS).unwrap();
    let mut readers: Vec<Consumer> = (0..2).map(|_| common::reader(&cluster, 2)).collect();
    for reader in &mut readers {
        assert!(reader.poll(SECOND).unwrap().is_empty());
    }
    let mut consumer = member(&cluster);
    let world = cluster.clone();
    let listener = OnAssigned(move |_: &mut Consumer, _: &[TopicPartition]| {
        send(&producer, &["espresso"]);
        producer.flush()?;
        world.advance(SECOND)
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    let [first, second] = &mut readers[..] else { unreachable!() };
    let mut counts = vec![0, 0, 0];
    for _ in 0..3 {
        let all = cluster.poll_all(&mut [&mut *first, &mut consumer, &mut *second], 5 * SECOND);
        for (count, given) in counts.iter_mut().zip(all.unwrap()) {
            *count += given.unwrap().len();
        }
    }
    assert_eq!(counts, [1, 1, 1]);
}

/// The records that a consumer was given while another one's listener ran were noticed when the
/// next call was done, which could be when the whole time was up.
#[test]
fn poll_all_ends_when_a_listener_has_brought_records() {
    let cluster = cluster();
    let producer = cluster.producer(DEFAULTS).unwrap();
    let mut reader = common::reader(&cluster, 2);
    let mut consumer = cluster.consumer([("group.id", "baristas")]).unwrap();
    let world = cluster.clone();
    let listener = OnAssigned(move |_: &mut Consumer, _: &[TopicPartition]| {
        send(&producer, &["espresso"]);
        world.advance(SECOND)
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    let before = cluster.now();
    let all = cluster.poll_all(&mut [&mut reader, &mut consumer], 60 * SECOND).unwrap();
    assert_eq!(all[0].as_ref().map(Vec::len), Ok(1));
    assert!(cluster.now().since(before) < 5 * SECOND);
}

/// On the real clock each member has its own thread; together they read everything.
#[test]
fn two_threads_share_a_group_on_the_real_clock() {
    let config = ("group.initial.rebalance.delay.ms", "0");
    let cluster = with_topic(Cluster::builder().config(config.0, config.1).real_time(), 4);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let read: Arc<Mutex<Vec<(i32, i64)>>> = Arc::default();
    let count = 40;
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let configs = [
                ("group.id", "baristas"),
                ("auto.offset.reset", "earliest"),
                ("heartbeat.interval.ms", "50"),
            ];
            let mut consumer = cluster.consumer(configs).unwrap();
            let read = read.clone();
            std::thread::spawn(move || {
                consumer.subscribe(["orders"]).unwrap();
                let mut owned = 0;
                for _ in 0..500 {
                    for record in consumer.poll(Duration::from_millis(10)).unwrap() {
                        read.lock().unwrap().push((record.partition(), record.offset().0));
                    }
                    owned = consumer.assignment().len();
                    if read.lock().unwrap().len() >= count && owned == 2 {
                        break;
                    }
                }
                // The other one may be in the middle of a rebalance by now.
                for _ in 0..100 {
                    match consumer.commit_sync() {
                        Ok(()) => return owned,
                        Err(_) => drop(consumer.poll(Duration::from_millis(10)).unwrap()),
                    }
                }
                panic!("no commit was accepted");
            })
        })
        .collect();
    for i in 0..count {
        producer.send(kafkarium::Record::to("orders").value(format!("{i}"))).unwrap();
    }
    producer.flush().unwrap();
    let owned: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(owned, [2, 2]);
    let mut all = read.lock().unwrap().clone();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// A listener that runs this when something is revoked.
struct OnRevoked<F>(F);

impl<F: FnMut(&mut Consumer) + Send> RebalanceListener for OnRevoked<F> {
    fn on_partitions_revoked(
        &mut self,
        consumer: &mut Consumer,
        _partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        (self.0)(consumer);
        Ok(())
    }

    fn on_partitions_assigned(
        &mut self,
        _consumer: &mut Consumer,
        _partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// A listener that panicked left the consumer waiting for its answer: each later call said that the
/// listener ran.
#[test]
fn a_listener_that_panics_has_been_told() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let mut panics = true;
    let listener = OnAssigned(move |_: &mut Consumer, _: &[TopicPartition]| {
        assert!(!std::mem::take(&mut panics), "the listener does not like it");
        Ok(())
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    let polled =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| consumer.poll(SECOND).map(drop)));
    polled.unwrap_err();
    consumer.poll(SECOND).unwrap();
    assert_eq!(consumer.assignment().len(), 2);
    consumer.close().unwrap();
}

/// Between what is revoked and JoinGroup is a moment to crash in. The poll that went on then had no
/// consumer any more, and panicked.
#[test]
fn a_consumer_crashes_in_its_own_listener() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let world = cluster;
    let listener = OnRevoked(move |consumer: &mut Consumer| {
        world.crash(consumer.id()).unwrap();
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    consumer.poll(SECOND).unwrap();
    consumer.enforce_rebalance().unwrap();
    assert!(matches!(consumer.poll(SECOND), Err(Error::Closed)));
    assert!(matches!(consumer.poll(SECOND), Err(Error::Closed)));
}

/// A snapshot from inside of the listener that unsubscribe calls: who went back to it was told of the
/// revocation by the next poll, kept its partitions, and was told nothing when it did unsubscribe.
#[test]
fn a_snapshot_in_the_middle_of_unsubscribe() {
    let cluster = cluster();
    let mut consumer = member(&cluster);
    let (world, snapshot, told) =
        (cluster.clone(), Arc::new(Mutex::new(None)), Arc::new(Mutex::new(0)));
    let (kept, count) = (snapshot.clone(), told.clone());
    let listener = OnRevoked(move |_: &mut Consumer| {
        *count.lock().unwrap() += 1;
        kept.lock().unwrap().get_or_insert_with(|| world.snapshot().unwrap());
    });
    consumer.subscribe_with(["orders"], listener).unwrap();
    consumer.poll(SECOND).unwrap();
    consumer.unsubscribe().unwrap();
    assert_eq!((consumer.assignment().len(), *told.lock().unwrap()), (0, 1));
    let snapshot = snapshot.lock().unwrap().take().unwrap();
    cluster.restore(&snapshot).unwrap();
    consumer.poll(SECOND).unwrap();
    assert_eq!((consumer.assignment().len(), *told.lock().unwrap()), (2, 1));
    consumer.unsubscribe().unwrap();
    assert_eq!((consumer.assignment().len(), *told.lock().unwrap()), (0, 2));
}
