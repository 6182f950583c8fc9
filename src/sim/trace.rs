//! The trace: what happened, when, to whom, and because of what.
//!
//! It lies outside the world: a snapshot keeps only how long it was and what its fingerprint was.
//! The fingerprint is the CRC-32 of all entries, as their derived `Hash` gives them out: numbers in
//! little-endian, `usize` as 64 bits, text behind its bytes a byte 255. So it is the same on every
//! machine. It may change with a new version of this crate, or of the compiler's `derive`.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::fault::{DiskFault, FaultKind};
use crate::api::ApiKey;
use crate::broker::{BrokerEvent, ConnectionId};
use crate::client::ClientEvent;
use crate::types::{BrokerId, EventId, Time};

/// Who did it, or to whom it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// Whoever holds the cluster.
    User,
    /// A broker.
    Broker(BrokerId),
    /// A producer, by the number of its handle.
    Producer(u32),
    /// A consumer.
    Consumer(u32),
    /// An admin client.
    Admin(u32),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Actor::User => "user".to_owned(),
            Actor::Broker(id) => format!("broker-{id}"),
            Actor::Producer(n) => format!("producer-{n}"),
            Actor::Consumer(n) => format!("consumer-{n}"),
            Actor::Admin(n) => format!("admin-{n}"),
        };
        f.pad(&text)
    }
}

/// Whether a message is a request or its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From a client to a broker.
    Request,
    /// From a broker to a client.
    Response,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A handle was made.
    Created,
    /// A handle made a call.
    Called(&'static str),
    /// A call that had to wait is done.
    Completed {
        /// Whether it succeeded.
        ok: bool,
    },
    /// A connection was opened.
    Connected {
        /// To whom.
        to: Actor,
        /// Which one.
        connection: ConnectionId,
    },
    /// A connection is gone.
    Disconnected {
        /// From whom.
        from: Actor,
        /// Which one.
        connection: ConnectionId,
    },
    /// A message was put on its way.
    Sent {
        /// To whom.
        to: Actor,
        /// Request or response.
        direction: Direction,
        /// Of which kind.
        api: ApiKey,
        /// The request's number on its connection.
        correlation_id: i32,
    },
    /// A message arrived.
    Delivered {
        /// From whom.
        from: Actor,
        /// Request or response.
        direction: Direction,
        /// Of which kind.
        api: ApiKey,
        /// The request's number on its connection.
        correlation_id: i32,
    },
    /// A message will never arrive.
    Lost {
        /// To whom it was going.
        to: Actor,
        /// Request or response.
        direction: Direction,
        /// Of which kind.
        api: ApiKey,
        /// The request's number on its connection.
        correlation_id: i32,
    },
    /// A deadline came.
    Timer,
    /// Something was made to go wrong with the message that is sent next.
    Fault(FaultKind),
    /// A broker was shut down.
    Stopped,
    /// The power of a broker's machine failed.
    PowerFailed,
    /// Something went wrong with a broker's disk.
    DiskFault(DiskFault),
    /// It died.
    Crashed,
    /// It came back.
    Restarted,
    /// It does nothing for a while.
    Paused {
        /// Until when.
        until: Time,
    },
    /// What a broker told.
    Broker(BrokerEvent),
    /// What a client told.
    Client(ClientEvent),
}

/// One line of the trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceEntry {
    /// Its number.
    pub id: EventId,
    /// When.
    pub time: Time,
    /// Because of what; `None` for what the user did.
    pub cause: Option<EventId>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: TraceEvent,
}

/// How many entries are kept, the newest ones.
pub const DEFAULT_TRACE_LIMIT: usize = 1 << 16;

/// The entries so far, oldest first. Only the newest ones are kept; the fingerprint covers all.
#[derive(Clone, Debug)]
pub struct Trace {
    enabled: bool,
    limit: usize,
    entries: VecDeque<TraceEntry>,
    last: EventId,
    fingerprint: Fingerprint,
}

impl Trace {
    pub(crate) fn new(enabled: bool, limit: usize) -> Self {
        Trace {
            enabled,
            limit,
            entries: VecDeque::new(),
            last: EventId(0),
            fingerprint: Fingerprint::default(),
        }
    }

    pub(crate) fn record(
        &mut self,
        time: Time,
        cause: Option<EventId>,
        actor: Actor,
        event: TraceEvent,
    ) -> EventId {
        self.last.0 += 1;
        let id = self.last;
        if self.enabled {
            let entry = TraceEntry { id, time, cause, actor, event };
            self.fingerprint.take(&entry);
            if self.entries.len() == self.limit {
                self.entries.pop_front();
            }
            self.entries.push_back(entry);
        }
        id
    }

    /// Where it stands: what a snapshot keeps of it.
    pub(crate) fn position(&self) -> TracePosition {
        TracePosition { last: self.last, fingerprint: self.fingerprint.clone() }
    }

    /// Forgets what was recorded after a place.
    pub(crate) fn rewind(&mut self, to: &TracePosition) {
        while self.entries.back().is_some_and(|entry| entry.id > to.last) {
            self.entries.pop_back();
        }
        self.last = to.last;
        self.fingerprint = to.fingerprint.clone();
    }

    /// The entries that are kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &TraceEntry> + Clone {
        self.entries.iter()
    }

    /// An entry that is still kept.
    #[must_use]
    pub fn entry(&self, id: EventId) -> Option<&TraceEntry> {
        let first = self.entries.front()?.id;
        self.entries.get(usize::try_from(id.0.checked_sub(first.0)?).ok()?)
    }

    /// The chain of causes that led to an entry, from the entry itself back to what the user did.
    #[must_use]
    pub fn why(&self, id: EventId) -> Vec<&TraceEntry> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(entry) = next.and_then(|id| self.entry(id)) {
            chain.push(entry);
            next = entry.cause;
        }
        chain
    }

    /// The CRC-32 of all entries, those included that are no longer kept.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint.value()
    }

    /// The number of the newest entry.
    #[must_use]
    pub fn last(&self) -> EventId {
        self.last
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// A place in a trace.
#[derive(Clone, Debug)]
pub(crate) struct TracePosition {
    last: EventId,
    fingerprint: Fingerprint,
}

/// Feeds the derived hash of entries to a CRC-32, as bytes that are the same on every machine.
#[derive(Clone, Debug, Default)]
struct Fingerprint {
    crc: crc32fast::Hasher,
    /// What has not been fed yet: a checksum is fast on long pieces only.
    pending: Vec<u8>,
}

/// How many bytes are fed to the checksum at once.
const PIECE: usize = 4096;

impl Fingerprint {
    fn take(&mut self, entry: &TraceEntry) {
        entry.hash(self);
        if self.pending.len() >= PIECE {
            self.crc.update(&self.pending);
            self.pending.clear();
        }
    }

    fn value(&self) -> u32 {
        let mut crc = self.crc.clone();
        crc.update(&self.pending);
        crc.finalize()
    }
}

macro_rules! write_little_endian {
    ($($method:ident: $from:ty as $to:ty;)*) => {
        $(fn $method(&mut self, value: $from) {
            self.pending.extend_from_slice(&(value as $to).to_le_bytes());
        })*
    };
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    write_little_endian! {
        write_u16: u16 as u16;
        write_u32: u32 as u32;
        write_u64: u64 as u64;
        write_u128: u128 as u128;
        write_usize: usize as u64;
        write_i16: i16 as i16;
        write_i32: i32 as i32;
        write_i64: i64 as i64;
        write_i128: i128 as i128;
        write_isize: isize as i64;
    }

    fn finish(&self) -> u64 {
        u64::from(self.value())
    }
}
