//! Which country an address is in. It owns the database's file: reading it off the request path, checking it
//! before use and following its changes; it refuses to judge countries (access rules do).

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use decision::Country;
use maxminddb::{Reader, path};
use sha2::{Digest, Sha256};

use crate::live::Live;

/// How often it is looked whether the file was replaced.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a file is no database of countries.
#[derive(Debug, thiserror::Error)]
#[error("the database of countries {} cannot be used: {cause}", file.display())]
pub struct CountriesError {
    file: PathBuf,
    cause: String,
}

/// The database of a policy, or none.
#[derive(Debug, Default)]
pub struct Countries {
    file: Option<PathBuf>,
    loaded: ArcSwapOption<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    reader: Reader<Vec<u8>>,
    sha256: String,
    seen: Option<Seen>,
}

/// What tells one state of a file from the next without reading it: device, inode, length, time of change.
type Seen = (u64, u64, u64, i64, i64);

impl Countries {
    /// Reads the database that a policy names. Blocks; the whole file is checked.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read(file: Option<&str>, base: &Path) -> Result<Self, CountriesError> {
        let file = file.map(|file| base.join(file));
        let loaded = file.as_deref().map(load).transpose()?;
        Ok(Self { file, loaded: ArcSwapOption::from(loaded.map(Arc::new)) })
    }

    /// Whether this is the database of that name.
    #[must_use]
    pub fn is(&self, file: Option<&str>, base: &Path) -> bool {
        self.file == file.map(|file| base.join(file))
    }

    /// The country of an address; `None` where the database does not know it, or has no such field.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let loaded = self.loaded.load();
        let found = loaded.as_ref()?.reader.lookup(address.to_canonical()).ok()?;
        let code: &str = found.decode_path(&path!["country", "iso_code"]).ok()??;
        code.as_bytes().try_into().ok()
    }

    /// Digest of the file in use, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        self.loaded.load().as_ref().map(|loaded| loaded.sha256.clone())
    }

    /// Reads the file again if it was replaced. Blocks. One that cannot be used changes nothing.
    fn reread(&self) {
        let Some(file) = self.file.as_deref() else { return };
        let now = seen(file);
        let before = self.loaded.load().as_ref().and_then(|loaded| loaded.seen);
        if now.is_none() || now == before {
            return;
        }
        match load(file) {
            Ok(read) => {
                tracing::info!(file = %file.display(), digest = %read.sha256, "another database of countries is in use");
                self.loaded.store(Some(Arc::new(read)));
            }
            // Half of a copy looks like that; the next look comes soon.
            Err(error) => tracing::warn!(%error, "the database of countries in use stays"),
        }
    }
}

fn seen(file: &Path) -> Option<Seen> {
    let of = std::fs::metadata(file).ok()?;
    Some((of.dev(), of.ino(), of.len(), of.mtime(), of.mtime_nsec()))
}

fn load(file: &Path) -> Result<Loaded, CountriesError> {
    let failed = |cause: String| CountriesError { file: file.to_owned(), cause };
    // Looked at first: a file replaced meanwhile is then read again.
    let seen = seen(file);
    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let reader = Reader::from_source(bytes).map_err(|error| failed(error.to_string()))?;
    reader.verify().map_err(|error| failed(error.to_string()))?;
    Ok(Loaded { reader, sha256: format!("sha256:{sha256}"), seen })
}

/// Reads the file of the policy in force again if it was replaced.
pub(crate) async fn reread(live: &Live) {
    let countries = Arc::clone(&live.in_force().countries);
    if countries.file.is_some() {
        // A panic in there leaves the database as it was.
        let _ = tokio::task::spawn_blocking(move || countries.reread()).await;
    }
}

/// Follows the file of the policy in force.
pub(crate) async fn follow(live: Arc<Live>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        reread(&live).await;
    }
}
