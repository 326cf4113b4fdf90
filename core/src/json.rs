//! Strict reading of a JSON object.
//!
//! serde's derive reads a struct from an array as well (its fields in order). No manifest, record or key
//! file is written so, and only an object is accepted here.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

/// Reads one JSON object with nothing after it.
///
/// # Errors
///
/// The error of [`serde_json`], or one for a document that is not an object.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    is_object(bytes)?;
    serde_json::from_slice(bytes)
}

/// Reads one JSON object with nothing after it, and its names as Go's
/// [`encoding/json`](https://pkg.go.dev/encoding/json#Unmarshal) reads them: without regard to case. The tools that
/// read a manifest after this program are written in Go, and must not see a field that was missed here. A name that is
/// there in two spellings is a duplicate.
///
/// # Errors
///
/// The error of [`serde_json`], or one for a document that is not an object.
pub fn object_as_go<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    folded(bytes, false)
}

/// Reads one JSON object with nothing after it, and refuses a field that is there twice in different spellings:
/// [`object`] would read the one, and Go the last.
///
/// # Errors
///
/// The error of [`serde_json`], or one for a document that is not an object.
pub fn object_read_alike<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    folded(bytes, true)
}

fn folded<T: DeserializeOwned>(bytes: &[u8], exact: bool) -> Result<T, serde_json::Error> {
    is_object(bytes)?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let object = T::deserialize(Folded {
        inner: &mut json,
        exact,
    })?;
    json.end()?;
    Ok(object)
}

fn is_object(bytes: &[u8]) -> Result<(), serde_json::Error> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("not a JSON object"));
    }
    Ok(())
}

/// A visitor of every text in a document, names and values.
pub(crate) struct Texts<'a>(pub(crate) &'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Texts(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(Texts(self.0))?.is_some() {
            fields.next_value_seed(Texts(self.0))?;
        }
        Ok(())
    }
}

/// A deserializer that gives a struct its fields in any case, or only those that are written
/// exactly so.
struct Folded<D> {
    inner: D,
    exact: bool,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Folded<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(FoldedVisitor {
            fields,
            exact: self.exact,
            visitor,
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct FoldedVisitor<V> {
    fields: &'static [&'static str],
    exact: bool,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FoldedVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(FoldedMap {
            fields: self.fields,
            exact: self.exact,
            seen: Vec::new(),
            map,
        })
    }
}

struct FoldedMap<A> {
    fields: &'static [&'static str],
    exact: bool,
    seen: Vec<&'static str>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for FoldedMap<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.map.next_key_seed(FieldName(self.fields))? else {
            return Ok(None);
        };
        // No field has an empty name: serde passes over it as over an unknown one.
        let mut read = "";
        if let Some((field, is_exact)) = name {
            if self.seen.contains(&field) {
                return Err(A::Error::duplicate_field(field));
            }
            self.seen.push(field);
            if is_exact || !self.exact {
                read = field;
            }
        }
        seed.deserialize(StrDeserializer::new(read)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The field that a name means to Go, and whether it is written exactly so.
struct FieldName(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<(&'static str, bool)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<(&'static str, bool)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let mut fields = self.0.iter().copied();
        let field = fields.find(|field| field.chars().map(fold).eq(name.chars().map(fold)));
        Ok(field.map(|field| (field, field == name)))
    }
}

/// Folds the case of a letter as Go does: beside the letters of ASCII, two others fold to one of them.
fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// Reads an object inside another: for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// The error of the deserializer, or one for a value that is not an object.
pub fn inner<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct ObjectOnly<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOnly<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(ObjectOnly(PhantomData))
}

/// Reads a map without duplicate names, of which serde would keep the last: for
/// `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// The error of the deserializer, or one for a name that is there twice.
pub fn distinct<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    struct Distinct<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Distinct<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                if all.insert(name, value).is_some() {
                    return Err(A::Error::custom("a name is there twice"));
                }
            }
            Ok(all)
        }
    }

    deserializer.deserialize_map(Distinct(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Fields {
        #[serde(rename = "keyID")]
        key_id: Option<u8>,
        layers: Option<u8>,
    }

    #[test]
    fn a_name_means_the_field_that_it_means_to_go() {
        for name in ["keyID", "KEYID", "keyid", "\u{212a}eyID", r"\u004beyId"] {
            let text = alloc::format!(r#"{{"{name}":1,"other":[{{}}],"":2}}"#);
            let read: Fields = object_as_go(text.as_bytes()).unwrap();
            assert_eq!((read.key_id, read.layers), (Some(1), None), "{name}");
        }
        for name in ["key ID", "keyI", "keyIDs", "key_id", "k\u{131}d", ""] {
            let text = alloc::format!(r#"{{"{name}":1,"layer\u017f":3}}"#);
            let read: Fields = object_as_go(text.as_bytes()).unwrap();
            assert_eq!((read.key_id, read.layers), (None, Some(3)), "{name}");
        }
    }

    #[test]
    fn two_spellings_of_a_name_are_a_duplicate() {
        for second in ["layers", "Layers", "LAYERS", "layer\u{17f}"] {
            let text = alloc::format!(r#"{{"layers":1,"{second}":1}}"#);
            let read = object_as_go::<Fields>(text.as_bytes());
            let error = alloc::string::ToString::to_string(&read.unwrap_err());
            assert!(error.starts_with("duplicate field `layers`"), "{error}");
            assert!(object_read_alike::<Fields>(text.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_single_other_spelling_is_an_unknown_name_where_names_are_exact() {
        let read: Fields = object_read_alike(br#"{"KEYID":1,"layers":2}"#).unwrap();
        assert_eq!((read.key_id, read.layers), (None, Some(2)));
    }

    #[test]
    fn only_one_object_is_read() {
        for text in ["[1,2]", "{}{}", "{} x", "", "null", "\"layers\""] {
            assert!(object_as_go::<Fields>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
