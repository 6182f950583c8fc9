//! The trace as text, a line an entry: time, id, cause, actor, event.

use std::fmt;

use super::fault::FaultKind;
use super::trace::{Direction, TraceEntry, TraceEvent};
use crate::broker::BrokerEvent;
use crate::client::ClientEvent;
use crate::types::TopicPartition;

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_string();
        let cause = self.cause.map_or_else(|| "-".to_owned(), |cause| cause.to_string());
        write!(f, "{:>13} {id:>6} <{cause:>6} {:<12} {}", self.time, self.actor, self.event)
    }
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |direction: &Direction| match direction {
            Direction::Request => "request",
            Direction::Response => "response",
        };
        match self {
            TraceEvent::Created => write!(f, "created"),
            TraceEvent::Called(call) => write!(f, "calls {call}"),
            TraceEvent::Completed { ok: true } => write!(f, "call done"),
            TraceEvent::Completed { ok: false } => write!(f, "call failed"),
            TraceEvent::Connected { to, connection } => {
                write!(f, "connected to {to} (connection {})", connection.0)
            }
            TraceEvent::Disconnected { from, connection } => {
                write!(f, "disconnected from {from} (connection {})", connection.0)
            }
            TraceEvent::Sent { to, direction, api, correlation_id } => {
                write!(f, "sends {api} {} {correlation_id} to {to}", arrow(direction))
            }
            TraceEvent::Delivered { from, direction, api, correlation_id } => {
                write!(f, "gets {api} {} {correlation_id} from {from}", arrow(direction))
            }
            TraceEvent::Lost { to, direction, api, correlation_id } => {
                write!(f, "{api} {} {correlation_id} to {to} is lost", arrow(direction))
            }
            TraceEvent::Timer => write!(f, "deadline"),
            TraceEvent::Fault(FaultKind::Delay(micros)) => write!(f, "fault: delay of {micros} us"),
            TraceEvent::Fault(FaultKind::Duplicate(micros)) => {
                write!(f, "fault: comes again {micros} us later")
            }
            TraceEvent::Fault(kind) => write!(f, "fault: {kind:?}"),
            TraceEvent::Crashed => write!(f, "crashes"),
            TraceEvent::Stopped => write!(f, "is stopped"),
            TraceEvent::PowerFailed => write!(f, "loses its power"),
            TraceEvent::DiskFault(fault) => write!(f, "disk fault: {fault}"),
            TraceEvent::Restarted => write!(f, "restarts"),
            TraceEvent::Paused { until } => write!(f, "pauses until {until}"),
            TraceEvent::Broker(event) => event.fmt(f),
            TraceEvent::Client(event) => event.fmt(f),
        }
    }
}

impl fmt::Display for BrokerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerEvent::Appended { partition, base_offset, last_offset, bytes } => {
                write!(f, "appends {partition} offsets {base_offset}..={last_offset}, {bytes} B")
            }
            BrokerEvent::Rolled { partition, base_offset, reason } => {
                write!(f, "rolls {partition} to a segment from {base_offset}: {reason:?}")
            }
            BrokerEvent::Deduplicated { partition, producer_id, base_sequence, base_offset } => {
                write!(
                    f,
                    "has the batch for {partition} of producer {} from sequence {base_sequence} \
                     at offset {base_offset} already",
                    producer_id.0
                )
            }
            BrokerEvent::Indexed { partition, offset, position } => {
                write!(f, "indexes {partition} offset {offset} at {position}")
            }
            BrokerEvent::HighWatermark { partition, from, to } => {
                write!(f, "high watermark of {partition} {from} -> {to}")
            }
            BrokerEvent::Refused { partition, error } => {
                write!(f, "refuses a batch for {partition}: {error}")
            }
            BrokerEvent::Started { clean: true } => write!(f, "starts after a clean shutdown"),
            BrokerEvent::Started { clean: false } => write!(f, "starts after no clean shutdown"),
            BrokerEvent::Recovered { partition, step } => write!(f, "recovers {partition}: {step}"),
            BrokerEvent::Flushed { partition, recovery_point } => {
                write!(f, "makes {partition} durable up to {recovery_point}")
            }
            BrokerEvent::LogFailed { partition, why } => {
                write!(f, "takes {partition} offline: {why}")
            }
            BrokerEvent::Stray { partition } => {
                write!(f, "sets the directory of {partition} aside: it belongs to no topic")
            }
            BrokerEvent::FetchDelayed { deadline } => {
                write!(f, "fetch is delayed until {deadline}")
            }
            BrokerEvent::FetchExpired => write!(f, "delayed fetch expires"),
            BrokerEvent::TopicCreated { topic, partitions } => {
                write!(f, "topic {topic} created with {partitions} partitions")
            }
            BrokerEvent::PartitionsAdded { topic, partitions } => {
                write!(f, "topic {topic} has {partitions} partitions now")
            }
            BrokerEvent::GroupChanged { group_id, from, to, generation } => {
                write!(f, "group '{group_id}' {from} -> {to}, generation {generation}")
            }
            BrokerEvent::TopicDeleted { topic } => write!(f, "topic {topic} deleted"),
            BrokerEvent::ConfigsChanged { topic: Some(topic) } => {
                write!(f, "configs of topic {topic} changed")
            }
            BrokerEvent::ConfigsChanged { topic: None } => write!(f, "broker configs changed"),
        }
    }
}

impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientEvent::BatchReady { partition, records, bytes, reason } => {
                write!(f, "batch for {partition} ready: {records} records, {bytes} B, {reason:?}")
            }
            ClientEvent::Retry { partition, attempt, backoff_ms, error } => {
                write!(f, "retry {attempt} for {partition} in {backoff_ms} ms: {error}")
            }
            ClientEvent::Split { partition, parts } => {
                write!(f, "batch for {partition} split into {parts}")
            }
            ClientEvent::ProducerIdSet { producer_id, epoch } => {
                write!(f, "has producer id {}, epoch {}", producer_id.0, epoch.0)
            }
            ClientEvent::EpochBumped { producer_id, epoch, partitions } => {
                let (id, epoch) = (producer_id.0, epoch.0);
                write!(f, "begins epoch {epoch} of producer id {id} for {}", list(partitions))
            }
            ClientEvent::DeliveryFailed { partition, records, why } => {
                write!(f, "{records} records for {partition} given up: {why}")
            }
            ClientEvent::RequestTimedOut { broker } => {
                write!(f, "broker-{broker} has not answered in time")
            }
            ClientEvent::BufferExhausted { used } => {
                write!(f, "waits for memory, {used} B in use")
            }
            ClientEvent::PositionReset { partition, offset } => {
                write!(f, "position of {partition} set to {offset}")
            }
            ClientEvent::PositionCommitted { partition, offset } => {
                write!(f, "position of {partition} set to the committed {offset}")
            }
            ClientEvent::Rejoin { why, .. } => write!(f, "joins: {why}"),
            ClientEvent::MemberState { from, to, generation } => {
                write!(f, "member {from} -> {to}, generation {generation}")
            }
            ClientEvent::PartitionsRevoked { partitions } => {
                write!(f, "revoked: {}", list(partitions))
            }
            ClientEvent::PartitionsLost { partitions } => {
                write!(f, "lost: {}", list(partitions))
            }
            ClientEvent::PartitionsAssigned { partitions, owned } => {
                write!(f, "assigned: {}; has {owned}", list(partitions))
            }
            ClientEvent::OffsetsCommitted { offsets } => {
                let texts =
                    offsets.iter().map(|(partition, offset)| format!("{partition}@{offset}"));
                write!(f, "committed: {}", texts.collect::<Vec<_>>().join(" "))
            }
            ClientEvent::CommitFailed { why } => write!(f, "not committed: {why}"),
            ClientEvent::PollIntervalExceeded => {
                write!(f, "nobody has polled for max.poll.interval.ms")
            }
            ClientEvent::OutOfRange { partition, offset } => {
                write!(f, "position {offset} of {partition} is out of range")
            }
        }
    }
}

/// Partitions in a row, `nothing` without any.
fn list(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return "nothing".to_owned();
    }
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
