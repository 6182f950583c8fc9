//! From the description of a message to its structure, its bytes and its JSON.
//!
//! ```text
//! field: Type = default, "kafkasName" since 0;
//! field: Type = default, "kafkasName" since 2, tag 1;
//! ```
//!
//! `since` is the first version that has the field. A field with a tag is written behind all
//! others, and only when it is not its default.

/// Makes a structure with `Default`, `Field` and `Json`.
macro_rules! message {
    ($(
        $(#[$about:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_about:meta])*
                $field:ident: $kind:ty = $default:expr, $kafkas:literal since $since:literal
                $(, tag $tag:literal)?;
            )*
        }
    )*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[$field_about])*
                pub $field: $kind,
            )*
            /// Tagged fields of a later Kafka, kept as they are.
            pub unknown_tagged_fields: Vec<$crate::metadata::wire::TaggedField>,
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* unknown_tagged_fields: Vec::new() }
            }
        }

        // A message without fields uses no version.
        #[allow(unused_variables, unused_mut)]
        impl $crate::metadata::wire::Field for $name {
            fn write(&self, version: i16, out: &mut Vec<u8>) {
                let mut tagged = self.unknown_tagged_fields.clone();
                $(
                    let tag: Option<u32> = [$($tag)?].first().copied();
                    let default: $kind = $default;
                    match tag {
                        _ if version < $since => {}
                        None => self.$field.write(version, out),
                        Some(_) if self.$field == default => {}
                        Some(tag) => {
                            let mut bytes = Vec::new();
                            self.$field.write(version, &mut bytes);
                            let bytes = bytes.into();
                            tagged.push($crate::metadata::wire::TaggedField { tag, bytes });
                        }
                    }
                )*
                $crate::metadata::wire::put_tagged(out, tagged);
            }

            fn read(
                version: i16,
                reader: &mut $crate::metadata::wire::Reader<'_>,
            ) -> Result<Self, $crate::metadata::wire::Fault> {
                let mut message = $name::default();
                $(
                    let tag: Option<u32> = [$($tag)?].first().copied();
                    if tag.is_none() && version >= $since {
                        message.$field =
                            <$kind>::read(version, reader).map_err(|fault| fault.within($kafkas))?;
                    }
                )*
                let unknown = reader.tagged(|found, reader| {
                    $(
                        let tag: Option<u32> = [$($tag)?].first().copied();
                        if tag == Some(found) && version >= $since {
                            message.$field = <$kind>::read(version, reader)
                                .map_err(|fault| fault.within($kafkas))?;
                            return Ok(true);
                        }
                    )*
                    Ok(false)
                });
                let unknown = unknown.map_err(|fault| fault.within("tagged fields"))?;
                message.unknown_tagged_fields = unknown;
                Ok(message)
            }
        }

        #[allow(unused_variables, unused_mut)]
        impl $crate::metadata::json::Json for $name {
            fn json(&self, version: i16, out: &mut String) {
                let mut object = $crate::metadata::json::Object::begin(version, out);
                $(
                    let tag: Option<u32> = [$($tag)?].first().copied();
                    let default: $kind = $default;
                    if version >= $since && (tag.is_none() || self.$field != default) {
                        object.field($kafkas, &self.$field);
                    }
                )*
                object.end();
            }
        }
    )*};
}

pub(super) use message;
