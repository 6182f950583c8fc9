//! The referee: plays scripts of group requests against a real Kafka and records its answers.
//!
//! README.md tells how it is used.

mod answer;
mod codec;
mod connection;
mod error_names;
mod names;
mod play;
mod request;
mod schema;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::play::{Broker, Player};
use crate::script::Script;

const USAGE: &str = "referee record|check|settings [--broker ADDRESS | --start COMMAND --stop COMMAND] \
                     [--restart COMMAND] [--with KEY=VALUE]… [--jobs N] FILE…";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("referee: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line says.
#[derive(Default)]
struct Options {
    record: bool,
    list: bool,
    broker: Option<String>,
    start: Option<String>,
    stop: Option<String>,
    restart: Option<String>,
    with: Vec<String>,
    jobs: usize,
    files: Vec<PathBuf>,
}

impl Options {
    fn read() -> Result<Options, String> {
        let mut arguments = std::env::args().skip(1);
        let mut options = Options { jobs: 6, ..Options::default() };
        match arguments.next().as_deref() {
            Some("record") => options.record = true,
            Some("check") => {}
            Some("settings") => options.list = true,
            _ => return Err(format!("usage: {USAGE}")),
        }
        options.broker = std::env::var("REFEREE_BROKER").ok();
        options.start = std::env::var("REFEREE_START").ok();
        options.stop = std::env::var("REFEREE_STOP").ok();
        options.restart = std::env::var("REFEREE_RESTART").ok();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--broker" => options.broker = Some(value()?),
                "--start" => options.start = Some(value()?),
                "--stop" => options.stop = Some(value()?),
                "--restart" => options.restart = Some(value()?),
                "--with" => options.with.push(value()?),
                "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs wants a number")?,
                file => options.files.push(file.into()),
            }
        }
        options.with.sort();
        Ok(options)
    }
}

/// A file with its script.
struct Sequence {
    path: PathBuf,
    text: String,
    script: Script,
}

fn run() -> Result<bool, String> {
    let options = Options::read()?;
    let mut by_settings: BTreeMap<Vec<String>, Vec<Sequence>> = BTreeMap::new();
    for path in &options.files {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let script = Script::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let sequence = Sequence { path: path.clone(), text, script };
        by_settings.entry(sequence.script.settings.clone()).or_default().push(sequence);
    }
    let mut good = true;
    for (settings, sequences) in &by_settings {
        if options.list {
            println!("{} {}", sequences.len(), settings.join(" "));
        } else if let Some(start) = &options.start {
            let address = shell(&format!("{start} {}", settings.join(" ")))?;
            let address = address.lines().last().unwrap_or("").trim().to_owned();
            good &= play_all(&options, &address, sequences);
            shell(options.stop.as_deref().ok_or("--start wants --stop")?)?;
        } else if *settings == options.with {
            good &= play_all(&options, options.broker.as_deref().ok_or("no broker")?, sequences);
        } else {
            eprintln!(
                "left out, for other settings: {} with {}",
                sequences.len(),
                settings.join(" ")
            );
        }
    }
    Ok(good)
}

fn shell(command: &str) -> Result<String, String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("{command}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

/// Plays the sequences, several at once: most of their time they wait. Those that disturb others
/// come last, one by one.
fn play_all(options: &Options, address: &str, sequences: &[Sequence]) -> bool {
    let broker = Broker { address: address.into(), restart: options.restart.clone() };
    let (alone, together): (Vec<_>, Vec<_>) =
        sequences.iter().partition(|sequence| sequence.script.is_alone());
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    let play = |sequence: &Sequence| {
        if let Err(e) = play_one(options.record, &broker, sequence) {
            eprintln!("{}: {e}", sequence.path.display());
            failures.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some(sequence) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(sequence);
                }
            });
        }
    });
    for sequence in alone {
        play(sequence);
    }
    let failures = failures.into_inner();
    println!("{} played, {failures} failed", sequences.len());
    failures == 0
}

fn play_one(record: bool, broker: &Broker, sequence: &Sequence) -> Result<(), String> {
    let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let stem = sequence.path.file_stem().unwrap_or_default().to_string_lossy();
    let (answers, outcome) = Player::new(broker, format!("{stem}.{run:x}.")).play(&sequence.script);
    let settled = settle(record, sequence, answers);
    outcome.and(settled)
}

/// Writes the recording, or compares with it.
fn settle(record: bool, sequence: &Sequence, mut answers: Vec<Vec<String>>) -> Result<(), String> {
    answers.resize(sequence.script.pieces.len(), Vec::new());
    let text = sequence.script.with_answers(&answers);
    if text == sequence.text {
        return Ok(());
    }
    if record {
        return write(&sequence.path, &text);
    }
    let mut differences = String::new();
    for (piece, answer) in sequence.script.pieces.iter().zip(&answers) {
        if piece.answer != *answer {
            let source = piece.source.join("\n  ");
            let (old, new) = (piece.answer.join("\n  "), answer.join("\n  "));
            differences +=
                &format!("\n  line {}: {source}\n recorded\n  {old}\n now\n  {new}", piece.line);
        }
    }
    Err(differences)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
