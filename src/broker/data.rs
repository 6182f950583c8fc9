//! Produce, Fetch and ListOffsets: requests that partitions answer.

use super::controller::is_internal;
use super::purgatory::DelayedFetch;
use super::{Broker, BrokerEffect, BrokerEvent, ConnectionId};
use crate::api::{
    EARLIEST_TIMESTAMP, FetchPartition, FetchRequest, FetchResponse, FetchedPartition,
    LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListedOffset,
    MAX_TIMESTAMP, ProducePartition, ProduceRequest, ProduceResponse, ProducedPartition, Response,
};
use crate::error::ErrorCode;
use crate::log::LogAppendInfo;
use crate::partition::{AppendRefusal, Partition};
use crate::record::RecordBatch;
use crate::types::{LeaderEpoch, Offset, ProducerId, Time, Timestamp, TopicPartition};

impl Broker {
    pub(super) fn produce(
        &mut self,
        now: Time,
        connection: ConnectionId,
        client_id: &str,
        request: ProduceRequest,
    ) -> Option<Response> {
        let acks = request.acks;
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for produced in request.partitions {
            let name = produced.partition.clone();
            let admitted = self.admit(acks, client_id, &name);
            let result = admitted.and_then(|()| self.append(now, produced));
            partitions.push(result.unwrap_or_else(|(error_code, message)| {
                self.event(BrokerEvent::Refused { partition: name.clone(), error: error_code });
                ProducedPartition::failed(name, error_code, message)
            }));
        }
        let failed = partitions.iter().any(|result| !result.error_code.is_none());
        for produced in &partitions {
            self.wake_fetches(&produced.partition);
        }
        if acks != 0 {
            return Some(Response::Produce(ProduceResponse { partitions }));
        }
        if failed {
            self.effects.push(BrokerEffect::Close { connection });
        }
        None
    }

    /// Whether a client may append there with these acks. To internal topics nobody may but the
    /// client that Kafka calls `__admin_client`.
    fn admit(
        &self,
        acks: i16,
        client_id: &str,
        name: &TopicPartition,
    ) -> Result<(), AppendRefusal> {
        if !self.partitions.contains_key(name) {
            return Err((ErrorCode::UnknownTopicOrPartition, None));
        }
        if !matches!(acks, -1..=1) {
            return Err((ErrorCode::InvalidRequiredAcks, Some(format!("acks {acks}"))));
        }
        if is_internal(&name.topic) && client_id != "__admin_client" {
            let message = format!("topic '{}' is internal", name.topic);
            return Err((ErrorCode::InvalidTopicException, Some(message)));
        }
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        now: Time,
        produced: ProducePartition,
    ) -> Result<ProducedPartition, AppendRefusal> {
        let ProducePartition { partition: name, records } = produced;
        let Some(partition) = self.partitions.get_mut(&name) else {
            return Err((ErrorCode::UnknownTopicOrPartition, None));
        };
        partition.check_leader(LeaderEpoch::UNKNOWN).map_err(|code| (code, None))?;
        let bytes = records.size_in_bytes() as u32;
        let sequence = (records.producer_id(), records.base_sequence());
        let appended = partition.append(&mut self.disk, now, records)?;
        let moved = partition.advance_high_watermark();
        let result = ProducedPartition {
            partition: name.clone(),
            error_code: ErrorCode::None,
            base_offset: appended.base_offset,
            // As in Kafka, a duplicate gets the stored time with `CreateTime`, too.
            log_append_time: match &appended.duplicate_of {
                Some(stored) => stored.timestamp,
                None => partition.log_append_time(now),
            },
            log_start_offset: partition.log().log_start_offset(),
            error_message: None,
        };
        self.tell_append(&name, &appended, bytes, sequence);
        if let Some(moved) = moved {
            let (from, to) = (moved.from, moved.to);
            self.event(BrokerEvent::HighWatermark { partition: name, from, to });
        }
        Ok(result)
    }

    fn tell_append(
        &mut self,
        name: &TopicPartition,
        appended: &LogAppendInfo,
        bytes: u32,
        (producer_id, base_sequence): (ProducerId, i32),
    ) {
        if let Some(roll) = &appended.rolled {
            let (base_offset, reason) = (roll.new_base, roll.reason);
            self.event(BrokerEvent::Rolled { partition: name.clone(), base_offset, reason });
        }
        let (base_offset, last_offset) = (appended.base_offset, appended.last_offset);
        let partition = name.clone();
        if appended.duplicate_of.is_some() {
            self.event(BrokerEvent::Deduplicated {
                partition,
                producer_id,
                base_sequence,
                base_offset,
            });
            return;
        }
        self.event(BrokerEvent::Appended { partition, base_offset, last_offset, bytes });
        if let Some(entry) = &appended.indexed {
            let (offset, position) = (entry.offset, entry.position);
            self.event(BrokerEvent::Indexed { partition: name.clone(), offset, position });
        }
    }

    pub(super) fn fetch(
        &mut self,
        now: Time,
        connection: ConnectionId,
        correlation_id: i32,
        request: FetchRequest,
    ) -> Option<Response> {
        let response = self.read_all(&request);
        let wait = request.max_wait_ms > 0 && !request.partitions.is_empty();
        if !wait || self.is_enough(&request, &response) {
            return Some(Response::Fetch(response));
        }
        let deadline = now.after_ms(i64::from(request.max_wait_ms));
        self.event(BrokerEvent::FetchDelayed { deadline });
        self.purgatory.watch(DelayedFetch { connection, correlation_id, request, deadline });
        None
    }

    /// Answers the waiting fetches for which there is enough now.
    pub(super) fn wake_fetches(&mut self, partition: &TopicPartition) {
        for id in self.purgatory.waiting_for(partition) {
            let Some(delayed) = self.purgatory.get(id) else { continue };
            let response = self.read_all(&delayed.request);
            if self.is_enough(&delayed.request, &response)
                && let Some(fetch) = self.purgatory.take(id)
            {
                self.reply(fetch.connection, fetch.correlation_id, Response::Fetch(response));
            }
        }
    }

    /// Reads the partitions in the order of the request. Until one of them gives something, the
    /// first batch is returned whole whatever the limits say; later ones must fit.
    pub(super) fn read_all(&self, request: &FetchRequest) -> FetchResponse {
        let mut remaining = self.max_bytes(request);
        let mut empty = true;
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for wanted in &request.partitions {
            let limit = (wanted.partition_max_bytes.max(0) as usize).min(remaining);
            let fetched = match self.read(wanted, limit, empty) {
                Ok(fetched) => fetched,
                Err(error) => FetchedPartition::failed(wanted.partition.clone(), error),
            };
            empty &= fetched.records.is_empty();
            remaining = remaining.saturating_sub(fetched.records.len());
            partitions.push(fetched);
        }
        FetchResponse { error_code: ErrorCode::None, partitions }
    }

    /// The most bytes of one response.
    fn max_bytes(&self, request: &FetchRequest) -> usize {
        (request.max_bytes.max(0) as usize).min(self.config.fetch_max_bytes)
    }

    /// Whether a fetch need not wait: it has the bytes that it asked for, or an error to tell.
    /// More than one response may hold is not waited for.
    fn is_enough(&self, request: &FetchRequest, response: &FetchResponse) -> bool {
        let bytes: usize = response.partitions.iter().map(|fetched| fetched.records.len()).sum();
        bytes >= (request.min_bytes.max(0) as usize).min(self.max_bytes(request))
            || response.partitions.iter().any(|fetched| !fetched.error_code.is_none())
    }

    fn read(
        &self,
        wanted: &FetchPartition,
        max_bytes: usize,
        min_one_batch: bool,
    ) -> Result<FetchedPartition, ErrorCode> {
        let partition = self.led(&wanted.partition, wanted.current_leader_epoch)?;
        let read = partition.read(&self.disk, wanted.fetch_offset, max_bytes, min_one_batch)?;
        Ok(FetchedPartition {
            partition: wanted.partition.clone(),
            error_code: ErrorCode::None,
            high_watermark: partition.high_watermark(),
            last_stable_offset: partition.last_stable_offset(),
            log_start_offset: partition.log().log_start_offset(),
            records: read.records,
        })
    }

    /// All batches of a partition from an offset on, for a look from outside.
    pub fn batches(&self, name: &TopicPartition, from: Offset) -> Vec<RecordBatch> {
        let Some(partition) = self.partitions.get(name) else { return Vec::new() };
        let mut next = from.max(partition.log().log_start_offset());
        let mut batches = Vec::new();
        while let Ok(read) = partition.log().read(
            &self.disk,
            next,
            usize::MAX,
            partition.log().log_end_offset(),
            true,
        ) {
            let mut records = read.records;
            let before = batches.len();
            while let Ok(Some(batch)) = RecordBatch::split_from(&mut records) {
                next = batch.next_offset();
                batches.push(batch);
            }
            if batches.len() == before {
                break;
            }
        }
        batches
    }

    fn led(&self, name: &TopicPartition, epoch: LeaderEpoch) -> Result<&Partition, ErrorCode> {
        let partition = self.partitions.get(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        partition.check_leader(epoch).map(|()| partition)
    }

    pub(super) fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let answer = |wanted: &ListOffsetsPartition| {
            let (error_code, (timestamp, offset, leader_epoch)) = match self.list_offset(wanted) {
                Ok(found) => (ErrorCode::None, found),
                Err(error) => (error, NO_OFFSET),
            };
            let partition = wanted.partition.clone();
            ListedOffset { partition, error_code, timestamp, offset, leader_epoch }
        };
        ListOffsetsResponse { partitions: request.partitions.iter().map(answer).collect() }
    }

    fn list_offset(
        &self,
        wanted: &ListOffsetsPartition,
    ) -> Result<(Timestamp, Offset, LeaderEpoch), ErrorCode> {
        let partition = self.led(&wanted.partition, wanted.current_leader_epoch)?;
        let found = match wanted.timestamp {
            LATEST_TIMESTAMP => {
                let epoch = partition.leader_epoch();
                Some((Timestamp::NONE, partition.high_watermark(), epoch))
            }
            EARLIEST_TIMESTAMP => {
                let start = partition.log().log_start_offset();
                Some((Timestamp::NONE, start, partition.leader_epoch()))
            }
            MAX_TIMESTAMP => partition.max_timestamp_offset(&self.disk)?,
            Timestamp(0..) => partition.offset_for_timestamp(&self.disk, wanted.timestamp)?,
            _ => return Err(ErrorCode::UnsupportedVersion),
        };
        Ok(found.unwrap_or(NO_OFFSET))
    }
}

const NO_OFFSET: (Timestamp, Offset, LeaderEpoch) =
    (Timestamp::NONE, Offset(-1), LeaderEpoch::UNKNOWN);
