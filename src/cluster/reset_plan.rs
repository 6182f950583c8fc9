//! Setting a group's offsets: what `kafka-consumer-groups --reset-offsets` does, with and without
//! `--execute`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::admin::{Admin, mismatch};
use super::list_offsets::{OffsetSpec, PartitionOffset};
use super::offset_reset::{OffsetReset, ResetTo, Scope};
use super::table::{self, Column};
use crate::api::{OffsetCommitPartition, OffsetCommitRequest, Request, Response};
use crate::client::consumer::OffsetAndMetadata;
use crate::error::{Error, ErrorCode};
use crate::sim::GroupState;
use crate::types::{LeaderEpoch, Offset, Timestamp, TopicName, TopicPartition};

/// The version of OffsetCommit that Kafka's admin speaks, since it names topics.
const OFFSET_COMMIT_VERSION: i16 = 9;

/// The offsets that a group gets.
///
/// Its `Display` is the table that `kafka-consumer-groups --reset-offsets` of Kafka 4.3.1 prints,
/// without the blank line in front of it, and ordered by partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetPlan {
    /// The group.
    pub group_id: String,
    /// By partition.
    pub offsets: Vec<NewOffset>,
}

/// The offset that a group gets in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record.
    pub offset: Offset,
    /// Why it is not what was asked for.
    pub warning: Option<OffsetWarning>,
}

/// Why a group gets another offset than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetWarning {
    /// This offset lies above the end of the log, which is taken.
    AboveEnd(Offset),
    /// This offset lies below the start of the log, which is taken.
    BelowStart(Offset),
    /// There is no record at or after this time; the end of the log is taken.
    NoRecordSince(Timestamp),
}

impl fmt::Display for OffsetWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OffsetWarning::AboveEnd(offset) => write!(f, "{offset} lies above the end of the log"),
            OffsetWarning::BelowStart(offset) => {
                write!(f, "{offset} lies below the start of the log")
            }
            OffsetWarning::NoRecordSince(time) => write!(f, "no record is as young as {time}"),
        }
    }
}

impl fmt::Display for ResetPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"].map(str::to_owned)];
        rows.extend(self.offsets.iter().map(|new| {
            let TopicPartition { topic, partition } = &new.partition;
            let (topic, partition) = (topic.to_string(), partition.to_string());
            [self.group_id.clone(), topic, partition, new.offset.to_string()]
        }));
        let columns = [Column::Fitted, Column::Fitted, Column::Fixed(10), Column::Last];
        table::write(f, columns, &rows)
    }
}

impl Admin {
    /// What [`alter_group_offsets`](Admin::alter_group_offsets) would do: nothing is changed. (The
    /// tool's `--dry-run`.)
    ///
    /// # Errors
    /// As there.
    pub fn plan_group_offsets(
        &self,
        group_id: &str,
        reset: &OffsetReset,
    ) -> Result<ResetPlan, Error> {
        reset.check()?;
        self.check_inactive(group_id)?;
        let committed = match reset.rests_on_commits() {
            true => self.group_offsets(group_id)?,
            false => BTreeMap::new(),
        };
        let targets = self.targets(reset, &committed)?;
        let offsets = self.new_offsets(group_id, &targets, &committed)?;
        Ok(ResetPlan { group_id: group_id.to_owned(), offsets })
    }

    /// Sets offsets of a group that has no members, or does not exist yet: it then comes into
    /// being. An offset outside the log is moved to its nearest end, with a warning. Gives what was
    /// done.
    ///
    /// All of it goes to the coordinator in one request, when everything has been looked up; the
    /// commits that there were are replaced, and their metadata and leader epochs are lost.
    ///
    /// ```
    /// use kafkarium::{Cluster, OffsetReset, ResetTo, TopicSpec};
    /// # fn main() -> Result<(), kafkarium::Error> {
    /// let cluster = Cluster::builder().build()?;
    /// let admin = cluster.admin();
    /// admin.create_topic("orders", TopicSpec::partitions(2))?;
    /// let reset = OffsetReset::new().topic("orders", ResetTo::Latest);
    /// admin.alter_group_offsets("billing", &reset)?;
    /// assert_eq!(admin.group_lag("billing")?.partitions.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` with the group's state unless that is Empty or Dead, `INVALID_GROUP_ID`
    /// for an empty id, `UNKNOWN_TOPIC_OR_PARTITION`, `LEADER_NOT_AVAILABLE`;
    /// [`Error::InvalidArgument`] for a reset of nothing, a negative time, a shift of what is not
    /// committed, and a group that is not one of consumers; [`Error::Timeout`] after
    /// `default.api.timeout.ms` for each request. Nothing has been changed then, unless it is the
    /// last request that was not answered. `UNKNOWN_MEMBER_ID` when somebody has joined meanwhile.
    pub fn alter_group_offsets(
        &self,
        group_id: &str,
        reset: &OffsetReset,
    ) -> Result<ResetPlan, Error> {
        let plan = self.plan_group_offsets(group_id, reset)?;
        if plan.offsets.is_empty() {
            return Ok(plan);
        }
        let commit = |new: &NewOffset| OffsetCommitPartition {
            partition: new.partition.clone(),
            committed_offset: new.offset,
            committed_leader_epoch: LeaderEpoch::UNKNOWN,
            committed_metadata: Some(String::new()),
        };
        let request = OffsetCommitRequest {
            retention_time_ms: -1,
            version: OFFSET_COMMIT_VERSION,
            group_id: group_id.to_owned(),
            generation_id: -1,
            member_id: String::new(),
            group_instance_id: None,
            partitions: plan.offsets.iter().map(commit).collect(),
        };
        let response = self.call(Request::OffsetCommit(request))?;
        let Response::OffsetCommit(response) = response else { mismatch(&response) };
        match response.partitions.iter().find(|committed| !committed.error_code.is_none()) {
            Some(refused) => {
                let context = format!("{} of group '{group_id}'", refused.partition);
                Err(Error::kafka(refused.error_code, context))
            }
            None => Ok(plan),
        }
    }

    /// The tool's rule: whoever is a member would go on from its own position, and overwrite what
    /// is set here with its next commit.
    fn check_inactive(&self, group_id: &str) -> Result<(), Error> {
        match self.describe_group(group_id) {
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => Ok(()),
            Err(error) => Err(error),
            Ok(group) => match group.state {
                GroupState::Empty | GroupState::Dead => Ok(()),
                state => {
                    let what = format!("offsets of group '{group_id}' can be reset while it is");
                    let context = format!("{what} Empty or Dead; it is {state}");
                    Err(Error::kafka(ErrorCode::NonEmptyGroup, context))
                }
            },
        }
    }

    /// What is to become of which partition. All of them exist and have a leader.
    fn targets(
        &self,
        reset: &OffsetReset,
        committed: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<BTreeMap<TopicPartition, ResetTo>, Error> {
        let mut topics: BTreeSet<TopicName> = BTreeSet::new();
        for (scope, _) in &reset.scopes {
            match scope {
                Scope::AllTopics => topics.extend(committed.keys().map(|p| p.topic.clone())),
                Scope::Topic(topic) => drop(topics.insert(topic.clone())),
                Scope::Partition(partition) => drop(topics.insert(partition.topic.clone())),
            }
        }
        let mut leaders = BTreeMap::new();
        if !topics.is_empty() {
            for topic in self.metadata(Some(topics.into_iter().collect()))?.topics {
                if !topic.error_code.is_none() {
                    return Err(Error::kafka(topic.error_code, format!("topic '{}'", topic.name)));
                }
                for partition in &topic.partitions {
                    let name = TopicPartition::new(&topic.name, partition.partition_index);
                    leaders.insert(name, partition.leader_id);
                }
            }
        }
        let mut targets = BTreeMap::new();
        for (scope, to) in &reset.scopes {
            let named: Vec<TopicPartition> = match scope {
                Scope::AllTopics => committed.keys().cloned().collect(),
                Scope::Topic(topic) => {
                    leaders.keys().filter(|partition| partition.topic == *topic).cloned().collect()
                }
                Scope::Partition(partition) => vec![partition.clone()],
            };
            targets.extend(named.into_iter().map(|partition| (partition, *to)));
        }
        for partition in targets.keys() {
            let code = match leaders.get(partition) {
                None => ErrorCode::UnknownTopicOrPartition,
                Some(leader) if leader.0 < 0 => ErrorCode::LeaderNotAvailable,
                Some(_) => continue,
            };
            return Err(Error::kafka(code, partition.to_string()));
        }
        Ok(targets)
    }

    /// Looks up what the targets rest on, and computes the offsets.
    fn new_offsets(
        &self,
        group_id: &str,
        targets: &BTreeMap<TopicPartition, ResetTo>,
        committed: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<Vec<NewOffset>, Error> {
        let now = self.now()?.timestamp();
        let timed = targets
            .iter()
            .filter_map(|(partition, to)| Some((partition, OffsetSpec::Timestamp(to.time(now)?))));
        let times = self.list_offsets(timed)?;
        let at_time =
            |partition: &TopicPartition| times.get(partition).and_then(|listed| listed.offset);
        let starts = targets.iter().filter(|(_, to)| {
            matches!(to, ResetTo::Earliest | ResetTo::Offset(_) | ResetTo::ShiftBy(_))
        });
        let starts = self.list_offsets(starts.map(|(p, _)| (p, OffsetSpec::Earliest)))?;
        let ends = targets.iter().filter(|(partition, to)| match to {
            ResetTo::Earliest => false,
            ResetTo::Latest | ResetTo::Offset(_) | ResetTo::ShiftBy(_) => true,
            ResetTo::Current => !committed.contains_key(*partition),
            ResetTo::Time(_) | ResetTo::ByDuration(_) => at_time(partition).is_none(),
        });
        let ends = self.list_offsets(ends.map(|(p, _)| (p, OffsetSpec::Latest)))?;
        let new = |(partition, to): (&TopicPartition, &ResetTo)| {
            let (start, end) = (|| known(&starts, partition), || known(&ends, partition));
            let current = committed.get(partition).map(|committed| committed.offset);
            let (offset, warning) = match (*to, current) {
                (ResetTo::Earliest, _) => (start()?, None),
                (ResetTo::Current, Some(current)) => (current, None),
                (ResetTo::Latest | ResetTo::Current, _) => (end()?, None),
                (ResetTo::Offset(offset), _) => clamp(offset, start()?, end()?),
                (ResetTo::ShiftBy(by), Some(Offset(current))) => {
                    clamp(Offset(current.saturating_add(by)), start()?, end()?)
                }
                (ResetTo::ShiftBy(_), None) => {
                    let why = format!("group '{group_id}' has no offset of {partition} to shift");
                    return Err(Error::InvalidArgument(why));
                }
                (ResetTo::Time(_) | ResetTo::ByDuration(_), _) => match at_time(partition) {
                    Some(offset) => (offset, None),
                    None => (end()?, to.time(now).map(OffsetWarning::NoRecordSince)),
                },
            };
            Ok(NewOffset { partition: partition.clone(), offset, warning })
        };
        targets.iter().map(new).collect()
    }
}

/// The start or the end of a log.
fn known(
    listed: &BTreeMap<TopicPartition, PartitionOffset>,
    partition: &TopicPartition,
) -> Result<Offset, Error> {
    let offset = listed.get(partition).and_then(|listed| listed.offset);
    offset.ok_or_else(|| Error::kafka(ErrorCode::OffsetNotAvailable, partition.to_string()))
}

/// The offset, or the nearest end of the log.
fn clamp(offset: Offset, start: Offset, end: Offset) -> (Offset, Option<OffsetWarning>) {
    if offset > end {
        (end, Some(OffsetWarning::AboveEnd(offset)))
    } else if offset < start {
        (start, Some(OffsetWarning::BelowStart(offset)))
    } else {
        (offset, None)
    }
}
