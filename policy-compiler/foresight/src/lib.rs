//! What a policy would do with a request, before anybody sends it, and what a change of policy does to requests.
//! It owns reading requests as people have them at hand, following one through the stages, and comparing two
//! policies; it refuses to decide (`decision` does) and to touch files, clocks or sockets: all are handed in.

mod diff;
mod explain;
mod explanation;
mod ink;
mod request;
mod text;

pub use diff::{
    Change, Class, DIFF_VERSION, Diff, Outcome as DiffOutcome, Reach, Recorded, Subject, count, diff,
    render_diff, replay,
};
pub use explain::{Circumstances, Unknown, explain};
pub use explanation::*;
pub use request::{Fault, MAX_BYTES, Request};
pub use text::render;
