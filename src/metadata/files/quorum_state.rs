//! `quorum-state`: whom this controller last knew to lead, and for whom it voted. One line of JSON.

use super::error::{FileError, FileFault, text};
use super::json;
use crate::metadata::json::{Json, Object};
use crate::metadata::uuid::Uuid;

/// What `quorum-state` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The leader; −1 is none.
    pub leader_id: i32,
    /// The epoch.
    pub leader_epoch: i32,
    /// Whom it voted for in this epoch; −1 is nobody.
    pub voted_id: i32,
    /// The rest.
    pub form: QuorumStateForm,
}

/// What the versions of the file do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumStateForm {
    /// With `kraft.version` 0.
    V0 {
        /// Always empty.
        cluster_id: String,
        /// Always 0.
        applied_offset: i64,
        /// Who may vote.
        current_voters: Option<Vec<i32>>,
    },
    /// With `kraft.version` 1.
    V1 {
        /// The directory of whom it voted for.
        voted_directory_id: Uuid,
    },
}

struct Voter(i32);

impl Json for Voter {
    fn json(&self, version: i16, out: &mut String) {
        let mut object = Object::begin(version, out);
        object.field("voterId", &self.0);
        object.end();
    }
}

impl QuorumState {
    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        let mut object = Object::begin(0, &mut out);
        if let QuorumStateForm::V0 { cluster_id, .. } = &self.form {
            object.field("clusterId", cluster_id);
        }
        object.field("leaderId", &self.leader_id);
        object.field("leaderEpoch", &self.leader_epoch);
        object.field("votedId", &self.voted_id);
        match &self.form {
            QuorumStateForm::V0 { applied_offset, current_voters, .. } => {
                object.field("appliedOffset", applied_offset);
                let voters = current_voters.as_ref();
                let voters = voters.map(|ids| ids.iter().copied().map(Voter).collect::<Vec<_>>());
                object.field("currentVoters", &voters);
                object.field("data_version", &0_i16);
            }
            QuorumStateForm::V1 { voted_directory_id } => {
                object.field("votedDirectoryId", voted_directory_id);
                object.field("data_version", &1_i16);
            }
        }
        object.end();
        out
    }

    /// Reads the file: its first line. Fields that nobody knows are passed over.
    ///
    /// # Errors
    /// Which line is wrong, or what is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let line = text(bytes)?.lines().next().unwrap_or_default();
        let object = json::parse(line)?.object()?;
        let form = match object.need("data_version")?.int("data_version")? {
            0 => {
                let voters = object.need("currentVoters")?.nullable();
                let voters = voters.map(|voters| voters.items("currentVoters")).transpose()?;
                let id = |voter: json::Value| voter.object()?.need("voterId")?.int("voterId");
                let voters = voters.map(|voters| voters.into_iter().map(id).collect());
                let current_voters = voters.transpose()?;
                QuorumStateForm::V0 {
                    cluster_id: object.need("clusterId")?.string("clusterId")?,
                    applied_offset: object.need("appliedOffset")?.int("appliedOffset")?,
                    current_voters,
                }
            }
            1 => {
                let name = "votedDirectoryId";
                let id = object.need(name)?.string(name)?;
                let id = id.parse().map_err(|_| FileError::expected(1, name))?;
                QuorumStateForm::V1 { voted_directory_id: id }
            }
            version => return Err(FileError { line: 1, fault: FileFault::Version(version) }),
        };
        Ok(QuorumState {
            leader_id: object.need("leaderId")?.int("leaderId")?,
            leader_epoch: object.need("leaderEpoch")?.int("leaderEpoch")?,
            voted_id: object.need("votedId")?.int("votedId")?,
            form,
        })
    }
}
