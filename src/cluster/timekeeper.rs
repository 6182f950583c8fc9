//! The machine's clock for several threads: who waits tells the time to who works.
//!
//! Reading the clock takes a sixth of the time of a send. A thread that waits for a letter and looks
//! for it again and again has nothing better to do than to read it for the others, every few
//! microseconds. What is told is that much behind; a time that is told for too long, by a thread
//! that has been stopped, is not relied on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many times in a row the same time is taken for the present one.
const RELIED_ON: u8 = 96;

/// The machine's clock, in a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Timekeeper {
    epoch: Instant,
    /// The time that is being told; 0 while nobody tells it.
    told: AtomicU64,
}

/// What was told last, and how often it was taken for the present time.
#[derive(Debug, Default)]
pub(super) struct Heard {
    micros: u64,
    times: u8,
}

impl Timekeeper {
    pub fn new() -> Self {
        Timekeeper { epoch: Instant::now(), told: AtomicU64::new(0) }
    }

    /// Reads the clock: microseconds since the timekeeper was made, and at least 1.
    pub fn read(&self) -> u64 {
        let elapsed = self.epoch.elapsed();
        (elapsed.as_secs() * 1_000_000 + u64::from(elapsed.subsec_micros())).max(1)
    }

    /// The present time, read or heard.
    #[inline]
    pub fn now(&self, heard: &mut Heard) -> u64 {
        let told = self.told.load(Ordering::Relaxed);
        if told == 0 {
            return self.read();
        }
        if told != heard.micros {
            *heard = Heard { micros: told, times: 0 };
        } else if heard.times == RELIED_ON {
            return self.read();
        }
        heard.times += 1;
        told
    }

    /// Reads the clock for the others.
    pub fn tell(&self) {
        self.told.store(self.read(), Ordering::Relaxed);
    }

    /// Who has told the time has something else to do.
    pub fn stop_telling(&self) {
        self.told.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that is stopped by the machine while it tells the time tells an old one.
    #[test]
    fn a_time_that_is_told_for_too_long_is_not_relied_on() {
        let (timekeeper, mut heard) = (Timekeeper::new(), Heard::default());
        timekeeper.told.store(7, Ordering::Relaxed);
        while timekeeper.read() < 1000 {
            std::hint::spin_loop();
        }
        for _ in 0..RELIED_ON {
            assert_eq!(timekeeper.now(&mut heard), 7);
        }
        assert!(timekeeper.now(&mut heard) >= 1000);
        // The next time that is told counts again, and nobody tells it any more after that.
        timekeeper.tell();
        let told = timekeeper.told.load(Ordering::Relaxed);
        assert_eq!(timekeeper.now(&mut heard), told);
        timekeeper.stop_telling();
        assert!(timekeeper.now(&mut heard) >= told);
    }
}
