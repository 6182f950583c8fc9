//! Whom a request is for, and how those brokers are found.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{
    FindCoordinatorRequest, GROUP_KEY_TYPE, ListOffsetsPartition, ListOffsetsRequest,
    MetadataRequest, MetadataResponse, Request, Response,
};
use crate::error::{Error, ErrorCode};
use crate::types::{BrokerId, TopicPartition};

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Any broker will do.
    Anyone,
    /// The coordinator of this group.
    Coordinator(String),
    /// The leaders of the partitions that it names, each of which is sent its part.
    Leaders,
    /// All brokers.
    Everyone,
}

/// What has been given to brokers, and what has none yet.
pub type Placed = (Vec<(BrokerId, Request)>, Option<Request>);

impl Route {
    pub fn of(request: &Request) -> Route {
        // The handles ask about one group at a time.
        let group = match request {
            Request::DescribeGroups(request) => request.groups.first(),
            Request::DeleteGroups(request) => request.groups.first(),
            Request::OffsetFetch(request) => request.groups.first().map(|group| &group.group_id),
            Request::OffsetCommit(request) => Some(&request.group_id),
            Request::OffsetDelete(request) => Some(&request.group_id),
            _ => None,
        };
        match (group, request) {
            (Some(group), _) => Route::Coordinator(group.clone()),
            (None, Request::ListOffsets(request)) if !request.partitions.is_empty() => {
                Route::Leaders
            }
            (None, Request::ListGroups(_)) => Route::Everyone,
            (None, _) => Route::Anyone,
        }
    }

    /// The request that finds the brokers for this one.
    pub fn lookup(&self, request: &Request) -> Option<Request> {
        let topics = match (self, request) {
            (Route::Coordinator(group), _) => {
                let coordinator_keys = vec![group.clone()];
                let request = FindCoordinatorRequest { key_type: GROUP_KEY_TYPE, coordinator_keys };
                return Some(Request::FindCoordinator(request));
            }
            (Route::Everyone, _) => BTreeSet::new(),
            (Route::Leaders, Request::ListOffsets(request)) => {
                request.partitions.iter().map(|wanted| wanted.partition.topic.clone()).collect()
            }
            _ => return None,
        };
        let topics = Some(topics.into_iter().collect());
        Some(Request::Metadata(MetadataRequest { topics, allow_auto_topic_creation: false }))
    }

    /// Gives the request to the brokers that a lookup has found.
    pub fn place(&self, request: Request, found: &Response) -> Result<Placed, Error> {
        match (self, request, found) {
            (Route::Coordinator(group), request, Response::FindCoordinator(found)) => {
                let found = found.coordinators.first();
                let code = found.map_or(ErrorCode::None, |found| found.error_code);
                match found.and_then(|found| found.node_id) {
                    Some(broker) if code.is_none() => Ok((vec![(broker, request)], None)),
                    _ if may_pass(code) => Ok((Vec::new(), Some(request))),
                    _ => Err(Error::kafka(code, format!("group '{group}'"))),
                }
            }
            (Route::Everyone, request, Response::Metadata(found)) => {
                let brokers = found.brokers.iter().map(|broker| broker.node_id);
                let placed: Vec<_> = brokers.map(|broker| (broker, request.clone())).collect();
                let homeless = placed.is_empty().then_some(request);
                Ok((placed, homeless))
            }
            (Route::Leaders, Request::ListOffsets(request), Response::Metadata(found)) => {
                to_leaders(request, found)
            }
            (_, request, _) => Ok((Vec::new(), Some(request))),
        }
    }

    /// What a lookup for this request seeks, for a reader.
    pub fn sought(&self, request: &Request) -> String {
        match (self, request) {
            (Route::Coordinator(group), _) => format!("the coordinator of group '{group}'"),
            (Route::Leaders, Request::ListOffsets(ListOffsetsRequest { partitions, .. })) => {
                let first = partitions.first().map(|wanted| wanted.partition.to_string());
                format!("the leader of {}", first.unwrap_or_default())
            }
            _ => "the list of brokers".to_owned(),
        }
    }
}

/// What a coordinator says of itself that another attempt may find changed.
fn may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::None | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress
    )
}

/// A topic that there is not fails the request; a partition may still come into being.
fn to_leaders(request: ListOffsetsRequest, found: &MetadataResponse) -> Result<Placed, Error> {
    let mut leaders = BTreeMap::new();
    for topic in &found.topics {
        match topic.error_code {
            ErrorCode::None | ErrorCode::LeaderNotAvailable | ErrorCode::BrokerNotAvailable => {}
            code => return Err(Error::kafka(code, format!("topic '{}'", topic.name))),
        }
        for partition in topic.partitions.iter().filter(|partition| partition.leader_id.0 >= 0) {
            let name = TopicPartition::new(&topic.name, partition.partition_index);
            leaders.insert(name, partition.leader_id);
        }
    }
    let isolation_level = request.isolation_level;
    let list =
        |partitions| Request::ListOffsets(ListOffsetsRequest { isolation_level, partitions });
    let mut by_leader: BTreeMap<BrokerId, Vec<ListOffsetsPartition>> = BTreeMap::new();
    let mut homeless = Vec::new();
    for wanted in request.partitions {
        match leaders.get(&wanted.partition) {
            Some(&leader) => by_leader.entry(leader).or_default().push(wanted),
            None => homeless.push(wanted),
        }
    }
    let placed = by_leader.into_iter().map(|(leader, wanted)| (leader, list(wanted))).collect();
    Ok((placed, (!homeless.is_empty()).then(|| list(homeless))))
}
