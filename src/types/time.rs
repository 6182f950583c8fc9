//! Two measures of time: the world's own clock, and the timestamps that records carry.

use std::fmt;
use std::time::Duration;

/// A duration in microseconds; one that is too long counts as the longest.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A moment of the world's clock, in **microseconds** since the Unix epoch. It orders events; what
/// records carry is the coarser [`Timestamp`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The time that a timestamp stands for; the earliest one for a negative timestamp.
    #[must_use]
    pub fn at(timestamp: Timestamp) -> Time {
        Time(u64::try_from(timestamp.0).unwrap_or(0).saturating_mul(1000))
    }

    /// Where virtual time starts: 2026-01-01 00:00:00 UTC. A real date, because several of Kafka's
    /// rules compare timestamps with zero.
    pub const VIRTUAL_START: Time = Time(1_767_225_600_000_000);

    /// The far end of time: a deadline that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// The moment `duration` later; saturates at [`Time::NEVER`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Time {
        self.after_micros(micros(duration))
    }

    /// The moment `micros` microseconds later; saturates at [`Time::NEVER`].
    #[must_use]
    pub fn after_micros(self, micros: u64) -> Time {
        Time(self.0.saturating_add(micros))
    }

    /// The moment `millis` milliseconds later; a negative number counts as zero.
    #[must_use]
    pub fn after_ms(self, millis: i64) -> Time {
        let millis = u64::try_from(millis).unwrap_or(0);
        Time(self.0.saturating_add(millis.saturating_mul(1000)))
    }

    /// How long it is from `earlier` to this moment; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The timestamp that a record made now carries.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp(i64::try_from(self.0 / 1000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Time {
    /// Seconds since virtual time began, to the microsecond: what a trace shows. A moment before
    /// that is printed with a minus sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = Time::VIRTUAL_START.0;
        let (sign, micros) =
            if self.0 < start { ("-", start - self.0) } else { ("", self.0 - start) };
        let text = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        f.pad(&text)
    }
}

/// The timestamp of a record or a batch, in **milliseconds** since the Unix epoch; −1 stands for
/// *none*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// No timestamp.
    pub const NONE: Timestamp = Timestamp(-1);
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Self {
        Timestamp(millis)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_prints_as_seconds_of_the_run() {
        let start = Time::VIRTUAL_START;
        assert_eq!(start.to_string(), "0.000000");
        assert_eq!(start.after(Duration::from_micros(5_001_250)).to_string(), "5.001250");
        assert_eq!(Time(start.0 - 1).to_string(), "-0.000001");
    }

    #[test]
    fn deadlines_saturate() {
        assert_eq!(Time(5).after(Duration::MAX), Time::NEVER);
        assert_eq!(Time(5).after_ms(-3), Time(5));
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
    }
}
