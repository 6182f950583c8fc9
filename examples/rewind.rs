//! Going back in time: `cargo run --release --example rewind`.
//!
//! Two tills sell ten cups. Each looks at its own list only, so together they sell too many. An
//! invariant stops the run at the event that broke it; the trace tells why it happened; one step
//! back the world is sound again.

use std::error::Error;
use std::time::Duration;

use kafkarium::{Cluster, Error as KafkaError, Offset, Record, TopicSpec, View};

const CUPS: i64 = 10;

/// How many cups are left, going by the log.
fn stock(view: View<'_>) -> i64 {
    let sold = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<i64>().ok();
    let batches = view.batches(("sales", 0), Offset(0));
    let values = batches.iter().flat_map(|batch| batch.records().flatten());
    CUPS - values.filter_map(|record| sold(record.value?)).sum::<i64>()
}

fn main() -> Result<(), Box<dyn Error>> {
    let latency = (Duration::from_millis(1), Duration::from_millis(40));
    let cluster = Cluster::builder().seed(7).latency(latency.0, latency.1).journal(true).build()?;
    cluster.admin().create_topic("sales", TopicSpec::partitions(1))?;
    let tills = [cluster.producer([("linger.ms", "0")])?, cluster.producer([("linger.ms", "0")])?];
    cluster.always("no cup is sold twice", |view| match stock(view) {
        0.. => Ok(()),
        left => Err(format!("the stock is {left}")),
    })?;

    let mut sold = 0;
    let broken = loop {
        let till = &tills[sold % 2];
        sold += 1;
        let sale = till.send(Record::to("sales").key(format!("sale {sold}")).value("3"));
        if let Err(error) = sale.and_then(|_| cluster.advance(Duration::from_millis(15))) {
            break error;
        }
    };
    let KafkaError::InvariantBroken { name, why, event } = &broken else {
        return Err(broken.into());
    };
    println!("broken '{name}': {why}");
    let last = cluster.view(|view| view.batches(("sales", 0), Offset(0)).pop());
    if let Some(record) = last.as_ref().and_then(|batch| batch.records().flatten().last()) {
        let key = record.key.unwrap_or_default().escape_ascii();
        println!("first bad record: offset {} key '{key}'", record.offset);
    }

    println!("why, from the event back to its origin:");
    for entry in cluster.trace().why(*event) {
        println!("  {entry}");
    }

    let after = cluster.snapshot()?;
    cluster.step_back()?;
    println!("one event back the stock is {}", cluster.view(stock));
    println!("what the event changed:");
    let before = cluster.snapshot()?;
    print!("{}", before.diff(&after));
    Ok(())
}
