//! The memory that objects take while they are read and judged, bounded for the whole process: a thousand images with
//! manifests of 4 MiB are read eight at a time, at any concurrency.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

/// The memory for all objects at once, in bytes.
const BUDGET: u64 = 32 * 1024 * 1024;

/// The size in bytes up to which an object is not counted. Nearly all manifests and records are smaller.
pub const FREE: u64 = 16 * 1024;

/// The bytes of one permit.
const UNIT: u64 = 16 * 1024;

const PERMITS: usize = 2048;

static UNITS: Semaphore = Semaphore::const_new(PERMITS);

const _: () = assert!(
    UNIT * PERMITS as u64 == BUDGET,
    "the permits are the budget"
);

/// The most objects that are on their way over the network: each of their connections buffers what arrives before it is
/// counted, up to 400 KB.
static IN_TRANSIT: Semaphore = Semaphore::const_new(96);

/// Waits until another object may be asked for. Must not be awaited while a [`Reservation`] is held: objects in transit
/// wait for memory.
pub async fn turn() -> Option<SemaphorePermit<'static>> {
    // The semaphore is never closed.
    IN_TRANSIT.acquire().await.ok()
}

/// A share of the memory for objects, until the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    _permit: Option<Arc<SemaphorePermit<'static>>>,
}

/// Which memory an object takes is no part of what it is.
impl PartialEq for Reservation {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Reservation {}

/// Waits until there is memory for an object of `bytes`. It must be asked for once for each object, and not by a task that
/// holds another reservation: two halves of the budget would wait for each other for ever.
pub async fn reserve(bytes: u64) -> Reservation {
    if bytes <= FREE {
        return Reservation::default();
    }
    let units = u32::try_from(bytes.min(BUDGET).div_ceil(UNIT)).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    Reservation {
        _permit: UNITS.acquire_many(units).await.ok().map(Arc::new),
    }
}
