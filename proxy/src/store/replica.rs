//! This replica's name, which survives a restart, and the number of its lives. It owns one small file; it
//! refuses to share it (the lock on the counts beside it sees to that).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use ledger::lease::Replica;
use serde::{Deserialize, Serialize};

const FILE: &str = "replica.json";

#[derive(Serialize, Deserialize)]
struct Written {
    /// Sixteen hexadecimal digits.
    name: String,
    lives: u64,
}

/// Begins a life. Without a place to keep its name a replica is a new one at every start, and what its last
/// life had leased returns only when its windows end.
///
/// # Errors
/// When the file cannot be read or written, or is not ours.
pub(super) fn begin(state: Option<&Path>) -> io::Result<Replica> {
    let Some(state) = state else { return Ok(Replica { name: rand::random(), life: 1 }) };
    let path = state.join(FILE);
    let replica = match fs::read(&path) {
        Ok(bytes) => next(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Replica { name: rand::random(), life: 1 },
        Err(error) => return Err(error),
    };
    let text = serde_json::to_vec(&Written { name: format!("{:016x}", replica.name), lives: replica.life })?;
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&text)?;
    // A life that was forgotten would be lived again, and its messages taken for those of the other.
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(state)?.sync_all()?;
    Ok(replica)
}

fn next(bytes: &[u8]) -> io::Result<Replica> {
    let unreadable = || {
        let what = format!("{FILE} cannot be read; remove it to go on as a new replica");
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let written: Written = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let name = u64::from_str_radix(&written.name, 16).map_err(|_| unreadable())?;
    Ok(Replica { name, life: written.lives.saturating_add(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_keeps_the_name_and_begins_a_life() {
        let state = tempfile::tempdir().unwrap();
        let first = begin(Some(state.path())).unwrap();
        let second = begin(Some(state.path())).unwrap();
        assert_eq!(second, Replica { life: first.life + 1, ..first });
    }

    #[test]
    fn without_a_place_for_its_name_a_replica_is_new_at_every_start() {
        assert_ne!(begin(None).unwrap().name, begin(None).unwrap().name);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_and_says_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(FILE), "{}").unwrap();
        assert!(begin(Some(state.path())).unwrap_err().to_string().contains("remove it"));
    }
}
