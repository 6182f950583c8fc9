//! How far a group is behind: what `kafka-consumer-groups --describe` shows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::admin::Admin;
use super::group_admin::{GroupDescription, GroupMember};
use super::list_offsets::OffsetSpec;
use super::table::{self, Column};
use crate::client::consumer::OffsetAndMetadata;
use crate::error::Error;
use crate::sim::GroupState;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// What a column shows when there is nothing to show.
const MISSING: &str = "-";

/// How far a group is behind, by partition.
///
/// Its `Display` is the table that `kafka-consumer-groups --describe` of Kafka 4.3.1 prints,
/// without the blank line in front of it: trailing blanks, columns and all. A group that is Dead,
/// or without rows, has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The group.
    pub group_id: String,
    /// Where it stands.
    pub state: GroupState,
    /// What its members are assigned, those with most partitions first, then whatever else it has
    /// committed for; each in the order of the partitions.
    pub partitions: Vec<PartitionLag>,
}

/// How far a group is behind in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: TopicPartition,
    /// What the group has committed; `None` without a commit, which is not 0.
    pub current_offset: Option<Offset>,
    /// The leader epoch that was committed with it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The high watermark, which Kafka's table calls LOG-END-OFFSET. `None` without a leader.
    pub log_end_offset: Option<Offset>,
    /// The one less the other, in records; negative for a commit above the end.
    pub lag: Option<i64>,
    /// The member that reads it.
    pub member_id: Option<String>,
    /// Where that member speaks from.
    pub host: Option<String>,
    /// Its `client.id`.
    pub client_id: Option<String>,
}

impl Admin {
    /// How far a group is behind: a row for each partition that a member is assigned or that the
    /// group has committed for. The numbers are asked for one after the other, as Kafka's tool does
    /// it: state and members, commits, ends.
    ///
    /// # Errors
    /// Those of [`describe_group`](Admin::describe_group); [`Error::Timeout`] after
    /// `default.api.timeout.ms` for each request.
    pub fn group_lag(&self, group_id: &str) -> Result<GroupLag, Error> {
        let group = self.describe_group(group_id)?;
        let committed = self.group_offsets(group_id)?;
        let assigned = group.members.iter().flat_map(|member| &member.assignment);
        let all: BTreeSet<&TopicPartition> = assigned.chain(committed.keys()).collect();
        let led = self.led_partitions(all.iter().map(|partition| &*partition.topic))?;
        let ends = all.into_iter().filter(|partition| led.contains(partition));
        let ends = self.list_offsets(ends.map(|partition| (partition, OffsetSpec::Latest)))?;
        let ends = ends.into_iter().filter_map(|(partition, end)| Some((partition, end.offset?)));
        Ok(GroupLag::new(&group, &committed, &ends.collect()))
    }

    /// The partitions of some topics that have a leader. A topic that there is not has none.
    fn led_partitions<'t>(
        &self,
        topics: impl Iterator<Item = &'t str>,
    ) -> Result<BTreeSet<TopicPartition>, Error> {
        let topics: BTreeSet<&str> = topics.collect();
        if topics.is_empty() {
            return Ok(BTreeSet::new());
        }
        let metadata = self.metadata(Some(topics.into_iter().map(Into::into).collect()))?;
        let led = metadata.topics.iter().flat_map(|topic| {
            let led = topic.partitions.iter().filter(|partition| partition.leader_id.0 >= 0);
            led.map(|partition| TopicPartition::new(&topic.name, partition.partition_index))
        });
        Ok(led.collect())
    }
}

impl GroupLag {
    pub(super) fn new(
        group: &GroupDescription,
        committed: &BTreeMap<TopicPartition, OffsetAndMetadata>,
        ends: &BTreeMap<TopicPartition, Offset>,
    ) -> Self {
        let row = |partition: &TopicPartition, owner: Option<&GroupMember>| {
            let commit = committed.get(partition);
            let current_offset = commit.map(|commit| commit.offset);
            let log_end_offset = ends.get(partition).copied();
            PartitionLag {
                partition: partition.clone(),
                current_offset,
                leader_epoch: commit.map(|commit| commit.leader_epoch).filter(|epoch| epoch.0 >= 0),
                log_end_offset,
                lag: current_offset.zip(log_end_offset).map(|(at, end)| end - at),
                member_id: owner.map(|owner| owner.member_id.clone()),
                host: owner.map(|owner| owner.host.clone()),
                client_id: owner.map(|owner| owner.client_id.clone()),
            }
        };
        let mut members: Vec<&GroupMember> = group.members.iter().collect();
        members.sort_by_key(|member| Reverse(member.assignment.len()));
        let owned = members.iter().flat_map(|member| {
            member.assignment.iter().map(|partition| row(partition, Some(member)))
        });
        let assigned: BTreeSet<_> = members.iter().flat_map(|member| &member.assignment).collect();
        let rest = committed.keys().filter(|partition| !assigned.contains(partition));
        GroupLag {
            group_id: group.group_id.clone(),
            state: group.state,
            partitions: owned.chain(rest.map(|partition| row(partition, None))).collect(),
        }
    }
}

impl fmt::Display for GroupLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state == GroupState::Dead || self.partitions.is_empty() {
            return Ok(());
        }
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| MISSING.to_owned());
        let number = |n: Option<i64>| n.map_or_else(|| MISSING.to_owned(), |n| n.to_string());
        let offset = |at: Option<Offset>| number(at.map(|Offset(at)| at));
        let head = [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.partitions.iter().map(|row| {
            [
                self.group_id.clone(),
                row.partition.topic.to_string(),
                row.partition.partition.to_string(),
                offset(row.current_offset),
                offset(row.log_end_offset),
                number(row.lag),
                shown(&row.member_id),
                shown(&row.host),
                shown(&row.client_id),
            ]
        }));
        use Column::{Fitted, Fixed, Last};
        let (narrow, wide) = (Fixed(10), Fixed(15));
        let columns = [Fitted, Fitted, narrow, wide, wide, wide, Fitted, Fitted, Last];
        table::write(f, columns, &rows)
    }
}
