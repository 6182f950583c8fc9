//! Whether a producer is idempotent: `enable.idempotence` and what it demands of other properties.
//!
//! It is on by default. `acks` or `retries` that rule it out turn it off, unless it is asked for in
//! so many words: then they contradict it. More requests in flight than the broker remembers
//! batches of a producer always do.

use super::ConfigError;
use super::values::Values;

/// So many batches of a producer the broker knows again.
const MAX_IN_FLIGHT: i64 = 5;

/// Whether the producer is idempotent.
///
/// # Errors
/// When the properties contradict each other.
pub(super) fn is_enabled(values: &Values<'_>) -> Result<bool, ConfigError> {
    if !values.flag("enable.idempotence") {
        return Ok(false);
    }
    let acks = values.text("acks");
    let retries = values.number("retries");
    let ruled_out = if retries == 0 {
        Some("retries = 0: it needs retries".to_owned())
    } else if matches!(acks.as_str(), "0" | "1") {
        Some(format!("acks = {acks}: it needs acks = all"))
    } else {
        None
    };
    if let Some(why) = ruled_out.as_ref().filter(|_| values.is_given("enable.idempotence")) {
        return Err(ConfigError::invalid(format!("enable.idempotence = true with {why}")));
    }
    let in_flight = values.number("max.in.flight.requests.per.connection");
    if in_flight > MAX_IN_FLIGHT {
        return Err(ConfigError::invalid(format!(
            "max.in.flight.requests.per.connection = {in_flight}: must be at most {MAX_IN_FLIGHT} \
             unless enable.idempotence = false"
        )));
    }
    Ok(ruled_out.is_none())
}
