//! A broker's directory: how it is opened and closed, and what is written down meanwhile.
//!
//! ```text
//! meta.properties                       whose directory it is
//! __cluster_metadata-0/                 topics, partitions, configs, as records
//! orders-0/                             a partition: its log, partition.metadata
//! orders-1.0123…cdef-delete/            a partition whose topic was deleted, until its time is up
//! recovery-point-offset-checkpoint      below it a log is durable
//! log-start-offset-checkpoint           where a log starts, if not at its first segment
//! replication-offset-checkpoint         high watermarks
//! cleaner-offset-checkpoint             how far logs are compacted
//! .kafka_cleanshutdown                  the broker was stopped, all is durable
//! ```
//!
//! **Opening** reads `meta.properties` (another cluster's directory is refused), takes
//! `.kafka_cleanshutdown` away, replays the metadata log, and opens each partition that the metadata
//! tells of; a directory that it does not tell of is set aside as `….<id>-stray`. **Stopping** flushes and
//! closes every log, writes the checkpoints, and puts `.kafka_cleanshutdown` there at last.
//!
//! On a disk in memory there is none of that but the metadata log: what lies on it does not outlive
//! the world, and a broker that crashes keeps its logs as they were.

use std::collections::BTreeMap;

use super::metadata::MetadataRecord;
use super::metadata_log::{METADATA_TOPIC, MetadataLog};
use super::{Broker, BrokerEvent};
use crate::config::TopicConfig;
use crate::log::checkpoint::{encode_offsets, parse_offsets};
use crate::log::{LogError, LogStart, RecoveryStep};
use crate::metadata::files::{
    CleanShutdown, MetaProperties, PartitionMetadata, QuorumState, QuorumStateForm,
};
use crate::metadata::records::{
    BrokerRegistrationChangeRecord, Endpoint, FeatureLevelRecord, NoOpRecord, RegisterBrokerRecord,
    SupportedFeature,
};
use crate::metadata::{Record, Uuid};
use crate::partition::Partition;
use crate::random::Random;
use crate::storage::{Disk, DiskError, read_file, replace_file};
use crate::types::{Offset, Time, TopicId, TopicPartition};

/// The features of a cluster of Kafka 4.3, with their levels.
const FEATURES: [(&str, i16); 6] = [
    ("metadata.version", 30),
    ("eligible.leader.replicas.version", 1),
    ("group.version", 1),
    ("share.version", 1),
    ("streams.version", 1),
    ("transaction.version", 2),
];

/// Where the broker says that it listens.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 9092;

/// The id that Kafka gives to the topic of metadata.
const METADATA_TOPIC_ID: TopicId = TopicId(1);

const META_PROPERTIES: &str = "meta.properties";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
const CLEANED: &str = "cleaner-offset-checkpoint";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const QUORUM_STATE: &str = "quorum-state";
const PARTITION_METADATA: &str = "partition.metadata";

/// What was written down of all partitions when the broker last had time for it.
#[derive(Debug, Default)]
struct WrittenDown {
    clean: bool,
    recovery_points: BTreeMap<TopicPartition, Offset>,
    log_starts: BTreeMap<TopicPartition, Offset>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
}

/// Why a broker cannot start.
pub type StartError = String;

/// Whose directory a broker's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterId {
    /// Whosever it is; a new one gets the default.
    Any,
    /// That cluster's; another one's is refused.
    Expected(String),
}

impl ClusterId {
    pub(super) fn expected(&self) -> Option<String> {
        if let ClusterId::Expected(id) = self { Some(id.clone()) } else { None }
    }
}

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClusterId::Any => f.write_str("kafkarium"),
            ClusterId::Expected(id) => f.write_str(id),
        }
    }
}

impl Broker {
    /// Reads what the disk holds, or begins a new directory. What it does is told to the trace, and
    /// kept as the report of this start.
    pub(super) fn start(&mut self, now: Time) -> Result<(), StartError> {
        self.recovery.clear();
        self.check_owner(now)?;
        let text = |error: LogError| error.to_string();
        let written = self.read_written_down().map_err(text)?;
        let metadata = TopicPartition::new(METADATA_TOPIC, 0);
        let start = log_start(&written, &metadata, now);
        let opened = MetadataLog::open(&mut self.disk, start, self.id, now);
        let (log, records, steps) = opened.map_err(text)?;
        // No clock goes back behind what it has said already.
        let now = now.max(log.began_at());
        self.started_at = now;
        self.metadata_log = log;
        for record in &records {
            self.image.replay(record);
        }
        let registered = self.registration(records.is_empty());
        self.metadata_log.append(&mut self.disk, now, &registered).map_err(text)?;
        self.write_quorum_state().map_err(|error| error.to_string())?;
        self.event(BrokerEvent::Started { clean: written.clean });
        self.tell_recovery(&metadata, steps);
        self.open_partitions(&written, now).map_err(|error| error.to_string())?;
        self.lead_again(now);
        Ok(())
    }

    /// Checks that the directory is this broker's; a new one gets its properties.
    fn check_owner(&mut self, now: Time) -> Result<(), StartError> {
        let found =
            read_file(&mut self.disk, META_PROPERTIES).map_err(|error| error.to_string())?;
        let Some(bytes) = found else {
            self.directory_id = TopicId(Random::stream(self.seed, "directory ids").bits128());
            let properties = MetaProperties {
                cluster_id: self.cluster_id.clone(),
                node_id: self.id.0,
                directory_id: Some(Uuid::from(self.directory_id)),
            };
            let partition = PartitionMetadata::new(METADATA_TOPIC_ID.into()).to_string();
            let path = format!("{METADATA_TOPIC}-0/{PARTITION_METADATA}");
            replace_file(&mut self.disk, &path, partition.as_bytes())
                .map_err(|error| error.to_string())?;
            let text = properties.encode(now.timestamp());
            return replace_file(&mut self.disk, META_PROPERTIES, text.as_bytes())
                .map_err(|error| error.to_string());
        };
        let found =
            MetaProperties::parse(&bytes).map_err(|error| format!("{META_PROPERTIES}: {error}"))?;
        if found.node_id != self.id.0 {
            let (theirs, ours) = (found.node_id, self.id);
            return Err(format!("{META_PROPERTIES}: node.id is {theirs}, not {ours}"));
        }
        if let Some(ours) = &self.expected_cluster_id
            && *ours != found.cluster_id
        {
            let theirs = found.cluster_id;
            return Err(format!("{META_PROPERTIES}: cluster.id is '{theirs}', not '{ours}'"));
        }
        self.cluster_id = found.cluster_id;
        self.directory_id = found.directory_id.map_or(TopicId::ZERO, TopicId::from);
        Ok(())
    }

    /// What the controller writes down of a broker that comes: the first time, what the cluster can
    /// do, too.
    fn registration(&mut self, is_first: bool) -> Vec<MetadataRecord> {
        let mut records: Vec<Record> = Vec::new();
        if is_first {
            let level = |(name, level): (&str, i16)| FeatureLevelRecord {
                name: name.to_owned(),
                feature_level: level,
                ..FeatureLevelRecord::default()
            };
            records.extend(FEATURES.map(level).map(Record::from));
        }
        // A broker's epoch is the offset of its registration.
        self.broker_epoch = self.metadata_log.end().0 + records.len() as i64;
        let stream = format!("incarnation {} {}", self.id, self.broker_epoch);
        let incarnation = Random::stream(self.seed, &stream).bits128();
        let listener = Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: HOST.to_owned(),
            port: PORT,
            ..Endpoint::default()
        };
        let feature = |(name, level): (&str, i16)| SupportedFeature {
            name: name.to_owned(),
            max_supported_version: level,
            ..SupportedFeature::default()
        };
        let (broker_id, broker_epoch) = (self.id.0, self.broker_epoch);
        let registered = RegisterBrokerRecord {
            broker_id,
            incarnation_id: Uuid(incarnation),
            broker_epoch,
            end_points: vec![listener],
            features: FEATURES.map(feature).to_vec(),
            rack: None,
            log_dirs: vec![Uuid::from(self.directory_id)],
            ..RegisterBrokerRecord::default()
        };
        let unfenced = BrokerRegistrationChangeRecord {
            broker_id,
            broker_epoch,
            fenced: -1,
            ..BrokerRegistrationChangeRecord::default()
        };
        records.extend([registered.into(), unfenced.into()]);
        records.into_iter().map(MetadataRecord::Other).collect()
    }

    fn write_quorum_state(&mut self) -> Result<(), DiskError> {
        let leader_epoch = self.metadata_log.epoch();
        let state = QuorumState {
            leader_id: self.id.0,
            leader_epoch: leader_epoch.0,
            voted_id: -1,
            form: QuorumStateForm::V0 {
                cluster_id: String::new(),
                applied_offset: 0,
                current_voters: Some(vec![self.id.0]),
            },
        };
        let text = state.encode();
        let path = format!("{METADATA_TOPIC}-0/{QUORUM_STATE}");
        replace_file(&mut self.disk, &path, text.as_bytes())
    }

    fn read_written_down(&mut self) -> Result<WrittenDown, LogError> {
        let clean = read_file(&mut self.disk, CLEAN_SHUTDOWN)?.is_some();
        if clean {
            // Whatever happens from now on, the next start is not a clean one.
            self.disk.remove(CLEAN_SHUTDOWN)?;
            self.disk.sync_dir("")?;
        }
        Ok(WrittenDown {
            clean,
            recovery_points: self.read_offsets(RECOVERY_POINTS)?,
            log_starts: self.read_offsets(LOG_STARTS)?,
            high_watermarks: self.read_offsets(HIGH_WATERMARKS)?,
        })
    }

    fn read_offsets(&mut self, path: &str) -> Result<BTreeMap<TopicPartition, Offset>, LogError> {
        let bytes = read_file(&mut self.disk, path)?;
        let parsed = bytes.map_or(Ok(Vec::new()), |bytes| parse_offsets(&bytes));
        let parsed = parsed.map(|offsets| offsets.into_iter().collect());
        parsed.map_err(|error| LogError::Checkpoint {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Opens the replicas that the image tells of, and clears away what it does not.
    fn open_partitions(&mut self, written: &WrittenDown, now: Time) -> Result<(), DiskError> {
        let directories = self.disk.list("")?;
        let mut strays = Vec::new();
        for dir in directories {
            if dir.ends_with("-delete") {
                self.disk.remove_dir(&dir)?;
                continue;
            }
            let Some(name) = partition_of(&dir) else { continue };
            if &*name.topic != METADATA_TOPIC && self.topic_id_of(&name).is_none() {
                strays.push((dir, name));
            }
        }
        for (dir, name) in strays {
            let id = self.unique_suffix(&dir);
            self.disk.rename_dir(&dir, &format!("{dir}.{id:032x}-stray"))?;
            self.disk.sync_dir("")?;
            self.event(BrokerEvent::Stray { partition: name });
        }
        let of_topics = self.image.topics().flat_map(|(topic, image)| {
            let topic_id = image.topic_id;
            image.partitions.iter().map(move |(&partition, image)| {
                (TopicPartition::new(topic, partition), topic_id, image.clone())
            })
        });
        for (name, topic_id, image) in of_topics.collect::<Vec<_>>() {
            let start = log_start(written, &name, now);
            let high_watermark = written.high_watermarks.get(&name).copied();
            let config = self.topic_config(&name.topic);
            let opened = Partition::open(
                &mut self.disk,
                name.clone(),
                topic_id,
                self.id,
                config.clone(),
                (start, high_watermark.unwrap_or(Offset::ZERO)),
            );
            let mut partition = match opened {
                Ok((partition, steps)) => {
                    self.tell_recovery(&name, steps);
                    partition
                }
                // Its log is offline; the others are not.
                Err(error) => self.offline_partition(&name, topic_id, error.to_string()),
            };
            partition.set_leader(image.leader, image.leader_epoch, image.isr);
            partition.advance_high_watermark();
            self.partitions.insert(name, partition);
        }
        Ok(())
    }

    /// What tells a directory from others that are set aside by the same name.
    pub(super) fn unique_suffix(&self, dir: &str) -> u128 {
        let stream = format!("set aside {dir} {}", self.metadata_log.end());
        Random::stream(self.seed, &stream).bits128()
    }

    /// A replica that serves nothing, since its disk has failed.
    pub(super) fn offline_partition(
        &mut self,
        name: &TopicPartition,
        topic_id: TopicId,
        why: String,
    ) -> Partition {
        let config = self.topic_config(&name.topic);
        let mut partition = Partition::new(name.clone(), topic_id, self.id, config);
        partition.go_offline(why.clone());
        self.event(BrokerEvent::LogFailed { partition: name.clone(), why });
        partition
    }

    /// Whose partition a directory is, if it is one's of a topic that there is.
    fn topic_id_of(&mut self, name: &TopicPartition) -> Option<TopicId> {
        let image = self.image.topic(&name.topic)?;
        image.partitions.get(&name.partition)?;
        let topic_id = image.topic_id;
        let path = format!("{name}/{PARTITION_METADATA}");
        let written = read_file(&mut self.disk, &path).ok().flatten();
        let written = written.and_then(|bytes| PartitionMetadata::parse(&bytes).ok());
        // A directory without a word of its topic is the one's that is called so.
        written
            .is_none_or(|written| TopicId::from(written.topic_id) == topic_id)
            .then_some(topic_id)
    }

    fn tell_recovery(&mut self, partition: &TopicPartition, steps: Vec<RecoveryStep>) {
        for step in steps {
            self.recovery.push((partition.clone(), step.clone()));
            let partition = partition.clone();
            self.event(BrokerEvent::Recovered { partition, step });
        }
    }

    /// A replica of a topic that has just come into being.
    pub(super) fn create_partition(
        &mut self,
        now: Time,
        name: &TopicPartition,
        topic_id: TopicId,
        config: TopicConfig,
    ) -> Partition {
        if !self.disk.is_durable() {
            return Partition::new(name.clone(), topic_id, self.id, config);
        }
        let at = now.timestamp();
        let created =
            Partition::create(&mut self.disk, name.clone(), topic_id, self.id, config, at);
        let path = format!("{name}/{PARTITION_METADATA}");
        let text = PartitionMetadata::new(topic_id.into()).to_string();
        let created = created.and_then(|partition| {
            replace_file(&mut self.disk, &path, text.as_bytes())?;
            Ok(partition)
        });
        created.unwrap_or_else(|error| self.offline_partition(name, topic_id, error.to_string()))
    }

    /// Ends cleanly: the next start need not read the logs.
    pub fn stop(&mut self, now: Time) {
        if !self.disk.is_durable() {
            return;
        }
        // The time goes on from here when it starts again.
        let time = MetadataRecord::Other(NoOpRecord::default().into());
        let mut clean = self.metadata_log.append(&mut self.disk, now, &[time]).is_ok();
        clean &= self.metadata_log.close(&mut self.disk).is_ok();
        for partition in self.partitions.values_mut() {
            // Nobody knows what the disk holds of a log that is offline: it has to be read.
            clean &= partition.offline().is_none() && partition.close(&mut self.disk).is_ok();
        }
        clean &= self.write_all_checkpoints().is_ok();
        if clean {
            let text = CleanShutdown::new(self.broker_epoch).to_string();
            // If it cannot be written, the next start is not a clean one: that is all.
            let _ = replace_file(&mut self.disk, CLEAN_SHUTDOWN, text.as_bytes());
        }
    }

    /// What the last start had to do to the logs.
    pub fn recovery(&self) -> &[(TopicPartition, RecoveryStep)] {
        &self.recovery
    }

    fn write_all_checkpoints(&mut self) -> Result<(), DiskError> {
        self.write_recovery_points()?;
        self.write_log_starts()?;
        self.write_high_watermarks()?;
        if read_file(&mut self.disk, CLEANED)?.is_none() {
            replace_file(&mut self.disk, CLEANED, encode_offsets([]).as_bytes())?;
        }
        Ok(())
    }

    /// Writes below which offset each log is durable.
    pub(super) fn write_recovery_points(&mut self) -> Result<(), DiskError> {
        let metadata = TopicPartition::new(METADATA_TOPIC, 0);
        let mut points = BTreeMap::from([(metadata, self.metadata_log.recovery_point())]);
        points.extend(self.online().map(|p| (p.name().clone(), p.log().recovery_point())));
        replace_file(&mut self.disk, RECOVERY_POINTS, as_checkpoint(&points).as_bytes())
    }

    /// Writes where the logs start whose first segment begins before that.
    pub(super) fn write_log_starts(&mut self) -> Result<(), DiskError> {
        let cut = self.online().filter(|partition| {
            let first = partition.log().segments().next().map(|segment| segment.base_offset());
            first.is_none_or(|first| partition.log().log_start_offset() > first)
        });
        let starts = cut.map(|p| (p.name().clone(), p.log().log_start_offset())).collect();
        replace_file(&mut self.disk, LOG_STARTS, as_checkpoint(&starts).as_bytes())
    }

    /// Writes the high watermarks.
    pub(super) fn write_high_watermarks(&mut self) -> Result<(), DiskError> {
        let marks = self.online().map(|p| (p.name().clone(), p.high_watermark())).collect();
        replace_file(&mut self.disk, HIGH_WATERMARKS, as_checkpoint(&marks).as_bytes())
    }

    fn online(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.values().filter(|partition| partition.offline().is_none())
    }
}

fn as_checkpoint(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    encode_offsets(offsets.iter().map(|(name, offset)| (name, *offset)))
}

fn log_start(written: &WrittenDown, name: &TopicPartition, now: Time) -> LogStart {
    let of = |offsets: &BTreeMap<TopicPartition, Offset>| {
        offsets.get(name).copied().unwrap_or(Offset::ZERO)
    };
    LogStart {
        clean: written.clean,
        recovery_point: of(&written.recovery_points),
        log_start_offset: of(&written.log_starts),
        now: now.timestamp(),
    }
}

/// The partition whose directory is called so.
fn partition_of(dir: &str) -> Option<TopicPartition> {
    let (topic, partition) = dir.rsplit_once('-')?;
    Some(TopicPartition::new(topic, partition.parse().ok().filter(|&number: &i32| number >= 0)?))
}
