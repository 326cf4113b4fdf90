//! Counts of what a service did.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use s3lo_test_servers::http::{Reply, Request, Service};
use serde_json::{Value, json};

/// So many requests are listed one by one.
const LISTED: usize = 16;

/// A service, and how often it was asked.
pub(crate) struct Counted {
    service: Box<dyn Service>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    refused: AtomicUsize,
    first: Mutex<Vec<String>>,
}

impl Counted {
    pub(crate) fn new(service: Box<dyn Service>) -> Self {
        Self {
            service,
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            first: Mutex::default(),
        }
    }

    /// The number of a new connection.
    pub(crate) fn connect(&self) -> usize {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Refused is what was answered with 400 and above; `first` are the first requests, in their order.
    pub(crate) fn did(&self) -> Value {
        let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        json!({
            "connections": count(&self.connections),
            "requests": count(&self.requests),
            "refused": count(&self.refused),
            "first": *self.first(),
        })
    }

    fn first(&self) -> MutexGuard<'_, Vec<String>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Counted {
    fn answer(&self, request: &Request, connection: usize) -> Reply {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first();
        if first.len() < LISTED {
            first.push(format!("{} {}", request.method, request.path));
        }
        drop(first);
        // A connection that is opened ahead asks for nothing.
        if request.method == "OPTIONS" {
            return Reply::Answer(200, Vec::new(), Vec::new());
        }
        let reply = self.service.answer(request, connection);
        if matches!(reply, Reply::Answer(400.., ..)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        reply
    }
}
