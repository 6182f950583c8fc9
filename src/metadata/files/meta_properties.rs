//! `meta.properties`: whose directory this is.
//!
//! ```text
//! #
//! #Wed Nov 25 08:03:48 UTC 2026        when it was written
//! node.id=1
//! directory.id=pZxD0BG36pART3l_eNEFbA
//! version=1
//! cluster.id=EW26tTZtTxygZ_2aL4AM2g
//! ```
//!
//! The order is the one of Java's hash table. Other properties are passed over.
//!
//! # Simplifications versus Kafka
//!
//! Version 0, of the time of ZooKeeper, is refused. The time is always given in UTC. Characters
//! beyond ASCII are escaped, so that they can be read again.

use super::error::{FileError, FileFault};
use super::properties::{Property, escape, parse};
use crate::metadata::uuid::Uuid;
use crate::types::Timestamp;

/// What `meta.properties` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster that the directory belongs to.
    pub cluster_id: String,
    /// The node that the directory belongs to.
    pub node_id: i32,
    /// The directory's own id.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// The file, written now.
    #[must_use]
    pub fn encode(&self, now: Timestamp) -> String {
        let mut text = format!("#\n#{}\nnode.id={}\n", date(now), self.node_id);
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={id}\n"));
        }
        text.push_str(&format!("version=1\ncluster.id={}\n", escape(&self.cluster_id)));
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Which line is wrong, or what is missing.
    pub fn parse(bytes: &[u8]) -> Result<MetaProperties, FileError> {
        let properties = parse(bytes)?;
        let last = bytes.iter().filter(|&&byte| byte == b'\n').count().max(1);
        // Of a key that comes twice, the last value counts.
        let find = |key| properties.iter().rev().find(|property| property.key == key);
        let need = |key| find(key).ok_or(FileError::missing(last, key));
        let version = number(need("version")?, "version")?;
        if version != 1 {
            let fault = FileFault::Version(i64::from(version));
            return Err(FileError { line: need("version")?.line, fault });
        }
        let directory_id = |property: &Property| {
            let wrong = FileError::expected(property.line, "directory.id");
            property.value.parse().map_err(|_| wrong)
        };
        Ok(MetaProperties {
            cluster_id: need("cluster.id")?.value.clone(),
            node_id: number(need("node.id")?, "node.id")?,
            directory_id: find("directory.id").map(directory_id).transpose()?,
        })
    }
}

fn number(property: &Property, what: &'static str) -> Result<i32, FileError> {
    property.value.parse().map_err(|_| FileError::expected(property.line, what))
}

/// A time as Java prints it: `Wed Nov 25 08:03:48 UTC 2026`.
fn date(time: Timestamp) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.0.div_euclid(1000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years are counted from March, so that the leap day is a year's last; 719,468 days lie between
    // the first of March of the year 0 and 1970. An era is 400 years.
    let since = day + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    format!(
        "{} {} {of_month:02} {:02}:{:02}:{:02} UTC {year}",
        WEEKDAYS[day.rem_euclid(7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `java.util.Date` prints them.
    #[test]
    fn dates() {
        let table = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_399_999, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_795_593_032_037, "Wed Nov 25 07:50:32 UTC 2026"),
            (4_107_542_400_000, "Mon Mar 01 00:00:00 UTC 2100"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ];
        for (time, expected) in table {
            assert_eq!(date(Timestamp(time)), expected);
        }
    }
}
