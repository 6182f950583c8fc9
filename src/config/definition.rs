//! How a property is defined and checked, as Kafka's `ConfigDef` does.

use std::fmt;

use super::ConfigError;
use super::values::ConfigValue;

pub(super) use Check::*;

/// The type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A 32-bit number.
    Int,
    /// A 16-bit number.
    Short,
    /// A 64-bit number.
    Long,
    /// A number with a fraction.
    Double,
    /// Texts with commas between them.
    List,
    /// The name of a Java class.
    Class,
    /// Text that is not shown.
    Password,
}

/// Which values of its type a property takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    Fraction(f64, f64),
    /// One of these; of a list each member, of which there must be one at least.
    OneOf(&'static [&'static str]),
    /// A list of these, each at most once; it may be empty.
    Members(&'static [&'static str]),
    AnyCase(&'static [&'static str]),
    NonEmpty,
    /// 1 to 9, or −1 for the codec's own choice.
    GzipLevel,
    /// A reset policy.
    OffsetReset,
    /// `partition:broker` pairs, or `*`.
    Replicas,
}

/// One property. `default` is `None` where Kafka has none or null.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigKey {
    pub name: &'static str,
    pub kind: ConfigType,
    pub default: Option<&'static str>,
    pub check: Check,
}

macro_rules! constructors {
    ($($function:ident => $kind:ident,)*) => {
        $(pub(super) const fn $function(
            name: &'static str,
            default: Option<&'static str>,
            check: Check,
        ) -> ConfigKey {
            ConfigKey { name, kind: ConfigType::$kind, default, check }
        })*
    };
}

constructors! {
    boolean => Boolean,
    string => String,
    int => Int,
    short => Short,
    long => Long,
    double => Double,
    list => List,
    class => Class,
    password => Password,
}

impl ConfigKey {
    /// Checks a value, and gives it as it counts: without blanks around it, numbers, flags and
    /// lists in the one form in which Kafka shows them.
    pub fn parse(&self, given: &str) -> Result<ConfigValue, ConfigError> {
        // Java's `trim` takes everything up to the blank away, and nothing beyond ASCII.
        let value = self.normal(given.trim_matches(|c| c <= ' '))?;
        self.check_range(&value)?;
        Ok(ConfigValue::checked(value))
    }

    fn error(&self, value: &str, allowed: impl fmt::Display) -> ConfigError {
        ConfigError::invalid(format!("{} = '{value}': {allowed}", self.name))
    }

    /// The value as its type writes it.
    fn normal(&self, value: &str) -> Result<String, ConfigError> {
        let (normal, what) = match self.kind {
            ConfigType::Boolean => {
                let lower = value.to_ascii_lowercase();
                (lower.parse::<bool>().ok().map(|flag| flag.to_string()), "must be true or false")
            }
            ConfigType::Int => (normal_number::<i32>(value), "must be a 32-bit number"),
            ConfigType::Short => (normal_number::<i16>(value), "must be a 16-bit number"),
            ConfigType::Long => (normal_number::<i64>(value), "must be a 64-bit number"),
            ConfigType::Double => {
                let finite = value.parse::<f64>().is_ok_and(f64::is_finite);
                (finite.then(|| value.to_owned()), "must be a number")
            }
            ConfigType::List => (Some(members(value).collect::<Vec<_>>().join(",")), ""),
            _ => (Some(value.to_owned()), ""),
        };
        normal.ok_or_else(|| self.error(value, what))
    }

    fn check_range(&self, value: &str) -> Result<(), ConfigError> {
        let number = || value.parse::<f64>().unwrap_or(f64::NAN);
        match self.check {
            Any => Ok(()),
            AtLeast(least) if number() >= least as f64 => Ok(()),
            AtLeast(least) => Err(self.error(value, format_args!("must be at least {least}"))),
            Between(least, most) if (least as f64..=most as f64).contains(&number()) => Ok(()),
            Between(least, most) => {
                Err(self.error(value, format_args!("must lie between {least} and {most}")))
            }
            Fraction(least, most) if (least..=most).contains(&number()) => Ok(()),
            Fraction(least, most) => {
                Err(self.error(value, format_args!("must lie between {least} and {most}")))
            }
            OneOf(allowed) => {
                self.check_members(value, |member| allowed.contains(&member), allowed)
            }
            Members(_) if value.is_empty() => Ok(()),
            Members(allowed) => {
                self.check_distinct(value)?;
                self.check_members(value, |member| allowed.contains(&member), allowed)
            }
            AnyCase(allowed) => {
                let fits = |member: &str| allowed.iter().any(|a| a.eq_ignore_ascii_case(member));
                self.check_members(value, fits, allowed)
            }
            NonEmpty if value.is_empty() => Err(self.error(value, "must not be empty")),
            NonEmpty => Ok(()),
            GzipLevel if matches!(value.parse(), Ok(-1 | 1..=9)) => Ok(()),
            GzipLevel => Err(self.error(value, "must lie between 1 and 9, or be -1")),
            OffsetReset => super::AutoOffsetReset::parse(value).map(drop),
            Replicas => {
                let pair = |pair: &str| {
                    let halves = pair.split_once(':');
                    halves
                        .is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
                };
                let fits = value.is_empty() || value == "*" || members(value).all(pair);
                let what = "must be * or partition:broker pairs with commas between them";
                if fits { Ok(()) } else { Err(self.error(value, what)) }
            }
        }
    }

    fn check_distinct(&self, value: &str) -> Result<(), ConfigError> {
        let mut rest = members(value);
        while let Some(member) = rest.next() {
            if rest.clone().any(|other| other == member) {
                return Err(self.error(value, format_args!("names {member} twice")));
            }
        }
        Ok(())
    }

    fn check_members(
        &self,
        value: &str,
        fits: impl Fn(&str) -> bool,
        allowed: &[&str],
    ) -> Result<(), ConfigError> {
        let good = match self.kind {
            ConfigType::List => !value.is_empty() && members(value).all(fits),
            _ => fits(value),
        };
        if good {
            Ok(())
        } else {
            Err(self.error(value, format_args!("must be one of {}", allowed.join(", "))))
        }
    }
}

fn normal_number<N: std::str::FromStr + fmt::Display>(value: &str) -> Option<String> {
    value.parse::<N>().ok().map(|number| number.to_string())
}

/// The members of a list.
pub(super) fn members(list: &str) -> impl Iterator<Item = &str> + Clone {
    list.split(',').map(str::trim)
}

/// Finds a property by its name, in tables that are sorted.
pub(super) fn find(tables: &[&'static [ConfigKey]], name: &str) -> Option<&'static ConfigKey> {
    tables.iter().find_map(|table| {
        let place = table.binary_search_by(|key| key.name.cmp(name)).ok()?;
        table.get(place)
    })
}

/// The error for a name that is not known: it names the nearest one that is.
pub(super) fn unknown(kind: &str, tables: &[&'static [ConfigKey]], name: &str) -> ConfigError {
    let names = tables.iter().flat_map(|table| table.iter()).map(|key| key.name);
    let nearest = names.min_by_key(|known| (distance(name, known), *known)).unwrap_or_default();
    ConfigError::invalid(format!("no {kind} config '{name}'; did you mean '{nearest}'?"))
}

/// How many letters have to be added, taken or changed to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
