//! Which backend holds the state of a response that another may continue. It owns a bounded memory of
//! response ids (hashed) and deployments (by name, so that it survives a reload); it refuses to hold any
//! content and to outlive the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

/// The most responses remembered; the oldest are forgotten first.
const REMEMBERED: usize = 100_000;

/// The deployments of the latest responses.
#[derive(Debug, Default)]
pub(crate) struct ResponseHomes {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    homes: HashMap<u64, Arc<str>>,
    order: VecDeque<u64>,
}

impl ResponseHomes {
    /// Remembers that `deployment` made the response.
    pub(crate) fn remember(&self, response: u64, deployment: &str) {
        let mut inner = self.inner.lock();
        if inner.homes.insert(response, Arc::from(deployment)).is_none() {
            inner.order.push_back(response);
        }
        if inner.order.len() > REMEMBERED
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.homes.remove(&oldest);
        }
    }

    /// Who made the response, if that is remembered.
    pub(crate) fn find(&self, response: u64) -> Option<Arc<str>> {
        self.inner.lock().homes.get(&response).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_response_is_forgotten_when_memory_is_full() {
        let homes = ResponseHomes::default();
        (0..=REMEMBERED as u64).for_each(|response| homes.remember(response, "swe/std"));
        assert_eq!(homes.find(0), None);
        assert_eq!(homes.find(1).as_deref(), Some("swe/std"));
        assert_eq!(homes.inner.lock().homes.len(), REMEMBERED);
    }
}
