//! A rebalance from the outside: `cargo run --release --example rebalance -- [--seed N]
//! [--cooperative] [--mermaid | --fingerprint]`.
//!
//! Three members join a group one after the other, and one of them leaves. How long each message
//! takes is drawn from the seed, and with it who joins before whom. Printed is what each member had
//! when, and for how long it stood still; or how the rebalances went, as a diagram for GitHub; or
//! the trace's fingerprint, which is the same whenever the seed is.

use std::error::Error;
use std::time::Duration;

use kafkarium::trace::Trace;
use kafkarium::{Cluster, Consumer, TopicSpec};

/// Plays the group with a seed; gives the trace of it.
pub fn play(seed: u64, assignors: &str) -> Result<Trace, kafkarium::Error> {
    let (fastest, slowest) = (Duration::from_millis(1), Duration::from_millis(400));
    // By default a new group waits three seconds for more members. This one begins at once.
    let builder = Cluster::builder().config("group.initial.rebalance.delay.ms", "0");
    let cluster = builder.seed(seed).latency(fastest, slowest).build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(6))?;

    let mut baristas = Vec::new();
    for _ in 0..3 {
        let configs = [("group.id", "baristas"), ("partition.assignment.strategy", assignors)];
        let mut barista = cluster.consumer(configs)?;
        barista.subscribe(["orders"])?;
        baristas.push(barista);
        poll(&cluster, &mut baristas, Duration::from_millis(500))?;
    }
    poll(&cluster, &mut baristas, Duration::from_secs(12))?;
    baristas.remove(0).close()?;
    poll(&cluster, &mut baristas, Duration::from_secs(12))?;
    Ok(cluster.trace())
}

/// Everything about a group goes on while its members poll; here there is nothing to read.
fn poll(cluster: &Cluster, group: &mut [Consumer], time: Duration) -> Result<(), kafkarium::Error> {
    let mut members: Vec<&mut Consumer> = group.iter_mut().collect();
    for polled in cluster.poll_all(&mut members, time)? {
        polled?;
    }
    Ok(())
}

/// What Kafka's consumer names by default: the group chooses the first one, which is eager.
pub const DEFAULT: &str = "range,cooperative-sticky";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut seed, mut assignors, mut shows) = (1, DEFAULT, String::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--seed" => seed = args.next().ok_or("--seed needs a number")?.parse()?,
            "--cooperative" => assignors = "cooperative-sticky",
            "--mermaid" | "--fingerprint" => shows = arg,
            _ => return Err(format!("'{arg}' is not known").into()),
        }
    }
    let trace = play(seed, assignors)?;
    match &*shows {
        "--mermaid" => print!("{}", trace.group_timeline("baristas").to_mermaid()),
        "--fingerprint" => println!("seed {seed}: fingerprint {:08x}", trace.fingerprint()),
        _ => print!("{}", trace.group_timeline("baristas")),
    }
    Ok(())
}
