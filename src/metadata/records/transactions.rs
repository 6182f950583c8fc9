//! What holds records together, and what producers are given.

use crate::metadata::message::message;

message! {
    /// Producer ids have been given to a broker, which hands them out.
    pub struct ProducerIdsRecord {
        /// The broker.
        broker_id: i32 = 0, "brokerId" since 0;
        /// Its epoch.
        broker_epoch: i64 = -1, "brokerEpoch" since 0;
        /// The first id of the next block.
        next_producer_id: i64 = 0, "nextProducerId" since 0;
    }

    /// Nothing: the controller lives.
    pub struct NoOpRecord {}

    /// Records begin that count only together, once an [`EndTransactionRecord`] has come.
    pub struct BeginTransactionRecord {
        /// What it is about.
        name: Option<String> = None, "name" since 0, tag 0;
    }

    /// The records since the [`BeginTransactionRecord`] count.
    pub struct EndTransactionRecord {}

    /// The records since the [`BeginTransactionRecord`] do not count.
    pub struct AbortTransactionRecord {
        /// Why.
        reason: Option<String> = None, "reason" since 0, tag 0;
    }
}
