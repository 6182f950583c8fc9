//! Tables as Kafka's tools print them: columns padded with blanks, one blank between them.

use std::fmt;

/// How wide a column is.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// So many characters, whatever stands there.
    Fixed(usize),
    /// As the longest entry, but 15 at least.
    Fitted,
    /// The last one, which is not padded.
    Last,
}

/// Writes rows, the head being the first of them; no line break at the end.
pub(super) fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    columns: [Column; N],
    rows: &[[String; N]],
) -> fmt::Result {
    let mut place = 0..N;
    let widths = columns.map(|column| {
        let at = place.next().unwrap_or_default();
        match column {
            Column::Fixed(width) => width,
            Column::Fitted => {
                rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0).max(15)
            }
            Column::Last => 0,
        }
    });
    for (i, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join(" ");
        let start = if i > 0 { "\n" } else { "" };
        write!(f, "{start}{line}")?;
    }
    Ok(())
}
