//! Kafka's requests and responses as plain types, named as Kafka names them.
//!
//! The in-process clients and the broker speak these; a wire adapter translates between them and
//! bytes. What Kafka nests (topics, then partitions) is a flat list of partitions here: the nesting
//! only saves bytes on the wire.

mod configs;
mod consumer_protocol;
mod fetch;
mod find_coordinator;
mod group_admin;
mod groups;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offsets;
mod primitives;
mod produce;
mod topics;

use std::fmt;

pub use configs::{
    AlterConfigOp, AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    ConfigResourceType, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
    DescribeConfigsResult, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
pub use consumer_protocol::{Assignment, CONSUMER_PROTOCOL_TYPE, Subscription, subscribed_topics};
pub use fetch::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition, IsolationLevel};
pub use find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, GROUP_KEY_TYPE,
};
pub use group_admin::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember, ListGroupsRequest,
    ListGroupsResponse, ListedGroup,
};
pub use groups::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
    JoinGroupResponseMember, LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse,
    MemberIdentity, SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse,
};
pub use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub use list_offsets::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsResponse, ListedOffset, MAX_TIMESTAMP,
};
pub use metadata::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
};
pub use offsets::{
    CommittedPartition, DeletedOffset, OffsetCommitPartition, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchGroup,
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
};
pub use primitives::{DecodeError, Reader, StringTooLong, put_bytes, put_i32, put_string};
pub use produce::{ProducePartition, ProduceRequest, ProduceResponse, ProducedPartition};
pub use topics::{
    CreatableTopic, CreatableTopicResult, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicResult,
};

macro_rules! apis {
    ($($variant:ident = $key:literal, $request:ty, $response:ty;)*) => {
        /// Which request it is, by Kafka's name and number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the variants are Kafka's names, documented by Kafka")]
        #[repr(i16)]
        pub enum ApiKey {
            $($variant = $key,)*
        }

        impl ApiKey {
            /// Every request that the broker serves, in the order of the numbers.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$variant,)*];

            /// Kafka's name of the request.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$variant => stringify!($variant),)*
                }
            }
        }

        /// Any request.
        #[allow(missing_docs, reason = "each variant holds the request of its name")]
        #[derive(Clone, Debug)]
        pub enum Request {
            $($variant($request),)*
        }

        /// Any response.
        #[allow(missing_docs, reason = "each variant holds the response of its name")]
        #[derive(Clone, Debug)]
        pub enum Response {
            $($variant($response),)*
        }

        impl Request {
            /// Which request it is.
            #[must_use]
            pub fn api_key(&self) -> ApiKey {
                match self {
                    $(Request::$variant(_) => ApiKey::$variant,)*
                }
            }
        }

        impl Response {
            /// Which request it answers.
            #[must_use]
            pub fn api_key(&self) -> ApiKey {
                match self {
                    $(Response::$variant(_) => ApiKey::$variant,)*
                }
            }
        }
    };
}

apis! {
    Produce = 0, ProduceRequest, ProduceResponse;
    Fetch = 1, FetchRequest, FetchResponse;
    ListOffsets = 2, ListOffsetsRequest, ListOffsetsResponse;
    Metadata = 3, MetadataRequest, MetadataResponse;
    OffsetCommit = 8, OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch = 9, OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator = 10, FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup = 11, JoinGroupRequest, JoinGroupResponse;
    Heartbeat = 12, HeartbeatRequest, HeartbeatResponse;
    LeaveGroup = 13, LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup = 14, SyncGroupRequest, SyncGroupResponse;
    DescribeGroups = 15, DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups = 16, ListGroupsRequest, ListGroupsResponse;
    CreateTopics = 19, CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics = 20, DeleteTopicsRequest, DeleteTopicsResponse;
    InitProducerId = 22, InitProducerIdRequest, InitProducerIdResponse;
    DescribeConfigs = 32, DescribeConfigsRequest, DescribeConfigsResponse;
    CreatePartitions = 37, CreatePartitionsRequest, CreatePartitionsResponse;
    DeleteGroups = 42, DeleteGroupsRequest, DeleteGroupsResponse;
    IncrementalAlterConfigs = 44, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    OffsetDelete = 47, OffsetDeleteRequest, OffsetDeleteResponse;
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
