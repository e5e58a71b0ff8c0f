//! A part that few things of a long list have: a pointer instead of the whole part in every one of them. It owns
//! that it reads as the empty part where there is none.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// What a [`Rare`] part is where there is none.
pub trait Absent: Sized + Default + PartialEq + 'static {
    /// The same as the default, for everybody.
    const ABSENT: &'static Self;
}

/// A part that is mostly empty; it reads as if it were there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Absent> From<T> for Rare<T> {
    fn from(part: T) -> Self {
        Self((part != *T::ABSENT).then(|| Box::new(part)))
    }
}

impl<T: Absent> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::ABSENT)
    }
}
