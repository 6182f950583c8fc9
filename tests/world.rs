//! The cluster is a value: it can be stepped, copied, rewound, replayed and compared.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use common::{SECOND, read_all, reader, send, with_topic};
use kafkarium::trace::{Actor, TraceEvent};
use kafkarium::{ApiKey, Cluster, DEFAULTS, Error, Fault, RandomFaults, Record, TopicPartition};

#[test]
fn one_step_is_one_event_and_time_jumps_to_it() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer([("linger.ms", "5")]).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    assert!(delivery.try_result().is_none());
    let start = cluster.now();
    let mut steps = 0;
    while delivery.try_result().is_none() {
        cluster.step().unwrap().unwrap();
        steps += 1;
    }
    // The linger deadline, the request's arrival, the response's arrival.
    assert_eq!(steps, 3);
    assert_eq!(cluster.now().since(start), Duration::from_millis(6));
}

#[test]
fn a_snapshot_stepped_twice_gives_one_trace() {
    let latency = (Duration::from_micros(100), Duration::from_millis(3));
    let cluster = with_topic(Cluster::builder().seed(3).latency(latency.0, latency.1), 3);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["a", "b", "c"]);
    let snapshot = cluster.snapshot().unwrap();
    let run = || {
        while cluster.step().unwrap().is_some_and(|event| event.0 < 60) {}
        (cluster.trace().fingerprint(), cluster.trace().to_string(), cluster.describe())
    };
    let first = run();
    assert!(first.1.contains("appends orders-"), "{}", first.1);
    cluster.restore(&snapshot).unwrap();
    assert_ne!(cluster.trace().fingerprint(), first.0);
    assert_eq!(run(), first);
}

#[test]
fn a_fork_goes_its_own_way() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let mut consumer = reader(&cluster, 1);
    send(&producer, &["both"]);
    producer.flush().unwrap();

    let fork = cluster.fork().unwrap();
    let (fork_producer, mut fork_consumer) =
        (producer.on(&fork).unwrap(), consumer.on(&fork).unwrap());
    send(&producer, &["here"]);
    send(&fork_producer, &["there", "only"]);
    producer.flush().unwrap();
    fork_producer.flush().unwrap();
    assert_eq!(read_all(&mut consumer), ["both", "here"]);
    assert_eq!(read_all(&mut fork_consumer), ["both", "there", "only"]);
}

#[test]
fn restore_keeps_older_handles_and_fences_younger_ones() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["kept"]);
    producer.flush().unwrap();
    let snapshot = cluster.snapshot().unwrap();

    send(&producer, &["undone"]);
    producer.flush().unwrap();
    let unsent = producer.send(Record::to("orders").value("never")).unwrap();
    let mut younger = reader(&cluster, 1);
    let mut waiting = younger.begin_poll(SECOND).unwrap();

    cluster.restore(&snapshot).unwrap();
    assert_eq!(younger.poll(SECOND).unwrap_err(), Error::Rewound);
    assert_eq!(waiting.take().unwrap().unwrap_err(), Error::Rewound);
    assert_eq!(unsent.try_result().unwrap().unwrap_err(), Error::Rewound);
    // A new client gets the number of the fenced one, and nothing of its rights.
    let mut reader = reader(&cluster, 1);
    assert_eq!(younger.poll(SECOND).unwrap_err(), Error::Rewound);
    send(&producer, &["after"]);
    producer.flush().unwrap();
    assert_eq!(read_all(&mut reader), ["kept", "after"]);

    let other = Cluster::builder().build().unwrap();
    assert!(matches!(other.restore(&snapshot), Err(Error::InvalidArgument(_))));
}

#[test]
fn step_back_undoes_one_event_at_a_time() {
    let cluster = with_topic(Cluster::builder().journal(true), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    let mut states = vec![(cluster.trace().fingerprint(), cluster.describe())];
    while cluster.view(|view| view.partition(("orders", 0)).unwrap().high_watermark().0) == 0 {
        cluster.step().unwrap();
        states.push((cluster.trace().fingerprint(), cluster.describe()));
    }
    assert!(states.len() >= 3, "{}", states.len());
    for earlier in states.iter().rev().skip(1) {
        cluster.step_back().unwrap();
        assert_eq!((cluster.trace().fingerprint(), cluster.describe()), *earlier);
    }
    // The handle and its delivery are older than where we are: they go on.
    assert!(delivery.try_result().is_none());
    producer.flush().unwrap();
    assert_eq!(delivery.try_result().unwrap().unwrap().offset, 0);
    assert_eq!(read_all(&mut reader(&cluster, 1)), ["a"]);

    let without = Cluster::builder().build().unwrap();
    assert!(matches!(without.step_back(), Err(Error::InvalidArgument(_))));
}

#[test]
fn a_journal_replays_to_the_same_fingerprint() {
    for seed in 0..20 {
        let faults = RandomFaults {
            lose_permille: 20,
            reset_permille: 40,
            delay_permille: 100,
            max_delay: SECOND,
        };
        let builder = Cluster::builder().seed(seed).journal(true).faults(faults);
        let cluster = with_topic(builder, 2);
        let producer = cluster.producer(DEFAULTS).unwrap();
        let mut consumer = reader(&cluster, 2);
        for round in 0..20 {
            send(&producer, &["x", "y"]);
            cluster.advance(Duration::from_millis(7 * round)).unwrap();
            consumer.poll(Duration::from_millis(3)).unwrap();
        }
        let journal = cluster.journal().unwrap();
        assert_eq!(journal.fingerprint(), cluster.trace().fingerprint());
        assert_eq!(journal.replay().unwrap().fingerprint(), journal.fingerprint(), "seed {seed}");
    }
}

/// Two threads on the wall clock: one produces, the other one reads.
fn two_threads(records: usize) -> Cluster {
    let cluster = with_topic(Cluster::builder().real_time().journal(true), 1);
    let producer = cluster.producer([("linger.ms", "1")]).unwrap();
    let mut consumer = reader(&cluster, 1);
    let sending = std::thread::spawn(move || {
        for i in 0..records {
            producer.send(Record::to("orders").value(i.to_string())).unwrap();
            if i % 50 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
        }
        producer.flush().unwrap();
    });
    let mut seen = 0;
    while seen < records {
        for record in consumer.poll(Duration::from_secs(10)).unwrap() {
            assert_eq!(record.offset(), seen as i64);
            seen += 1;
        }
    }
    sending.join().unwrap();
    cluster
}

#[test]
fn a_run_of_two_threads_on_the_real_clock_replays_on_the_virtual_one() {
    for run in 0..10 {
        let cluster = two_threads(400);
        let journal = cluster.journal().unwrap();
        let replayed = journal.replay().unwrap();
        assert!(replayed.entries().count() > 50);
        assert_eq!(replayed.fingerprint(), journal.fingerprint(), "run {run}");
    }
}

/// Threads that find the driver in use post their calls to whoever has it: none is lost, none is
/// made twice, and the journal tells all of it.
#[test]
fn many_threads_share_one_cluster() {
    let cluster = with_topic(Cluster::builder().real_time().journal(true), 2);
    std::thread::scope(|scope| {
        for partition in 0..2 {
            let producer = cluster.producer([("linger.ms", "0")]).unwrap();
            scope.spawn(move || {
                for i in 0..200 {
                    let record = Record::to("orders").partition(partition).value(i.to_string());
                    let delivery = producer.send(record).unwrap();
                    if i % 10 == 0 {
                        assert_eq!(delivery.wait().unwrap().offset, i);
                    }
                }
                producer.flush().unwrap();
            });
        }
        for _ in 0..4 {
            let mut consumer = reader(&cluster, 2);
            scope.spawn(move || {
                let mut next = [0, 0];
                while next != [200, 200] {
                    for record in consumer.poll(Duration::from_millis(20)).unwrap() {
                        let partition = record.partition() as usize;
                        assert_eq!(record.offset(), next[partition]);
                        next[partition] += 1;
                    }
                }
                assert_eq!(consumer.position(("orders", 0)).unwrap(), 200);
            });
        }
    });
    let journal = cluster.journal().unwrap();
    assert_eq!(journal.replay().unwrap().fingerprint(), journal.fingerprint());
}

#[test]
fn on_the_real_clock_a_poll_wakes_as_soon_as_data_comes() {
    let cluster = with_topic(Cluster::builder().real_time(), 1);
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    let mut consumer = reader(&cluster, 1);
    consumer.poll(Duration::ZERO).unwrap();
    let polling = std::thread::spawn(move || {
        let records = consumer.poll(Duration::from_secs(30)).unwrap();
        (records.len(), Instant::now())
    });
    std::thread::sleep(Duration::from_millis(30));
    let sent = Instant::now();
    producer.send(Record::to("orders").value("now")).unwrap();
    let (count, woken) = polling.join().unwrap();
    assert_eq!(count, 1);
    // Far below the 500 ms of fetch.max.wait.ms, let alone the poll's 30 s.
    assert!(woken.duration_since(sent) < Duration::from_millis(400));
}

#[test]
fn advance_jumps_on_the_real_clock_too() {
    let cluster = with_topic(Cluster::builder().real_time(), 1);
    let before = cluster.now();
    cluster.advance(Duration::from_secs(7 * 24 * 3600)).unwrap();
    assert!(cluster.now().since(before) >= Duration::from_secs(7 * 24 * 3600));
}

/// In which order messages arrived, ids put aside.
fn order_of_deliveries(seed: u64) -> Vec<String> {
    let latency = (Duration::from_micros(100), Duration::from_millis(20));
    let cluster = with_topic(Cluster::builder().seed(seed).latency(latency.0, latency.1), 3);
    let producers: Vec<_> = (0..3).map(|_| cluster.producer(DEFAULTS).unwrap()).collect();
    for (partition, producer) in (0..).zip(&producers) {
        producer.send(Record::to("orders").partition(partition).value("x")).unwrap();
    }
    cluster.advance(SECOND).unwrap();
    let arrivals = cluster.trace();
    let arrivals = arrivals.entries().filter_map(|entry| match &entry.event {
        TraceEvent::Delivered { from, direction, api, .. } => {
            Some(format!("{} {from} {direction:?} {api}", entry.actor))
        }
        _ => None,
    });
    arrivals.collect()
}

#[test]
fn seeds_give_many_orders_of_deliveries_and_each_seed_one() {
    let mut orders = BTreeSet::new();
    for seed in 1..=100 {
        let order = order_of_deliveries(seed);
        assert_eq!(order, order_of_deliveries(seed), "seed {seed}");
        orders.insert(order);
    }
    println!("{} orders of deliveries over 100 seeds", orders.len());
    assert!(orders.len() >= 20, "{} orders", orders.len());
}

#[test]
fn the_user_picks_what_happens_next() {
    let cluster = with_topic(Cluster::builder(), 1);
    let (first, second) =
        (cluster.producer(DEFAULTS).unwrap(), cluster.producer(DEFAULTS).unwrap());
    // Both learn who leads first, so that their records are on the way at the same time.
    for producer in [&first, &second] {
        send(producer, &["warm"]);
        producer.flush().unwrap();
    }
    send(&first, &["first"]);
    send(&second, &["second"]);
    while cluster.pending().iter().filter(|p| p.what.starts_with("gets Produce request")).count()
        < 2
    {
        cluster.step().unwrap();
    }
    let pending = cluster.pending();
    let late = pending
        .iter()
        .rposition(|pending| pending.what.starts_with("gets Produce request"))
        .unwrap();
    cluster.deliver(late).unwrap();
    cluster.advance(SECOND).unwrap();
    assert_eq!(read_all(&mut reader(&cluster, 1)), ["warm", "warm", "second", "first"]);
    assert!(matches!(cluster.deliver(99), Err(Error::InvalidArgument(_))));
}

#[test]
fn an_invariant_stops_the_run_at_the_event_that_broke_it() {
    let cluster = with_topic(Cluster::builder().journal(true), 1);
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    cluster
        .always("fewer than three records", |view| {
            let end = view.partition(("orders", 0)).map_or(0, |p| p.log().log_end_offset().0);
            if end < 3 { Ok(()) } else { Err(format!("there are {end}")) }
        })
        .unwrap();
    let mut broken = None;
    for _ in 0..5 {
        producer.send(Record::to("orders").value("x")).unwrap();
        if let Err(error) = producer.flush() {
            broken = Some(error);
            break;
        }
    }
    let Some(Error::InvariantBroken { name, why, event }) = broken else { panic!("{broken:?}") };
    assert_eq!((name.as_str(), why.as_str()), ("fewer than three records", "there are 3"));
    let trace = cluster.trace();
    let chain = trace.why(event);
    assert!(chain.len() > 2 && chain.iter().any(|entry| entry.actor != Actor::User), "{chain:?}");
    let end = |cluster: &Cluster| {
        cluster.view(|view| view.partition(("orders", 0)).unwrap().log().log_end_offset().0)
    };
    assert_eq!(end(&cluster), 3);
    cluster.step_back().unwrap();
    assert_eq!(end(&cluster), 2);
}

#[test]
fn a_diff_names_what_changed() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let before = cluster.snapshot().unwrap();
    assert_eq!(cluster.diff(&before).changes, []);
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let diff = cluster.diff(&before).to_string();
    assert!(diff.contains("broker-1 orders-0: log 0..0, high watermark 0"), "{diff}");
    assert!(diff.contains("=> log 0..1, high watermark 1"), "{diff}");
}

#[test]
fn a_second_thread_on_a_virtual_clock_is_told_so() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let (reached, leave) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (inner_reached, inner_leave) = (reached.clone(), leave.clone());
    let mut armed = false;
    cluster
        .always("a pause in the middle of an event", move |_| {
            if armed {
                inner_reached.wait();
                inner_leave.wait();
                armed = false;
            }
            // The first check is made by `always` itself.
            armed = !armed;
            Ok(())
        })
        .unwrap();
    let driving = { std::thread::spawn(move || cluster.step().map(drop)) };
    reached.wait();
    let error = producer.send(Record::to("orders").value("x")).unwrap_err();
    assert_eq!(error, Error::ConcurrentDrive);
    assert!(error.to_string().contains(".real_time()") && error.to_string().contains("poll_all"));
    leave.wait();
    driving.join().unwrap().unwrap();
}

#[test]
fn poll_all_drives_several_consumers_at_once() {
    let cluster = with_topic(Cluster::builder(), 2);
    let producer = cluster.producer(DEFAULTS).unwrap();
    producer.send(Record::to("orders").partition(1).value("for b")).unwrap();
    let (mut a, mut b) = (reader(&cluster, 0), reader(&cluster, 0));
    a.assign([("orders", 0)]).unwrap();
    b.assign([TopicPartition::new("orders", 1)]).unwrap();
    let polled = cluster.poll_all(&mut [&mut a, &mut b], SECOND).unwrap();
    let lens = |polled: Vec<Result<Vec<_>, _>>| polled.into_iter().map(|p| p.map(|r| r.len()));
    assert_eq!(lens(polled).collect::<Vec<_>>(), [Ok(0), Ok(1)]);
    let none = cluster.poll_all(&mut [&mut a, &mut b], SECOND).unwrap();
    assert_eq!(lens(none).collect::<Vec<_>>(), [Ok(0), Ok(0)]);
}

#[test]
fn a_crashed_broker_comes_back_with_its_log_and_the_producer_tries_again() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["before"]);
    producer.flush().unwrap();
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    cluster.crash(broker).unwrap();
    send(&producer, &["during"]);
    cluster.advance(SECOND).unwrap();
    cluster.restart(broker).unwrap();
    producer.flush().unwrap();
    assert_eq!(read_all(&mut reader(&cluster, 1)), ["before", "during"]);
    let text = cluster.trace().to_string();
    assert!(text.contains("crashes") && text.contains("restarts") && text.contains("retry 1"));
    let unknown = kafkarium::BrokerId(9);
    assert!(matches!(cluster.crash(unknown), Err(Error::InvalidArgument(_))));
}

#[test]
fn a_paused_broker_answers_later_and_a_crashed_client_is_closed() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let start = cluster.now();
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    cluster.pause(broker, Duration::from_secs(3)).unwrap();
    send(&producer, &["b"]);
    producer.flush().unwrap();
    assert_eq!(cluster.now().since(start), Duration::from_micros(3_000_500));

    let lost = producer.send(Record::to("orders").value("in its memory")).unwrap();
    cluster.crash(producer.id()).unwrap();
    assert_eq!(lost.try_result().unwrap().unwrap_err(), Error::Closed);
    assert_eq!(producer.flush().unwrap_err(), Error::Closed);
}

#[test]
fn a_trace_draws_itself() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    cluster.inject(Fault::lose_request(ApiKey::Produce).of(producer.id())).unwrap();
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let mermaid = cluster.trace().to_mermaid();
    assert!(mermaid.starts_with("sequenceDiagram\n    participant broker-1\n"), "{mermaid}");
    assert!(mermaid.contains("producer-1-xbroker-1"), "{mermaid}");
    assert!(mermaid.contains("broker-1-->>producer-1"), "{mermaid}");
}

/// The smallest executor: polls until it is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn operations_and_deliveries_are_futures_on_both_clocks() {
    for real in [false, true] {
        let builder = Cluster::builder();
        let builder = if real { builder.real_time() } else { builder };
        let cluster = with_topic(builder, 1);
        let producer = cluster.producer(DEFAULTS).unwrap();
        let mut consumer = reader(&cluster, 1);
        let poll = consumer.begin_poll(Duration::from_secs(5)).unwrap();
        let delivery = producer.send(Record::to("orders").value("a")).unwrap();
        assert_eq!(block_on(delivery).unwrap().offset, 0);
        assert_eq!(block_on(poll).unwrap().len(), 1);
    }
}

/// Wakers were called under the lock: an executor that polls in `wake` waited for itself.
#[test]
fn an_executor_that_polls_what_it_wakes_at_once_waited_for_itself() {
    struct Look(Cluster, std::sync::Mutex<u32>);
    impl std::task::Wake for Look {
        fn wake(self: Arc<Self>) {
            let _ = self.0.now();
            *self.1.lock().unwrap() += 1;
        }
    }
    let cluster = with_topic(Cluster::builder().real_time(), 1);
    let producer = cluster.producer([("linger.ms", "1")]).unwrap();
    let mut consumer = reader(&cluster, 1);
    let look = Arc::new(Look(cluster, std::sync::Mutex::new(0)));
    let waker = look.clone().into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut poll = consumer.begin_poll(Duration::from_secs(5)).unwrap();
    let mut delivery = producer.send(Record::to("orders").value("a")).unwrap();
    for _ in 0..3 {
        // However often they are asked, each keeps one waker.
        assert!(std::pin::pin!(&mut poll).poll(&mut context).is_pending());
        assert!(std::pin::pin!(&mut delivery).poll(&mut context).is_pending());
    }
    assert_eq!(delivery.wait().unwrap().offset, 0);
    assert_eq!(poll.wait().unwrap().len(), 1);
    // Whoever brought the result calls the wakers afterwards, perhaps on another thread.
    while *look.1.lock().unwrap() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(*look.1.lock().unwrap() <= 2);
}

#[test]
fn a_message_that_comes_twice_is_appended_twice() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer([("enable.idempotence", "false")]).unwrap();
    cluster.inject(Fault::duplicate_request(ApiKey::Produce)).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    producer.flush().unwrap();
    cluster.advance(SECOND).unwrap();
    assert_eq!(delivery.try_result().unwrap().unwrap().offset, 0);
    assert_eq!(read_all(&mut reader(&cluster, 1)), ["a", "a"]);
}

#[test]
fn the_admin_sees_what_it_made() {
    let cluster = with_topic(Cluster::builder().config("log.retention.hours", "1"), 2);
    let admin = cluster.admin();
    let orders = admin.describe_topic("orders").unwrap();
    assert_eq!((orders.name.as_str(), orders.partitions.len()), ("orders", 2));
    assert!(orders.partitions.iter().all(|p| p.leader == Some(kafkarium::BrokerId(1))));
    admin.alter_topic_configs("orders", &[("retention.ms", Some("5"))]).unwrap();
    admin.alter_broker_configs(&[("log.segment.bytes", Some("2000000"))]).unwrap();
    let configs = admin.describe_topic_configs("orders").unwrap();
    let value = |name: &str| {
        let entry = configs.iter().find(|entry| entry.name == name).unwrap();
        (entry.value.clone().unwrap(), entry.source)
    };
    use kafkarium::config::ConfigSource;
    assert_eq!(value("retention.ms"), ("5".to_owned(), ConfigSource::DynamicTopicConfig));
    let dynamic = ConfigSource::DynamicDefaultBrokerConfig;
    assert_eq!(value("segment.bytes"), ("2000000".to_owned(), dynamic));
    assert_eq!(value("segment.ms"), ("604800000".to_owned(), ConfigSource::DefaultConfig));
    admin.delete_topic("orders").unwrap();
    admin.create_topic("orders", kafkarium::TopicSpec::partitions(1)).unwrap();
    // The same name, another topic.
    assert_ne!(admin.describe_topic("orders").unwrap().topic_id, orders.topic_id);
}
