//! Values that have passed the check of their property.
//!
//! A [`ConfigValue`] comes from [`ConfigKey::parse`] alone. So what is kept of a configuration, by
//! a client, by a broker or in the metadata, has been read once and by one rule; nobody who looks
//! at it later reads it in another way.

use std::collections::BTreeMap;

use super::ConfigError;
use super::definition::{ConfigKey, find, unknown};

/// A value in the form in which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue(String);

impl ConfigValue {
    /// For [`ConfigKey::parse`].
    pub(super) fn checked(value: String) -> Self {
        ConfigValue(value)
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Properties that were set somewhere, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, ConfigValue>);

impl Overrides {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Overrides(BTreeMap::new())
    }

    /// Checks each pair by the tables. Of a name that comes twice the last value counts.
    pub(super) fn checked<K: AsRef<str>, V: AsRef<str>>(
        kind: &str,
        tables: &'static [&'static [ConfigKey]],
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut overrides = Overrides::new();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            let key = find(tables, name).ok_or_else(|| unknown(kind, tables, name))?;
            overrides.set(name.to_owned(), Some(key.parse(value)?));
        }
        Ok(overrides)
    }

    /// Sets a property, or with `None` takes it back.
    pub fn set(&mut self, name: String, value: Option<ConfigValue>) {
        match value {
            Some(value) => self.0.insert(name, value),
            None => self.0.remove(&name),
        };
    }

    /// The value of a property that is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ConfigValue::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &ConfigValue)> {
        self.0.iter()
    }
}

/// Values by name: those that were given, and the defaults of the rest.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    tables: &'static [&'static [ConfigKey]],
    given: &'a Overrides,
}

impl<'a> Values<'a> {
    pub fn new(tables: &'static [&'static [ConfigKey]], given: &'a Overrides) -> Self {
        Values { tables, given }
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.given.get(name).is_some()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| find(self.tables, name).and_then(|key| key.default))
    }

    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// A number that has a default.
    pub fn number(&self, name: &str) -> i64 {
        number(name, self.get(name))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// A number from what was checked, or from the tables.
pub(super) fn number(name: &str, value: Option<&str>) -> i64 {
    let number = value.and_then(|value| value.parse().ok());
    number.unwrap_or_else(|| panic!("{name} is a number with a default in the tables: {value:?}"))
}
