//! Whether an answer is one, or only asks to come again: here, or to another broker.

use crate::api::{ListOffsetsPartition, ListOffsetsRequest, Request, Response};
use crate::error::ErrorCode;

/// What comes of an answer.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is answered.
    pub answer: Option<Response>,
    /// What the same broker is to be asked again.
    pub again: Option<Request>,
    /// What another broker is to be asked, which has to be found first.
    pub elsewhere: Option<Request>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answered,
    Again,
    Elsewhere,
}

/// Reads an answer to a request.
pub fn judge(request: Request, response: Response) -> Verdict {
    let fate = match (&request, &response) {
        (Request::ListOffsets(_), Response::ListOffsets(_)) => {
            return judge_offsets(request, response);
        }
        // It is this broker's groups that are wanted: no other broker can tell them.
        (_, Response::ListGroups(response)) => group_fate(response.error_code).min(Fate::Again),
        (_, Response::DescribeGroups(response)) => {
            worst(response.groups.iter().map(|group| group.error_code))
        }
        (_, Response::DeleteGroups(response)) => {
            worst(response.results.iter().map(|group| group.error_code))
        }
        (_, Response::OffsetFetch(response)) => {
            worst(response.groups.iter().map(|group| group.error_code))
        }
        (_, Response::OffsetCommit(response)) => {
            worst(response.partitions.iter().map(|partition| partition.error_code))
        }
        (_, Response::OffsetDelete(response)) => group_fate(response.error_code),
        _ => Fate::Answered,
    };
    match fate {
        Fate::Answered => Verdict { answer: Some(response), ..Verdict::default() },
        Fate::Again => Verdict { again: Some(request), ..Verdict::default() },
        Fate::Elsewhere => Verdict { elsewhere: Some(request), ..Verdict::default() },
    }
}

fn worst(codes: impl Iterator<Item = ErrorCode>) -> Fate {
    codes.map(group_fate).max().unwrap_or(Fate::Answered)
}

fn group_fate(code: ErrorCode) -> Fate {
    match code {
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => Fate::Elsewhere,
        ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => Fate::Again,
        _ => Fate::Answered,
    }
}

/// Partition by partition.
fn judge_offsets(request: Request, response: Response) -> Verdict {
    let (Request::ListOffsets(request), Response::ListOffsets(mut response)) = (request, response)
    else {
        unreachable!("the caller has looked");
    };
    let isolation_level = request.isolation_level;
    let (mut again, mut elsewhere) = (Vec::new(), Vec::new());
    for wanted in request.partitions {
        let listed = response.partitions.iter().find(|l| l.partition == wanted.partition);
        match listed.map(|listed| listed.error_code) {
            Some(ErrorCode::NotLeaderOrFollower | ErrorCode::LeaderNotAvailable) => {
                elsewhere.push(wanted);
            }
            Some(code) if code.is_retriable() => again.push(wanted),
            Some(_) | None => {}
        }
    }
    let is_asked_again = |partition| {
        again
            .iter()
            .chain(&elsewhere)
            .any(|wanted: &ListOffsetsPartition| wanted.partition == partition)
    };
    response.partitions.retain(|listed| !is_asked_again(listed.partition.clone()));
    let list = |partitions: Vec<ListOffsetsPartition>| {
        let request = ListOffsetsRequest { isolation_level, partitions };
        (!request.partitions.is_empty()).then_some(Request::ListOffsets(request))
    };
    // An answer without partitions is one, too: others may be merged into it.
    let answer = Some(Response::ListOffsets(response));
    Verdict { answer, again: list(again), elsewhere: list(elsewhere) }
}
