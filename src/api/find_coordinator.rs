//! FindCoordinator (10): which broker coordinates a group.

use crate::error::ErrorCode;
use crate::types::BrokerId;

/// The key type of groups.
pub const GROUP_KEY_TYPE: i8 = 0;

/// Which coordinators to find.
#[derive(Clone, Debug)]
pub struct FindCoordinatorRequest {
    /// 0 for groups; 1, transactions, and 2, shares, are not served.
    pub key_type: i8,
    /// The groups.
    pub coordinator_keys: Vec<String>,
}

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindCoordinatorResponse {
    /// In the order of the request.
    pub coordinators: Vec<Coordinator>,
}

/// Where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinator {
    /// The group.
    pub key: String,
    /// Its coordinator, if there is one.
    pub node_id: Option<BrokerId>,
    /// What went wrong; `COORDINATOR_NOT_AVAILABLE` asks to come again.
    pub error_code: ErrorCode,
}
