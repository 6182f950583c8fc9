//! Control records: the ends of transactions, and what the controllers' quorum writes for itself.

use std::fmt::Write;

use super::fields::Fields;
use super::header::Header;
use super::source::Open;
use super::stop::Stop;
use crate::metadata::decode_control;
use crate::record::{ControlRecord, ControlType, RecordRef};

pub(super) fn print(
    file: &Open<'_>,
    header: &Header,
    record: &RecordRef<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let text = text(record).map_err(|what| file.stop(header.position, what))?;
    Ok(write!(out, " {text}")?)
}

fn text(record: &RecordRef<'_>) -> Result<String, String> {
    if let Some(marker) = ControlRecord::parse(record).map_err(|error| error.to_string())? {
        let control_type = match marker.control_type {
            ControlType::Abort => "ABORT",
            ControlType::Commit => "COMMIT",
        };
        let epoch = marker.coordinator_epoch;
        return Ok(format!("endTxnMarker: {control_type} coordinatorEpoch: {epoch}"));
    }
    match decode_control(record.key, record.value).map_err(|error| error.to_string())? {
        Some(message) => Ok(message.to_string()),
        None => {
            let mut key = Fields::new(record.key.unwrap_or_default());
            let number =
                key.i16().and_then(|_| key.i16()).ok_or("a control record without type")?;
            Ok(format!("controlType: UNKNOWN({number})"))
        }
    }
}
