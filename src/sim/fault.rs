//! Faults of connections: scripted one by one, or drawn from the seed.
//!
//! Connections are FIFO, as TCP is. So a message that is lost takes everything behind it along,
//! until its sender's request timeout closes the connection; a reset loses what is in flight in
//! both directions. A message that comes twice is unphysical: it can be scripted, for teaching, but
//! is never drawn.

use std::fmt;
use std::time::Duration;

use super::trace::Direction;
use crate::api::ApiKey;
use crate::client::ClientId;
use crate::random::Random;
use crate::types::micros;

/// What goes wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// It never arrives, nor does anything behind it on this connection.
    Lose,
    /// It is under way for so much longer, in microseconds; what is behind it has to wait too.
    Delay(u64),
    /// The connection is reset when the request arrives; the broker does not see it.
    ResetBefore,
    /// The connection is reset when the broker has applied the request: the reply is lost.
    ResetAfter,
    /// It arrives twice, the second time so many microseconds after the first. No TCP connection
    /// does this.
    Duplicate(u64),
}

/// A fault of the next message that fits.
///
/// ```
/// use kafkarium::{ApiKey, Fault};
/// // The second Produce request from now on is applied, but its reply is lost.
/// let fault = Fault::reset_after(ApiKey::Produce).skip(1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    api: ApiKey,
    direction: Direction,
    client: Option<ClientId>,
    skip: u32,
}

impl Fault {
    fn new(kind: FaultKind, api: ApiKey, direction: Direction) -> Self {
        Fault { kind, api, direction, client: None, skip: 0 }
    }

    /// The request never arrives; the client's `request.timeout.ms` ends the wait.
    #[must_use]
    pub fn lose_request(api: ApiKey) -> Self {
        Fault::new(FaultKind::Lose, api, Direction::Request)
    }

    /// The request is applied, its response never arrives.
    #[must_use]
    pub fn lose_response(api: ApiKey) -> Self {
        Fault::new(FaultKind::Lose, api, Direction::Response)
    }

    /// The connection is reset before the broker has seen the request.
    #[must_use]
    pub fn reset_before(api: ApiKey) -> Self {
        Fault::new(FaultKind::ResetBefore, api, Direction::Request)
    }

    /// The connection is reset after the broker has applied the request.
    #[must_use]
    pub fn reset_after(api: ApiKey) -> Self {
        Fault::new(FaultKind::ResetAfter, api, Direction::Request)
    }

    /// The request is under way for so much longer.
    #[must_use]
    pub fn delay_request(api: ApiKey, by: Duration) -> Self {
        Fault::new(FaultKind::Delay(micros(by)), api, Direction::Request)
    }

    /// The response is under way for so much longer.
    #[must_use]
    pub fn delay_response(api: ApiKey, by: Duration) -> Self {
        Fault::new(FaultKind::Delay(micros(by)), api, Direction::Response)
    }

    /// The request arrives twice: for teaching, no network does this to a TCP connection.
    #[must_use]
    pub fn duplicate_request(api: ApiKey) -> Self {
        Fault::duplicate_request_after(api, Duration::ZERO)
    }

    /// The request arrives as it should, and once more so much later, if the connection is open
    /// still; what was sent behind it has come before then. For teaching, too.
    #[must_use]
    pub fn duplicate_request_after(api: ApiKey, by: Duration) -> Self {
        Fault::new(FaultKind::Duplicate(micros(by)), api, Direction::Request)
    }

    /// Only messages of this client.
    #[must_use]
    pub fn of(mut self, client: ClientId) -> Self {
        self.client = Some(client);
        self
    }

    /// Not the next messages that fit, but the one after so many.
    #[must_use]
    pub fn skip(mut self, messages: u32) -> Self {
        self.skip = messages;
        self
    }
}

/// What goes wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// A bit of a file turns over, the lowest of its byte being 0.
    FlipBit {
        /// The file's path below the broker's directory: `orders-0/00000000000000000000.log`.
        path: String,
        /// Which byte, from the file's start.
        position: u64,
        /// Which bit of it, 0 to 7.
        bit: u8,
    },
    /// A write fails, after so many more that succeed.
    FailWrite {
        /// How many.
        after: u64,
    },
    /// A sync fails, after so many more that succeed; what it should have made durable may be lost.
    FailSync {
        /// How many.
        after: u64,
    },
    /// The disk has room for so many bytes in all.
    Limit {
        /// How many.
        bytes: u64,
    },
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskFault::FlipBit { path, position, bit } => {
                write!(f, "bit {bit} of byte {position} of {path} turns over")
            }
            DiskFault::FailWrite { after } => write!(f, "a write fails, after {after} more"),
            DiskFault::FailSync { after } => write!(f, "a sync fails, after {after} more"),
            DiskFault::Limit { bytes } => write!(f, "it has room for {bytes} B"),
        }
    }
}

/// How often a message meets a fault, in thousandths, drawn from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomFaults {
    /// Messages that are lost.
    pub lose_permille: u32,
    /// Requests at which the connection is reset, half of them before and half after the broker
    /// has applied them.
    pub reset_permille: u32,
    /// Messages that are delayed.
    pub delay_permille: u32,
    /// The longest delay.
    pub max_delay: Duration,
}

/// The faults that are still to come.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    scripted: Vec<Fault>,
    rates: RandomFaults,
    random: Random,
}

impl Faults {
    pub fn new(seed: u64, rates: RandomFaults) -> Self {
        Faults { scripted: Vec::new(), rates, random: Random::stream(seed, "faults") }
    }

    pub fn script(&mut self, fault: Fault) {
        self.scripted.push(fault);
    }

    /// What goes wrong with a message that is being sent.
    pub fn strike(
        &mut self,
        client: ClientId,
        api: ApiKey,
        direction: Direction,
    ) -> Option<FaultKind> {
        let fits = |fault: &Fault| {
            fault.api == api
                && fault.direction == direction
                && fault.client.is_none_or(|only| only == client)
        };
        for i in 0..self.scripted.len() {
            let fault = &mut self.scripted[i];
            if fits(fault) {
                if fault.skip == 0 {
                    return Some(self.scripted.remove(i).kind);
                }
                fault.skip -= 1;
            }
        }
        self.draw(direction)
    }

    fn draw(&mut self, direction: Direction) -> Option<FaultKind> {
        let RandomFaults { lose_permille, reset_permille, delay_permille, max_delay } = self.rates;
        if lose_permille + reset_permille + delay_permille == 0 {
            return None;
        }
        let ticket = self.random.below(1000) as u32;
        if ticket < lose_permille {
            return Some(FaultKind::Lose);
        }
        if ticket < lose_permille + reset_permille {
            let kinds = [FaultKind::ResetBefore, FaultKind::ResetAfter];
            return (direction == Direction::Request).then(|| kinds[self.random.below(2) as usize]);
        }
        if ticket < lose_permille + reset_permille + delay_permille {
            let below = micros(max_delay).saturating_add(1);
            return Some(FaultKind::Delay(self.random.below(below)));
        }
        None
    }
}
