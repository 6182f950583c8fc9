//! Assignors of the user's own: they run outside the world when the consumer leads, and what they
//! say is checked.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::with_topic;
use kafkarium::api::Assignment;
use kafkarium::assignor::{Assignor, Member, RebalanceProtocol};
use kafkarium::{Cluster, Consumer, Error, TopicPartition, TopicSpec};

/// Which partitions each member gets, by its place among the ids.
type Deal = fn(place: usize, members: usize, partition: i32) -> bool;

/// Deals the partitions of `orders` as a function says, and whatever else it is told to.
#[derive(Debug)]
struct Own {
    deal: Deal,
    /// A partition for the first member beyond these.
    extra: Option<(&'static str, i32)>,
    /// A member that there is not.
    stranger: bool,
    protocols: &'static [RebalanceProtocol],
}

impl Default for Own {
    fn default() -> Self {
        let deal: Deal = |place, members, partition| partition as usize % members == place;
        Own { deal, extra: None, stranger: false, protocols: &[RebalanceProtocol::Eager] }
    }
}

impl Assignor for Own {
    fn name(&self) -> &str {
        "own"
    }

    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        self.protocols
    }

    fn assign(
        &self,
        partitions: &BTreeMap<kafkarium::TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment> {
        let count = partitions.get("orders").copied().unwrap_or(0);
        let mut all = BTreeMap::new();
        for (place, id) in members.keys().enumerate() {
            let mine = |partition: &i32| (self.deal)(place, members.len(), *partition);
            let mine = (0..count).filter(mine).map(|number| TopicPartition::new("orders", number));
            let mut partitions: Vec<_> = mine.collect();
            if let Some((topic, number)) = self.extra.filter(|_| place == 0) {
                partitions.push(TopicPartition::new(topic, number));
            }
            all.insert(id.clone(), Assignment { partitions, user_data: None });
        }
        if self.stranger {
            all.insert("nobody".to_owned(), Assignment::default());
        }
        all
    }
}

fn shop() -> Cluster {
    let builder = Cluster::builder().config("group.initial.rebalance.delay.ms", "0");
    with_topic(builder, 4)
}

fn barista(cluster: &Cluster, own: Own) -> Consumer {
    let configs = [("group.id", "baristas"), ("partition.assignment.strategy", "own")];
    let mut consumer = cluster.consumer_with_assignors(configs, vec![Arc::new(own)]).unwrap();
    consumer.subscribe(["orders"]).unwrap();
    consumer
}

fn numbers(consumer: &Consumer) -> Vec<i32> {
    consumer.assignment().iter().map(|partition| partition.partition).collect()
}

fn poll_both(cluster: &Cluster, a: &mut Consumer, b: &mut Consumer) {
    for result in cluster.poll_all(&mut [a, b], Duration::from_secs(10)).unwrap() {
        result.unwrap();
    }
}

#[test]
fn the_leader_asks_the_users_assignor() {
    let cluster = shop();
    let mut a = barista(&cluster, Own::default());
    let mut b = barista(&cluster, Own::default());
    poll_both(&cluster, &mut a, &mut b);
    let mut dealt = [numbers(&a), numbers(&b)];
    dealt.sort();
    assert_eq!(dealt, [[0, 2], [1, 3]]);
}

/// What an assignor says that cannot be is an error of the leader's poll; the group is as it was,
/// and the next rebalance may end well.
#[test]
fn nonsense_is_refused_and_the_group_goes_on() {
    let everybody: Deal = |_, _, _| true;
    let table = [
        (Own { deal: everybody, ..Own::default() }, "orders-0 for both '"),
        (Own { extra: Some(("orders", 0)), ..Own::default() }, "orders-0 for both '"),
        (Own { extra: Some(("orders", 9)), ..Own::default() }, "there is no partition orders-9"),
        (Own { extra: Some(("stock", 0)), ..Own::default() }, "there is no partition stock-0"),
        (Own { stranger: true, ..Own::default() }, "'nobody' is no member of the group"),
    ];
    for (own, why) in table {
        let cluster = shop();
        cluster.admin().create_topic("stock", TopicSpec::partitions(1)).unwrap();
        let mut sane = barista(&cluster, Own::default());
        sane.poll(Duration::from_secs(5)).unwrap();
        assert_eq!(numbers(&sane), [0, 1, 2, 3]);
        sane.close().unwrap();
        // The other one leads now, and has to deal for two.
        let mut insane = barista(&cluster, own);
        let mut other = barista(&cluster, Own::default());
        let mut error = None;
        for _ in 0..10 {
            let polled = cluster.poll_all(&mut [&mut insane, &mut other], Duration::from_secs(5));
            for result in polled.unwrap() {
                error = error.or(result.err());
            }
        }
        let error = error.unwrap_or_else(|| panic!("nobody has said: {why}"));
        assert!(error.to_string().starts_with("invalid argument: assignor 'own': "), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        insane.close().unwrap();
        // Without it, the group comes to rest.
        for _ in 0..10 {
            other.poll(Duration::from_secs(5)).unwrap();
        }
        assert_eq!(numbers(&other), [0, 1, 2, 3], "{why}");
    }
}

/// A partition of a topic that only the other member has subscribed to.
#[test]
fn a_partition_that_its_member_does_not_want_is_refused() {
    let cluster = shop();
    cluster.admin().create_topic("stock", TopicSpec::partitions(1)).unwrap();
    let insane = || Own { extra: Some(("stock", 0)), ..Own::default() };
    // Whoever is the first member gets the additional partition, and only the second one wants it.
    let mut first = barista(&cluster, insane());
    let mut second = barista(&cluster, insane());
    second.subscribe(["orders", "stock"]).unwrap();
    let mut error = None;
    for _ in 0..10 {
        let polled = cluster.poll_all(&mut [&mut first, &mut second], Duration::from_secs(5));
        for result in polled.unwrap() {
            error = error.or(result.err());
        }
    }
    let error = error.unwrap().to_string();
    assert!(error.contains("stock-0 for '"), "{error}");
    assert!(error.contains("which has not subscribed to its topic"), "{error}");
}

/// In the cooperative protocol a partition has to be given up before another member gets it.
#[test]
fn a_cooperative_assignor_took_from_one_and_gave_to_another() {
    const BOTH: &[RebalanceProtocol] = &[RebalanceProtocol::Eager, RebalanceProtocol::Cooperative];
    let cluster = shop();
    let own = || Own { protocols: BOTH, ..Own::default() };
    let mut a = barista(&cluster, own());
    a.poll(Duration::from_secs(5)).unwrap();
    let mut b = barista(&cluster, own());
    let polled = cluster.poll_all(&mut [&mut a, &mut b], Duration::from_secs(10)).unwrap();
    let errors: Vec<String> =
        polled.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert!(errors[0].contains("it has to be given up first"), "{errors:?}");
    // Nothing was taken from anybody.
    assert_eq!(numbers(&a), [0, 1, 2, 3]);
}

#[test]
fn strategies_that_cannot_be() {
    let cluster = shop();
    let strategy = |strategy: &str, own: Vec<Arc<dyn Assignor>>| {
        let configs = [("group.id", "g"), ("partition.assignment.strategy", strategy)];
        cluster.consumer_with_assignors(configs, own).map(drop).unwrap_err().to_string()
    };
    let own = |protocols| -> Arc<dyn Assignor> { Arc::new(Own { protocols, ..Own::default() }) };
    let cooperative = own(&[RebalanceProtocol::Cooperative]);
    for (error, part) in [
        (strategy("ranje", vec![]), "there is no \"ranje\""),
        (strategy("range,RangeAssignor", vec![]), "more than once"),
        (strategy("range,own", vec![cooperative]), "no rebalance protocol in common"),
        (strategy("", vec![]), "no rebalance protocol in common"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// A consumer on a fork has no code of the user's until it is given some.
#[test]
fn an_assignor_on_a_fork_is_given_anew() {
    let cluster = shop();
    let a = barista(&cluster, Own::default());
    let fork = cluster.fork().unwrap();
    let mut bare = a.on(&fork).unwrap();
    let error = bare.poll(Duration::from_secs(5)).unwrap_err();
    assert_eq!(
        error,
        Error::InvalidArgument("nobody has run assignor 'own'".to_owned()),
        "the leader has no assignor"
    );
    let mut equipped = a.on(&fork).unwrap().with_assignor(Arc::new(Own::default()));
    equipped.poll(Duration::from_secs(5)).unwrap();
    assert_eq!(numbers(&equipped), [0, 1, 2, 3]);
}
