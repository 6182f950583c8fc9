//! The power fails at every operation of a disk, and inside each of them; what was flushed is there
//! afterwards, and what is there is right.
//!
//! Two logs on one disk are appended to, flushed, cut and closed as a seed says. Before each step
//! everything is copied; the step is then run once for every operation of the disk in it, with the
//! power failing there, and the logs are opened from what is left. Then bugs are planted: each has
//! to be found within the same number of crash points.
//!
//! `CRASH_SEED=n cargo test --test crash_points -- --nocapture` runs one seed and tells its steps.
#![allow(clippy::unwrap_used)]

mod machine;
mod planted;

use machine::{Machine, Rng};
use planted::Bug;

/// How many crash points a run has at least.
const CRASH_POINTS: u64 = 20_000;
const STEPS: u64 = 40;

/// Runs seeds until there were enough crash points, or until something is wrong.
fn run(bug: Option<Bug>, seeds: impl Iterator<Item = u64>) -> Result<u64, String> {
    let mut points = 0;
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let mut machine = Machine::new(seed, bug);
        for number in 0..STEPS {
            let step = machine.draw(&mut rng);
            let wrong = |why: String| {
                format!(
                    "step {number}, {step:?}: {why}\nreplay: CRASH_SEED={seed} cargo test --test \
                     crash_points -- --nocapture"
                )
            };
            let before = machine.clone();
            let from = machine.operations();
            machine.run(step).map_err(|error| wrong(error.to_string()))?;
            if std::env::var("CRASH_SEED").is_ok() {
                println!("step {number}, operations {from}..{}: {step:?}", machine.operations());
            }
            machine.check_live().map_err(wrong)?;
            for operation in from..machine.operations() {
                let mut copy = before.clone();
                copy.crash_at(operation, seed ^ (operation << 20));
                let failed = copy.run(step);
                assert!(failed.is_err(), "{}", wrong(format!("operation {operation} went well")));
                points += 1;
                let rescued = copy.restart(&before, &mut rng);
                rescued
                    .map_err(|why| wrong(format!("power off in operation {operation}: {why}")))?;
            }
        }
        if points >= CRASH_POINTS {
            break;
        }
    }
    Ok(points)
}

#[test]
fn nothing_flushed_is_lost_wherever_the_power_fails() {
    let points = match std::env::var("CRASH_SEED") {
        Ok(seed) => run(None, std::iter::once(seed.parse().unwrap())),
        Err(_) => run(None, 0..),
    };
    match points {
        Ok(points) => println!("{points} crash points"),
        Err(why) => panic!("{why}"),
    }
}

#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let found = run(Some(bug), 0..);
        let Err(why) = found else {
            panic!("{bug:?} was not found in {CRASH_POINTS} crash points")
        };
        println!("{bug:?}: {}", why.lines().next().unwrap());
    }
}
