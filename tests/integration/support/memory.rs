//! A store in memory, whose calls a test can watch and step into.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use s3lo::store::in_flight::Reservation;
use s3lo::store::{Error, Listed, Listing, Object, Store, Version};

/// A test's step before a call: it gets the call's name and the object key.
type Step = Box<dyn FnMut(&MemoryStore, &str, &str) -> Result<(), Error> + Send>;

/// Bytes and version, by key.
type Objects = BTreeMap<String, (Vec<u8>, u64)>;

/// Objects by their keys, each with a version that counts up.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    objects: Arc<Mutex<Objects>>,
    versions: Arc<Mutex<u64>>,
    calls: Arc<Mutex<Vec<String>>>,
    step: Arc<Mutex<Option<Step>>>,
    /// A store that does not know conditions: the last writer wins.
    pub(crate) ignores_conditions: bool,
    /// A store whose lists end before they have begun.
    pub(crate) lists_in_part: bool,
    /// A store that writes, and is asked a second time because its first answer was lost.
    pub(crate) loses_answers: bool,
}

impl MemoryStore {
    pub(crate) fn before_each_call(
        &self,
        step: impl FnMut(&Self, &str, &str) -> Result<(), Error> + Send + 'static,
    ) {
        *self.step.lock().unwrap() = Some(Box::new(step));
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let mut version = self.versions.lock().unwrap();
        *version += 1;
        self.objects
            .lock()
            .unwrap()
            .insert(key.to_owned(), (bytes.to_vec(), *version));
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.objects
            .lock()
            .unwrap()
            .get(key)
            .map(|(bytes, _)| bytes.clone())
    }

    pub(crate) fn remove(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    /// `read manifest.json`, `create 0123….json`, … in the order of the calls.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn begin(&self, call: &str, key: &str) -> Result<(), Error> {
        let name = key
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        self.calls.lock().unwrap().push(format!("{call} {name}"));
        // Taken out while it runs, for it may call the store itself.
        let Some(mut step) = self.step.lock().unwrap().take() else {
            return Ok(());
        };
        let result = step(self, call, key);
        self.step.lock().unwrap().get_or_insert(step);
        result
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn locate(&self, key: &str) -> String {
        format!("memory://{key}")
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Object, Error> {
        self.begin("read", key)?;
        let objects = self.objects.lock().unwrap();
        let (bytes, version) = objects.get(key).ok_or_else(|| Error::NotFound {
            object: key.to_owned(),
        })?;
        let version = Version(version.to_string());
        if bytes.len() as u64 > limit {
            return Err(Error::Oversized {
                object: key.to_owned(),
                limit,
                version,
            });
        }
        Ok(Object {
            bytes: bytes.clone(),
            version,
            reservation: Reservation::default(),
        })
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.begin("create", key)?;
        if self.get(key).is_some() && !self.ignores_conditions {
            return Err(Error::Exists {
                object: key.to_owned(),
            });
        }
        self.put(key, bytes);
        if self.loses_answers {
            return Err(Error::Exists {
                object: key.to_owned(),
            });
        }
        Ok(())
    }

    async fn replace(&self, key: &str, bytes: &[u8], version: &Version) -> Result<(), Error> {
        self.begin("replace", key)?;
        let current = self
            .objects
            .lock()
            .unwrap()
            .get(key)
            .map(|(_, version)| version.to_string());
        if current.as_deref() != Some(version.0.as_str()) && !self.ignores_conditions {
            return Err(Error::Changed {
                object: key.to_owned(),
            });
        }
        self.put(key, bytes);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.begin("list", prefix)?;
        let objects = self.objects.lock().unwrap();
        let mut listing = Listing {
            complete: !self.lists_in_part,
            ..Listing::default()
        };
        if self.lists_in_part {
            return Ok(listing);
        }
        for (key, (_, version)) in objects.iter() {
            let Some(rest) = key.strip_prefix(prefix) else {
                continue;
            };
            match rest.split_once('/') {
                Some((folder, _)) => listing.folders.push(folder.to_owned()),
                None => listing.objects.push(Listed {
                    name: rest.to_owned(),
                    version: Some(Version(version.to_string())),
                }),
            }
        }
        listing.folders.dedup();
        Ok(listing)
    }
}
