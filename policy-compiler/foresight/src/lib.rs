//! What a policy would do with a request, before anybody sends it. It owns reading requests as people have
//! them at hand, following one through the stages and telling what decided; it refuses to decide (`decision`
//! does) and to touch files, clocks or sockets: all of them are handed in.

mod explain;
mod explanation;
mod request;
mod text;

pub use explain::{Circumstances, Unknown, explain};
pub use explanation::*;
pub use request::{Fault, MAX_BYTES, Request};
pub use text::render;
