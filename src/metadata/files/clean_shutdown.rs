//! `.kafka_cleanshutdown`: the directory was left in good order.
//!
//! `{"version":0,"brokerEpoch":55}`. That the file exists says that logs need no recovery; a broker
//! deletes it when it starts. The epoch tells the controller that nothing that was acknowledged in
//! this epoch can have been lost. A file that says nothing, as before Kafka 3.8, is an error
//! here; Kafka takes it for one without an epoch.

use std::fmt;

use super::error::{FileError, text};
use super::json;

/// What `.kafka_cleanshutdown` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The version of the file: 0.
    pub version: i32,
    /// The epoch that the broker had.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// Of a broker with this epoch.
    #[must_use]
    pub fn new(broker_epoch: i64) -> Self {
        CleanShutdown { version: 0, broker_epoch }
    }

    /// Reads the file. Fields that nobody knows are passed over.
    ///
    /// # Errors
    /// Which line is wrong, or what is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let object = json::parse(text(bytes)?)?.object()?;
        let version = object.get("version").map(|version| version.int("version")).transpose()?;
        let broker_epoch = object.need("brokerEpoch")?.int("brokerEpoch")?;
        Ok(CleanShutdown { version: version.unwrap_or(0), broker_epoch })
    }
}

/// The file.
impl fmt::Display for CleanShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"version\":{},\"brokerEpoch\":{}}}", self.version, self.broker_epoch)
    }
}
