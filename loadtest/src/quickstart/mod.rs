//! The quickstart. WIP
use crate::{Error, Exit};
pub(crate) struct Options { pub(crate) keep: bool, pub(crate) seconds: u32, pub(crate) seed: u64, pub(crate) base_port: u16, pub(crate) plain: bool }
pub(crate) async fn show(_o: Options) -> Result<Exit, Error> { Err(Error::Internal("wip".into())) }
