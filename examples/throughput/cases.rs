//! What is measured, once each: shared by the example and the benchmarks.

use std::error::Error;
use std::time::{Duration, Instant};

use kafkarium::{Cluster, ClusterBuilder, Consumer, DEFAULTS, Record, TopicSpec};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// From nothing to one record produced and read, and everything dropped again.
pub fn first_record() -> Outcome<()> {
    let cluster = Cluster::builder().build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
    let producer = cluster.producer([("linger.ms", "0")])?;
    producer.send(Record::to("orders").value("espresso"))?.wait()?;
    let mut consumer = reader(&cluster)?;
    assert_eq!(consumer.poll(Duration::from_secs(1))?.len(), 1);
    Ok(())
}

fn with_topic(builder: ClusterBuilder) -> Outcome<Cluster> {
    let cluster = builder.build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
    Ok(cluster)
}

fn reader(cluster: &Cluster) -> Outcome<Consumer> {
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")])?;
    consumer.assign([("orders", 0)])?;
    Ok(consumer)
}

/// Each record through `send`, and out of what `poll` returned; one thread, default configs.
pub fn end_to_end(builder: ClusterBuilder, records: usize, len: usize) -> Outcome<Duration> {
    let value = vec![b'v'; len];
    let start = Instant::now();
    let cluster = with_topic(builder)?;
    let producer = cluster.producer(DEFAULTS)?;
    for _ in 0..records {
        producer.send(Record::to("orders").value(&value[..]))?;
    }
    producer.flush()?;
    let mut consumer = reader(&cluster)?;
    read(&mut consumer, records, len)?;
    Ok(start.elapsed())
}

fn read(consumer: &mut Consumer, records: usize, len: usize) -> Outcome<()> {
    let (mut seen, mut bytes) = (0, 0);
    while seen < records {
        for record in consumer.poll(Duration::from_secs(1))? {
            seen += 1;
            bytes += record.value().map_or(0, <[u8]>::len);
        }
    }
    assert_eq!((seen, bytes), (records, records * len), "every record came out");
    Ok(())
}

/// The same on the wall clock, with two threads: one produces while another one reads.
pub fn two_threads(records: usize, len: usize) -> Outcome<Duration> {
    let value = vec![b'v'; len];
    let start = Instant::now();
    let cluster = with_topic(Cluster::builder().real_time())?;
    let producer = cluster.producer(DEFAULTS)?;
    let mut consumer = reader(&cluster)?;
    let reading = std::thread::spawn(move || {
        read(&mut consumer, records, len).map_err(|error| error.to_string())
    });
    for _ in 0..records {
        producer.send(Record::to("orders").value(&value[..]))?;
    }
    producer.flush()?;
    reading.join().map_err(|_| "the reading thread panicked")??;
    Ok(start.elapsed())
}

/// A cluster that holds so many records, and the length of its log in bytes.
pub fn filled(records: usize, len: usize) -> Outcome<(Cluster, u64)> {
    let value = vec![b'v'; len];
    let cluster = with_topic(Cluster::builder())?;
    let producer = cluster.producer(DEFAULTS)?;
    for _ in 0..records {
        producer.send(Record::to("orders").value(&value[..]))?;
    }
    producer.flush()?;
    let bytes = cluster.view(|view| view.partition(("orders", 0)).map(|p| p.log().size_in_bytes()));
    Ok((cluster, bytes.ok_or("the partition is gone")?))
}

/// Appends one record more, and measures a snapshot and the way back to it.
pub fn snapshot_restore(cluster: &Cluster) -> Outcome<Duration> {
    let producer = cluster.producer([("linger.ms", "0")])?;
    producer.send(Record::to("orders").value("one more"))?.wait()?;
    let start = Instant::now();
    let snapshot = cluster.snapshot()?;
    cluster.restore(&snapshot)?;
    let took = start.elapsed();
    producer.send(Record::to("orders").value("and one"))?.wait()?;
    Ok(took)
}
