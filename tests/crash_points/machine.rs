//! Two logs on a disk with what a broker keeps beside them, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafkarium::log::{Log, LogConfig, LogError, LogStart, ProducerEntry, ProducerState};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::{Disk, DiskFaults, FaultyDisk, read_file, replace_file};
use kafkarium::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use super::planted::{Bug, PlantedDisk};

const DIRS: [&str; 2] = ["orders-0", "orders-1"];
const NOW: Timestamp = Timestamp(1_000_000);
const RECOVERY_POINTS: &str = "recovery-points";
const LOG_STARTS: &str = "log-starts";
const CLEAN: &str = ".clean";

/// Numbers that follow from a seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a broker does to one of its logs.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Append {
        log: usize,
        records: i64,
        len: usize,
        epoch: i32,
    },
    Flush(usize),
    Truncate(usize, Offset),
    AdvanceStart(usize, Offset),
    /// Two closed segments become one.
    Merge(usize),
    CleanRestart,
}

/// What is known of a log beside what it says itself.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Everything that was ever appended at an offset.
    history: BTreeMap<i64, BTreeSet<Bytes>>,
    /// What lies there now.
    content: BTreeMap<i64, Bytes>,
    /// Below it everything was flushed.
    flushed: i64,
}

#[derive(Clone)]
pub struct Machine {
    disk: PlantedDisk,
    logs: Vec<Log>,
    known: Vec<Known>,
    timestamp: i64,
}

impl Machine {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut disk = PlantedDisk::new(FaultyDisk::new(DiskFaults::default(), seed), bug);
        let create = |dir| Log::create(&mut disk, dir, config(), NOW).unwrap();
        let logs = DIRS.map(create).to_vec();
        Machine { disk, logs, known: vec![Known::default(); 2], timestamp: 0 }
    }

    pub fn operations(&self) -> u64 {
        self.disk.disk.operations()
    }

    pub fn crash_at(&mut self, operation: u64, seed: u64) {
        self.disk.disk.reseed(seed);
        self.disk.disk.fail_power_at(operation);
    }

    /// Draws a step that makes sense now.
    pub fn draw(&self, rng: &mut Rng) -> Step {
        let log = rng.below(2) as usize;
        let (start, end) = (self.logs[log].log_start_offset(), self.logs[log].log_end_offset());
        let within = |rng: &mut Rng| start + rng.below((end - start) as u64 + 1) as i64;
        let closed = self.logs[log].segments().len().saturating_sub(1);
        match rng.below(20) {
            // Where a batch begins, as a follower does it: within one, offsets would be missing.
            0..=1 => {
                let offset = within(rng);
                let batches = self.known[log].content.range(start.0..=offset.0);
                Step::Truncate(log, batches.last().map_or(end, |(&base, _)| Offset(base)))
            }
            2 => Step::AdvanceStart(log, within(rng)),
            3..=4 if closed >= 2 => Step::Merge(log),
            5..=7 => Step::Flush(log),
            8 => Step::CleanRestart,
            _ => {
                let latest = self.logs[log].leader_epochs().latest().map_or(0, |e| e.epoch.0);
                let epoch = latest + i32::from(rng.below(5) == 0);
                let (records, len) = (1 + rng.below(3) as i64, 1 + rng.below(60) as usize);
                Step::Append { log, records, len, epoch }
            }
        }
    }

    pub fn run(&mut self, step: Step) -> Result<(), LogError> {
        match step {
            Step::Append { log, records, len, epoch } => self.append(log, records, len, epoch),
            Step::Flush(log) => self.flush(log),
            Step::Truncate(log, offset) => {
                let known = &mut self.known[log];
                known.flushed = known.flushed.min(offset.0);
                // First the promise goes, then what was promised.
                let lowered = |(i, held): (usize, &Log)| match i == log {
                    true => held.recovery_point().min(offset),
                    false => held.recovery_point(),
                };
                let points = self.logs.iter().enumerate().map(lowered);
                write_offsets(&mut self.disk, RECOVERY_POINTS, points)?;
                self.logs[log].truncate_to(&mut self.disk, offset, NOW)?;
                let end = self.logs[log].log_end_offset().0;
                let ends = |bytes: &Bytes| batch_of(bytes).next_offset().0 <= end;
                self.known[log].content.retain(|_, bytes| ends(bytes));
                Ok(())
            }
            Step::AdvanceStart(log, offset) => {
                self.logs[log].advance_log_start(&mut self.disk, offset)?;
                let starts = self.logs.iter().map(|log| log.log_start_offset());
                write_offsets(&mut self.disk, LOG_STARTS, starts)
            }
            Step::Merge(log) => self.merge(log),
            Step::CleanRestart => self.clean_restart(),
        }
    }

    fn append(&mut self, log: usize, records: i64, len: usize, epoch: i32) -> Result<(), LogError> {
        // Two idempotent producers take turns; each goes on where the log says that it is.
        let producer_id = ProducerId(self.timestamp % 2);
        let known = self.logs[log].producer_state().producer(producer_id);
        let base_sequence = known.map_or(0, |entry| entry.last_sequence() + 1);
        let producer_epoch = ProducerEpoch(0);
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id,
            producer_epoch,
            base_sequence,
            ..BatchOptions::default()
        });
        for _ in 0..records {
            self.timestamp += 1;
            let value = vec![b'a' + (self.timestamp % 26) as u8; len];
            builder.append(Timestamp(self.timestamp), None, Some(&value), &[]);
        }
        let (batch, epoch) = (builder.build(), LeaderEpoch(epoch));
        let base = self.logs[log].log_end_offset();
        let stored = batch.clone().with_base_offset(base, epoch).unwrap().encode();
        self.known[log].history.entry(base.0).or_default().insert(stored.clone());
        let appended = self.logs[log].append(&mut self.disk, NOW, batch, epoch)?;
        self.known[log].content.insert(base.0, stored);
        if let Some(roll) = appended.rolled {
            if self.disk.bug == Some(Bug::StaleCheckpoint) {
                let points = self.logs.iter().map(|held| held.log_end_offset());
                write_offsets(&mut self.disk, RECOVERY_POINTS, points)?;
            }
            self.logs[log].flush_below(&mut self.disk, roll.new_base)?;
            self.known[log].flushed = roll.new_base.0;
            self.write_recovery_points()?;
        }
        Ok(())
    }

    fn flush(&mut self, log: usize) -> Result<(), LogError> {
        self.logs[log].flush(&mut self.disk)?;
        self.known[log].flushed = self.logs[log].log_end_offset().0;
        self.write_recovery_points()
    }

    fn write_recovery_points(&mut self) -> Result<(), LogError> {
        let points = self.logs.iter().map(Log::recovery_point);
        write_offsets(&mut self.disk, RECOVERY_POINTS, points)
    }

    fn merge(&mut self, log: usize) -> Result<(), LogError> {
        let bases: Vec<Offset> =
            self.logs[log].segments().take(2).map(|segment| segment.base_offset()).collect();
        let end = self.logs[log].segments().nth(2).unwrap().base_offset();
        // As a cleaner does it: what is durable takes the place of what is.
        self.logs[log].flush_below(&mut self.disk, end)?;
        let mut batches = Vec::new();
        let mut from = bases[0];
        while from < end {
            let from_start = from.max(self.logs[log].log_start_offset());
            let read = self.logs[log].read(&self.disk, from_start, 1, end, true)?;
            let batch = batch_of(&read.records.into_bytes());
            from = batch.next_offset();
            batches.push(batch);
        }
        self.logs[log].replace_segments(&mut self.disk, (bases[0], bases[1]), &batches, NOW)
    }

    fn clean_restart(&mut self) -> Result<(), LogError> {
        for log in 0..2 {
            self.logs[log].close(&mut self.disk)?;
            self.known[log].flushed = self.logs[log].log_end_offset().0;
        }
        self.write_recovery_points()?;
        replace_file(&mut self.disk, CLEAN, b"")?;
        self.open()
    }

    /// Opens the logs from the disk, as a broker does when it starts.
    fn open(&mut self) -> Result<(), LogError> {
        let clean = read_file(&mut self.disk, CLEAN)?.is_some();
        if clean {
            self.disk.remove(CLEAN)?;
            self.disk.sync_dir("")?;
        }
        let points = read_offsets(&mut self.disk, RECOVERY_POINTS)?;
        let starts = read_offsets(&mut self.disk, LOG_STARTS)?;
        for (log, dir) in DIRS.into_iter().enumerate() {
            let (recovery_point, log_start_offset) = (points[log], starts[log]);
            let start = LogStart { clean, recovery_point, log_start_offset, now: NOW };
            (self.logs[log], _) = Log::open(&mut self.disk, dir, config(), start)?;
        }
        Ok(())
    }

    /// The power comes back. Whatever was flushed before the step is there, if the step did not
    /// undo it, and whatever is there is right.
    pub fn restart(&mut self, before: &Machine, rng: &mut Rng) -> Result<(), String> {
        let disk = &mut self.disk.disk;
        disk.power_on();
        if rng.below(3) == 0 {
            // It fails once more, while the logs are opened.
            disk.fail_power_at(disk.operations() + rng.below(8));
            let _ = self.open();
            self.disk.disk.power_off();
            self.disk.disk.power_on();
        }
        self.open().map_err(|error| format!("opening failed: {error}"))?;
        for (log, dir) in DIRS.into_iter().enumerate() {
            self.check(log, before).map_err(|why| format!("{dir}: {why}"))?;
        }
        self.go_on()
    }

    /// What is held without a crash is right, too.
    pub fn check_live(&self) -> Result<(), String> {
        for (log, dir) in DIRS.into_iter().enumerate() {
            let found = self.batches(log)?;
            self.check_indexes(log, &found).map_err(|why| format!("{dir}: {why}"))?;
        }
        Ok(())
    }

    fn check(&self, log: usize, before: &Machine) -> Result<(), String> {
        let (known, was) = (&self.known[log], &before.known[log]);
        let held = &self.logs[log];
        let found = self.batches(log)?;
        let (start, end) = (held.log_start_offset().0, held.log_end_offset().0);
        for (base, bytes) in &found {
            if !known.history.get(base).is_some_and(|ever| ever.contains(bytes)) {
                return Err(format!("nobody appended what lies at offset {base}"));
            }
        }
        // A step that cuts the log has lowered what is promised before it began.
        let promised = known.flushed.min(was.flushed);
        for (base, bytes) in &was.content {
            let next = batch_of(bytes).next_offset().0;
            if next <= promised && next > start && found.get(base) != Some(bytes) {
                return Err(format!("{base}..{next} was flushed and is gone ({start}..{end})"));
            }
        }
        if end < promised {
            return Err(format!("{promised} was flushed, and the log ends at {end}"));
        }
        self.check_producers(log, &found)?;
        self.check_indexes(log, &found)
    }

    /// What is known of producers is what their batches say.
    fn check_producers(&self, log: usize, found: &BTreeMap<i64, Bytes>) -> Result<(), String> {
        let mut replayed = ProducerState::default();
        for bytes in found.values() {
            replayed.update(&batch_of(bytes));
        }
        let last = |entry: &ProducerEntry| {
            let batch = entry.batches.last().map(|batch| batch.last_offset);
            (entry.epoch, entry.last_sequence(), batch, entry.last_timestamp)
        };
        for (id, entry) in replayed.producers() {
            let known = self.logs[log].producer_state().producer(id).map(last);
            if known != Some(last(entry)) {
                return Err(format!("of {id:?} {known:?} is known, not {:?}", last(entry)));
            }
        }
        Ok(())
    }

    /// All batches of a log, by base offset. They follow each other without a gap.
    fn batches(&self, log: usize) -> Result<BTreeMap<i64, Bytes>, String> {
        let held = &self.logs[log];
        let mut next = held.log_start_offset();
        let mut found = BTreeMap::new();
        while next < held.log_end_offset() {
            let read = held.read(&self.disk, next, 1, held.log_end_offset(), true);
            let read = read.map_err(|error| error.to_string())?;
            if read.records.is_empty() {
                return Err(format!("offset {next} is missing"));
            }
            let bytes = read.records.into_bytes();
            let batch = RecordBatch::parse(bytes.clone()).map_err(|error| error.to_string())?;
            batch.validate().map_err(|error| error.to_string())?;
            if batch.base_offset() > next || (!found.is_empty() && batch.base_offset() != next) {
                return Err(format!("offset {next} is missing"));
            }
            next = batch.next_offset();
            found.insert(batch.base_offset().0, bytes);
        }
        Ok(found)
    }

    /// Each index entry points to a batch, and lookups find what a scan finds.
    fn check_indexes(&self, log: usize, found: &BTreeMap<i64, Bytes>) -> Result<(), String> {
        let start = self.logs[log].log_start_offset();
        for segment in self.logs[log].segments().filter(|s| s.base_offset() >= start) {
            let mut places = BTreeMap::new();
            let (mut position, mut newest) = (0, Timestamp::NONE);
            for bytes in found.range(segment.base_offset().0..).map(|(_, bytes)| bytes) {
                if position == segment.size_in_bytes() {
                    break;
                }
                let batch = batch_of(bytes);
                newest = newest.max(batch.max_timestamp());
                places.insert(batch.last_offset(), (position, newest));
                position += bytes.len() as u32;
            }
            let offsets = segment.offset_index().entries(&self.disk).unwrap();
            let sorted = offsets.windows(2).all(|pair| pair[0].offset < pair[1].offset);
            let right = offsets.iter().all(|entry| {
                places.get(&entry.offset).is_some_and(|(position, _)| *position == entry.position)
            });
            let times = segment.time_index().entries(&self.disk).unwrap();
            let in_time = times.iter().all(|entry| {
                places.get(&entry.offset).is_some_and(|(_, newest)| *newest == entry.timestamp)
            });
            if !sorted || !right || !in_time {
                let base = segment.base_offset();
                return Err(format!(
                    "indexes of {base}: {offsets:?} {times:?}, batches {places:?}"
                ));
            }
        }
        Ok(())
    }

    /// What was opened can be appended to, closed and opened again.
    fn go_on(&mut self) -> Result<(), String> {
        for log in 0..2 {
            let epoch = self.logs[log].leader_epochs().latest().map_or(0, |e| e.epoch.0);
            self.append(log, 2, 10, epoch).map_err(|error| format!("append: {error}"))?;
        }
        let seen = [self.batches(0)?, self.batches(1)?];
        self.clean_restart().map_err(|error| format!("clean restart: {error}"))?;
        if seen != [self.batches(0)?, self.batches(1)?] {
            return Err("a clean restart has changed the log".to_owned());
        }
        Ok(())
    }
}

/// Small segments, and an index entry for every other batch.
fn config() -> LogConfig {
    LogConfig { segment_bytes: 500, index_interval_bytes: 120, ..LogConfig::default() }
}

fn batch_of(bytes: &Bytes) -> RecordBatch {
    RecordBatch::parse(bytes.clone()).unwrap()
}

fn write_offsets(
    disk: &mut PlantedDisk,
    path: &str,
    offsets: impl Iterator<Item = Offset>,
) -> Result<(), LogError> {
    let bytes: Vec<u8> = offsets.flat_map(|offset| offset.0.to_be_bytes()).collect();
    Ok(replace_file(disk, path, &bytes)?)
}

fn read_offsets(disk: &mut PlantedDisk, path: &str) -> Result<[Offset; 2], LogError> {
    let bytes = read_file(disk, path)?.unwrap_or_default();
    let at = |at: usize| {
        let bytes =
            bytes.get(8 * at..8 * at + 8).map(|b| i64::from_be_bytes(b.try_into().unwrap()));
        Offset(bytes.unwrap_or(0))
    };
    Ok([at(0), at(1)])
}
