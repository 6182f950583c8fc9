//! Asking for offsets: where partitions begin and end, and what was written when.

use std::collections::BTreeMap;

use super::admin::{Admin, mismatch};
use crate::api::{
    EARLIEST_TIMESTAMP, IsolationLevel, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest,
    ListedOffset, MAX_TIMESTAMP, Request, Response,
};
use crate::error::Error;
use crate::types::{LeaderEpoch, Offset, Timestamp, TopicPartition};

/// Which offset of a partition is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first one that the log holds.
    Earliest,
    /// The end: the high watermark.
    Latest,
    /// The first record that has the largest timestamp of all.
    MaxTimestamp,
    /// The first record at or after a time, in milliseconds since the Unix epoch.
    Timestamp(Timestamp),
}

/// An offset that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The offset; `None` when there is no such record.
    pub offset: Option<Offset>,
    /// The timestamp of the record there; `None` for earliest and latest, and without a record.
    pub timestamp: Option<Timestamp>,
    /// The epoch of the leader that wrote it; `None` without a record.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Admin {
    /// The offsets asked for, by partition. Each leader is asked once; a partition that is named
    /// twice gets what it is named with last.
    ///
    /// ```
    /// use kafkarium::{Cluster, OffsetSpec, TopicPartition, TopicSpec};
    /// # fn main() -> Result<(), kafkarium::Error> {
    /// let cluster = Cluster::builder().build()?;
    /// let admin = cluster.admin();
    /// admin.create_topic("orders", TopicSpec::partitions(1))?;
    /// let ends = admin.list_offsets([(("orders", 0), OffsetSpec::Latest)])?;
    /// assert_eq!(ends[&TopicPartition::new("orders", 0)].offset, Some(0.into()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` for a topic that does not exist, [`Error::InvalidArgument`] for
    /// a negative time. Whatever has no leader, also a partition that the topic does not have, is
    /// waited for: [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn list_offsets<P: Into<TopicPartition>>(
        &self,
        wanted: impl IntoIterator<Item = (P, OffsetSpec)>,
    ) -> Result<BTreeMap<TopicPartition, PartitionOffset>, Error> {
        let wanted = wanted.into_iter().map(|(partition, spec)| (partition.into(), spec));
        let wanted: BTreeMap<TopicPartition, OffsetSpec> = wanted.collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ask = |(partition, spec): (TopicPartition, OffsetSpec)| {
            let timestamp = spec.timestamp()?;
            let current_leader_epoch = LeaderEpoch::UNKNOWN;
            Ok(ListOffsetsPartition { partition, current_leader_epoch, timestamp })
        };
        let partitions = wanted.into_iter().map(ask).collect::<Result<_, Error>>()?;
        let isolation_level = IsolationLevel::ReadUncommitted;
        let request = ListOffsetsRequest { isolation_level, partitions };
        let response = self.call(Request::ListOffsets(request))?;
        let Response::ListOffsets(response) = response else { mismatch(&response) };
        response.partitions.into_iter().map(PartitionOffset::read).collect()
    }
}

impl OffsetSpec {
    fn timestamp(self) -> Result<Timestamp, Error> {
        match self {
            OffsetSpec::Earliest => Ok(EARLIEST_TIMESTAMP),
            OffsetSpec::Latest => Ok(LATEST_TIMESTAMP),
            OffsetSpec::MaxTimestamp => Ok(MAX_TIMESTAMP),
            OffsetSpec::Timestamp(timestamp) if timestamp.0 < 0 => {
                Err(Error::InvalidArgument(format!("timestamp {timestamp} is negative")))
            }
            OffsetSpec::Timestamp(timestamp) => Ok(timestamp),
        }
    }
}

impl PartitionOffset {
    fn read(listed: ListedOffset) -> Result<(TopicPartition, Self), Error> {
        if !listed.error_code.is_none() {
            let context = format!("offsets of {}", listed.partition);
            return Err(Error::kafka(listed.error_code, context));
        }
        let found = PartitionOffset {
            offset: (listed.offset.0 >= 0).then_some(listed.offset),
            timestamp: (listed.timestamp.0 >= 0).then_some(listed.timestamp),
            leader_epoch: (listed.leader_epoch.0 >= 0).then_some(listed.leader_epoch),
        };
        Ok((listed.partition, found))
    }
}
