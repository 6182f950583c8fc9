//! Which assignors a consumer uses, by `partition.assignment.strategy`, and how its members let go
//! of partitions because of it.

use std::fmt;
use std::sync::Arc;

use super::{
    Assignor, CooperativeStickyAssignor, RangeAssignor, RoundRobinAssignor, StickyAssignor,
};
use crate::error::Error;

/// How the members of a group let go of partitions when it rebalances. The later one is the better
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebalanceProtocol {
    /// Everybody lets go of everything, then joins.
    Eager,
    /// Everybody keeps what it has, joins, and lets go of what it is not given again; if it had to,
    /// it joins once more, so that others can be given that.
    Cooperative,
}

impl RebalanceProtocol {
    /// The best protocol that all the assignors support. It does not depend on which of them the
    /// group will choose.
    ///
    /// # Errors
    /// When there is none, or no assignor.
    pub fn common(assignors: &[Arc<dyn Assignor>]) -> Result<Self, Error> {
        let supported_by_all = |protocol: &RebalanceProtocol| {
            assignors.iter().all(|assignor| assignor.supported_protocols().contains(protocol))
        };
        let best_first = [RebalanceProtocol::Cooperative, RebalanceProtocol::Eager];
        let common = best_first.into_iter().find(supported_by_all);
        common.filter(|_| !assignors.is_empty()).ok_or_else(|| {
            let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let why = "the assignors have no rebalance protocol in common";
            Error::Config(format!("partition.assignment.strategy: {why}: [{}]", names.join(", ")))
        })
    }
}

impl fmt::Display for RebalanceProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RebalanceProtocol::Eager => "EAGER",
            RebalanceProtocol::Cooperative => "COOPERATIVE",
        })
    }
}

/// Where Java's assignors live.
const PACKAGE: &str = "org.apache.kafka.clients.consumer.";

/// An assignor by the name of Java's class, with or without its package, or by its own name, which
/// is what librdkafka calls it.
///
/// # Errors
/// For any other name; the error says which there are.
pub fn by_name(name: &str) -> Result<Arc<dyn Assignor>, Error> {
    match name.strip_prefix(PACKAGE).unwrap_or(name) {
        "RangeAssignor" | "range" => Ok(Arc::new(RangeAssignor)),
        "RoundRobinAssignor" | "roundrobin" => Ok(Arc::new(RoundRobinAssignor)),
        "StickyAssignor" | "sticky" => Ok(Arc::new(StickyAssignor)),
        "CooperativeStickyAssignor" | "cooperative-sticky" => {
            Ok(Arc::new(CooperativeStickyAssignor))
        }
        _ => Err(Error::Config(format!(
            "partition.assignment.strategy: there is no {name:?}; there are \
             {PACKAGE}RangeAssignor (range), RoundRobinAssignor (roundrobin), \
             StickyAssignor (sticky) and CooperativeStickyAssignor (cooperative-sticky)"
        ))),
    }
}

/// The assignors that a value of `partition.assignment.strategy` names, the preferred one first. A
/// name that is one of the user's `own` is that one.
///
/// # Errors
/// For a name that is unknown, and for one that stands there twice.
pub fn parse(strategies: &str, own: &[Arc<dyn Assignor>]) -> Result<Vec<Arc<dyn Assignor>>, Error> {
    let mut assignors: Vec<Arc<dyn Assignor>> = Vec::new();
    for name in strategies.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let own = own.iter().find(|assignor| assignor.name() == name);
        let assignor = own.map_or_else(|| by_name(name), |own| Ok(own.clone()))?;
        if assignors.iter().any(|other| other.name() == assignor.name()) {
            let twice = format!("{:?} is there more than once", assignor.name());
            return Err(Error::Config(format!("partition.assignment.strategy: {twice}")));
        }
        assignors.push(assignor);
    }
    Ok(assignors)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Member;
    use super::*;
    use crate::api::Assignment;
    use crate::types::TopicName;

    fn names(strategies: &str) -> Vec<String> {
        let assignors = parse(strategies, &[]).unwrap();
        assignors.iter().map(|assignor| assignor.name().to_owned()).collect()
    }

    #[test]
    fn assignors_have_names_in_java_and_in_librdkafka() {
        for (class, name) in [
            ("RangeAssignor", "range"),
            ("RoundRobinAssignor", "roundrobin"),
            ("StickyAssignor", "sticky"),
            ("CooperativeStickyAssignor", "cooperative-sticky"),
        ] {
            for given in [format!("{PACKAGE}{class}"), class.to_owned(), name.to_owned()] {
                assert_eq!(by_name(&given).unwrap().name(), name, "{given}");
            }
        }
        let default = format!("{PACKAGE}RangeAssignor, {PACKAGE}CooperativeStickyAssignor");
        assert_eq!(names(&default), ["range", "cooperative-sticky"]);
        assert_eq!(names(" "), [""; 0]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        for unknown in ["uniform", "com.acme.RangeAssignor", "Range"] {
            let Error::Config(why) = parse(&format!("range,{unknown}"), &[]).unwrap_err() else {
                panic!("no error of a configuration");
            };
            assert!(why.contains(unknown) && why.contains("(cooperative-sticky)"), "{why}");
        }
        let Err(Error::Config(why)) = parse("range,RangeAssignor", &[]) else { panic!("accepted") };
        assert!(why.contains("more than once"), "{why}");
    }

    /// Lets go of nothing unless it must, and knows no other way.
    #[derive(Debug)]
    struct CooperativeOnly;

    impl Assignor for CooperativeOnly {
        fn name(&self) -> &str {
            "mine"
        }

        fn supported_protocols(&self) -> &[RebalanceProtocol] {
            &[RebalanceProtocol::Cooperative]
        }

        fn assign(
            &self,
            _: &BTreeMap<TopicName, i32>,
            _: &BTreeMap<String, Member>,
        ) -> BTreeMap<String, Assignment> {
            BTreeMap::new()
        }
    }

    #[test]
    fn the_protocol_is_the_best_that_all_support() {
        let common = |strategies| RebalanceProtocol::common(&parse(strategies, &[]).unwrap());
        assert_eq!(common("range"), Ok(RebalanceProtocol::Eager));
        assert_eq!(common("range,cooperative-sticky"), Ok(RebalanceProtocol::Eager));
        assert_eq!(common("cooperative-sticky"), Ok(RebalanceProtocol::Cooperative));
        assert!(common("").is_err());
        let mut mixed = parse("cooperative-sticky", &[]).unwrap();
        mixed.push(Arc::new(CooperativeOnly));
        assert_eq!(RebalanceProtocol::common(&mixed), Ok(RebalanceProtocol::Cooperative));
        mixed.extend(parse("range", &[]).unwrap());
        let Err(Error::Config(why)) = RebalanceProtocol::common(&mixed) else { panic!("one") };
        assert!(why.contains("[cooperative-sticky, mine, range]"), "{why}");
    }
}
