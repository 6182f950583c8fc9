//! The small files of a broker's directory, as bytes and back.
//!
//! ```text
//! meta.properties                        whose directory this is: MetaProperties
//! .kafka_cleanshutdown                   it was left in good order: CleanShutdown
//! bootstrap.checkpoint                   the first records of a new cluster: Snapshot
//! __cluster_metadata-0/quorum-state      who leads the controllers: QuorumState
//!     OFFSET-EPOCH.checkpoint            the metadata log up to an offset: Snapshot
//! orders-0/partition.metadata            the topic's id: PartitionMetadata
//! ```
//!
//! The checkpoints of offsets and leader epochs are `log::checkpoint`.

mod clean_shutdown;
mod error;
mod json;
mod meta_properties;
mod partition_metadata;
mod properties;
mod quorum_state;
mod snapshot;

pub use clean_shutdown::CleanShutdown;
pub use error::{FileError, FileFault};
pub use meta_properties::MetaProperties;
pub use partition_metadata::PartitionMetadata;
pub use quorum_state::{QuorumState, QuorumStateForm};
pub use snapshot::{
    BatchContent, MetadataBatch, Snapshot, SnapshotError, SnapshotFault, encode_batches,
    parse_batches, parse_snapshot_file_name, snapshot_file_name,
};
