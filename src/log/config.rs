//! The settings of a log.

/// The topic settings that a log obeys, by Kafka's names and with Kafka's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: the size that a segment does not exceed, in bytes. Default 1 GiB.
    pub segment_bytes: u32,
    /// `segment.ms`: how far apart the timestamps of a segment's first batch and of a new batch
    /// may lie, in milliseconds. Default 7 days.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: by how much the time to roll is brought forward at most, so that not
    /// all logs roll at once, in milliseconds. Default 0.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: the size that an index does not exceed, in bytes. Default 10 MiB.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: how many bytes lie between two index entries at least. Default
    /// 4096.
    pub index_interval_bytes: u32,
    /// `max.message.bytes`: the size of the largest batch that a leader takes, in bytes. Default
    /// 1 MiB and 12 bytes.
    pub max_message_bytes: u32,
    /// Whether `cleanup.policy` has `compact`, so that offsets may be missing. Default false.
    pub compact: bool,
    /// `producer.id.expiration.ms`: after how long a silence a producer is forgotten, in
    /// milliseconds. Default one day.
    pub producer_id_expiration_ms: i64,
}

/// Seven days in milliseconds.
const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: WEEK_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            max_message_bytes: (1 << 20) + 12,
            compact: false,
            producer_id_expiration_ms: WEEK_MS / 7,
        }
    }
}
