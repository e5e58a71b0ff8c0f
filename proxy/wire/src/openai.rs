//! The dialect of OpenAI's API, also spoken by Azure OpenAI and vLLM. It owns how errors, usage, stream
//! events, rate-limit headers and model lists are spelt; it refuses to decide what to do about them.

mod edit;
mod error;
mod limits;
mod models;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod usage;

pub use edit::{Edits, set_fields};
pub use error::{BackendErrorCode, error_body, error_code, stream_error_event};
pub use limits::{BackendLimits, backend_limits, retry_after};
pub use models::{ModelCard, models_body};
pub use stream::{EventClass, classify};
pub use tap::{Finish, Observed, Relayed, StreamEnd, StreamTap};
pub use usage::{usage_in_body, usage_in_event};
