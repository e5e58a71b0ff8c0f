//! Files a server has been given. It owns them in memory, in order of arrival; it refuses the disk.

/// Files by id.
#[derive(Debug, Default)]
pub(super) struct Files {}
