//! A log on a disk that fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use kafkarium::log::{Log, LogConfig, LogError};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::{Disk, DiskError, FileId, MemoryDisk, Piece};
use kafkarium::types::{LeaderEpoch, Offset, Rope, Timestamp};

const NOW: Timestamp = Timestamp(1_000_000);

fn batch(timestamp: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in ["a", "b"] {
        builder.append(Timestamp(timestamp), None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// Every second batch is indexed, and the fifth rolls.
fn log() -> Log {
    let size = batch(0).size_in_bytes() as u32;
    let config =
        LogConfig { segment_bytes: 4 * size, index_interval_bytes: size, ..LogConfig::default() };
    Log::new("orders-0", config)
}

/// What can be seen of a log: its ends, its segments with their indexes, its bytes.
fn seen(log: &Log, disk: &dyn Disk) -> String {
    let mut seen = format!("{}..{}", log.log_start_offset(), log.log_end_offset());
    for segment in log.segments() {
        let offsets: Vec<_> = segment.offset_index().entries(disk).unwrap();
        let times: Vec<_> = segment.time_index().entries(disk).unwrap();
        let (base, size) = (segment.base_offset(), segment.size_in_bytes());
        let from = base.max(log.log_start_offset());
        let read = log.read(disk, from, usize::MAX, log.log_end_offset(), true).unwrap();
        seen += &format!("\n{base} {size} {offsets:?} {times:?} {:?}", read.records.into_bytes());
    }
    seen
}

fn files(disk: &mut MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list("orders-0").unwrap();
    let read = |name: String| {
        let file = disk.open(&format!("orders-0/{name}")).unwrap();
        let bytes = disk.read(file, 0, usize::MAX).unwrap().into_bytes().to_vec();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// A batch whose index entry found no room on the disk was refused, and had grown the segment all
/// the same; the next batch got the same offset and lay behind it. Here the disk is full at every
/// byte in turn, and has room again for the second attempt.
#[test]
fn a_refused_batch_took_its_offset_twice() {
    let mut whole = MemoryDisk::new();
    let mut expected = log();
    for timestamp in 1..=9 {
        expected.append(&mut whole, NOW, batch(timestamp), LeaderEpoch(0)).unwrap();
    }
    for limit in 0..whole.bytes() {
        let mut disk = MemoryDisk::with_limit(whole.bytes());
        let ballast = disk.create("ballast").unwrap();
        disk.append_bytes(ballast, &vec![0; (whole.bytes() - limit) as usize]).unwrap();
        let mut log = log();
        for timestamp in 1..=9 {
            let before = seen(&log, &disk);
            let first = log.append(&mut disk, NOW, batch(timestamp), LeaderEpoch(0));
            if let Err(error) = first {
                assert!(matches!(error, LogError::Disk(DiskError::Full { .. })), "{error}");
                assert_eq!(seen(&log, &disk), before, "limit {limit}");
                disk.truncate(ballast, 0).unwrap();
                log.append(&mut disk, NOW, batch(timestamp), LeaderEpoch(0)).unwrap();
            }
        }
        assert_eq!(seen(&log, &disk), seen(&expected, &whole), "limit {limit}");
        assert_eq!(files(&mut disk), files(&mut whole.clone()), "limit {limit}");
    }
}

/// A disk some of whose calls fail, one after the other; a failed append has written a half.
#[derive(Clone)]
struct Torn {
    disk: MemoryDisk,
    calls: u32,
    failing: std::ops::Range<u32>,
}

impl Torn {
    fn fails(&mut self, path: &str) -> Result<(), DiskError> {
        self.calls += 1;
        if !self.failing.contains(&(self.calls - 1)) {
            return Ok(());
        }
        let message = "torn".to_owned();
        Err(DiskError::Io { path: path.to_owned(), position: 0, message })
    }
}

impl Disk for Torn {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        self.fails(path)?;
        self.disk.create(path)
    }
    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        self.disk.open(path)
    }
    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        if let Err(error) = self.fails("") {
            let bytes: Vec<u8> =
                pieces.iter().flat_map(|piece| piece.as_slice().to_vec()).collect();
            self.disk.append_bytes(file, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.disk.append(file, pieces)
    }
    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        self.disk.read(file, position, len)
    }
    fn read_into(&self, file: FileId, at: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.disk.read_into(file, at, buffer)
    }
    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.disk.len(file)
    }
    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        self.fails("")?;
        self.disk.truncate(file, len)
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }
    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.fails(path)?;
        self.disk.remove(path)
    }
    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename_dir(from, to)
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        self.disk.remove_dir(dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(dir)
    }
    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        self.disk.sync(file)
    }
    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        self.disk.sync_dir(dir)
    }
}

/// Whatever call of the disk fails, and however many after it: a batch that is tried again until it
/// is taken lies where it would have lain, and nothing else does.
#[test]
fn a_log_on_a_torn_disk_is_the_log_on_a_sound_one() {
    let mut sound = Torn { disk: MemoryDisk::new(), calls: 0, failing: 0..0 };
    let mut expected = log();
    for timestamp in 1..=9 {
        expected.append(&mut sound, NOW, batch(timestamp), LeaderEpoch(0)).unwrap();
    }
    for (from, len) in (0..sound.calls).flat_map(|from| (1..=6).map(move |len| (from, len))) {
        let mut disk = Torn { disk: MemoryDisk::new(), calls: 0, failing: from..from + len };
        let mut log = log();
        for timestamp in 1..=9 {
            let before = log.log_end_offset();
            while let Err(error) = log.append(&mut disk, NOW, batch(timestamp), LeaderEpoch(0)) {
                assert!(matches!(error, LogError::Disk(DiskError::Io { .. })), "{error}");
                assert_eq!(log.log_end_offset(), before);
                assert!(log.segments().all(|segment| segment.size_in_bytes() > 0));
            }
        }
        assert_eq!(seen(&log, &disk), seen(&expected, &sound), "{len} calls from {from} on");
        assert_eq!(files(&mut disk.disk), files(&mut sound.disk), "{len} calls from {from} on");
        assert_eq!(log.log_end_offset(), Offset(18));
    }
}

/// Segments left the log before their files were gone: when the disk failed, the log's end stayed
/// where nothing was any more. Whatever call fails, the log is cut, and what comes then lies where
/// it would have lain.
#[test]
fn a_truncation_that_failed_left_a_hole() {
    type Cut = fn(&mut Log, &mut Torn) -> Result<(), LogError>;
    let cuts: [Cut; 4] = [
        |log, disk| log.truncate_to(disk, Offset(5), NOW),
        |log, disk| log.truncate_to(disk, Offset(8), NOW),
        |log, disk| log.truncate_fully_and_start_at(disk, Offset(8)),
        |log, disk| log.advance_log_start(disk, Offset(17)),
    ];
    for cut in cuts {
        let run = |failing: std::ops::Range<u32>| {
            let mut disk = Torn { disk: MemoryDisk::new(), calls: 0, failing: 0..0 };
            let mut log = log();
            for timestamp in 1..=9 {
                log.append(&mut disk, NOW, batch(timestamp), LeaderEpoch(0)).unwrap();
            }
            (disk.calls, disk.failing) = (0, failing);
            let result = cut(&mut log, &mut disk);
            let (calls, after_cut) = (disk.calls, seen(&log, &disk));
            disk.failing = 0..0;
            for timestamp in 10..=19 {
                log.append(&mut disk, NOW, batch(timestamp), LeaderEpoch(0)).unwrap();
            }
            (result, calls, after_cut, seen(&log, &disk))
        };
        let (result, calls, after_cut, at_last) = run(0..0);
        assert_eq!(result, Ok(()));
        assert!(calls > 0);
        for (from, len) in (0..calls).flat_map(|from| (1..=calls).map(move |len| (from, len))) {
            let torn = run(from..from + len);
            assert!(matches!(torn.0, Err(LogError::Disk(DiskError::Io { .. }))), "{:?}", torn.0);
            assert_eq!((torn.2, torn.3), (after_cut.clone(), at_last.clone()), "{len} from {from}");
        }
    }
}
