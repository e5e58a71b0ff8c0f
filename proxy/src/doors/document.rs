//! The overlay: one document that holds every key issued while the gateway runs. It owns what a change
//! makes of it, and what two replicas' documents make together; it refuses files, clocks and chance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vocabulary::UnixTime;
use vocabulary::admin::keys::KeyStatus;

/// Keys that ended so long ago are forgotten.
const FORGOTTEN_AFTER: u64 = 30 * 86_400;

/// An issued key: its hash, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Lower-case hex SHA-256.
    pub(crate) sha256: String,
    /// What is shown of it.
    #[serde(flatten)]
    pub(crate) status: KeyStatus,
}

impl Row {
    /// When it ends: it expires, or was revoked before.
    pub(crate) fn ends(&self) -> Option<u64> {
        [self.status.expires, self.status.revoked].into_iter().flatten().map(|end| end.0).min()
    }
}

/// All issued keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// Grows with every change.
    pub(crate) version: u64,
    /// By id.
    pub(crate) keys: BTreeMap<String, Row>,
}

/// As written to a file or the board.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Of the document's JSON.
    checksum: String,
    document: Document,
}

/// A change of the document.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Adds a key.
    Issue(Box<Row>),
    /// Ends a key at once.
    Revoke {
        /// Which.
        id: String,
        /// When.
        now: u64,
    },
    /// Adds a key in the place of another, which ends later.
    Replace {
        /// Which.
        id: String,
        /// The new one.
        by: Box<Row>,
        /// When the old one ends at the latest.
        ends: u64,
    },
}

impl Document {
    /// The document after a change. `None` when the key it is about is not there.
    pub(crate) fn changed(&self, change: Change, now: u64) -> Option<Self> {
        let mut next = self.clone();
        match change {
            Change::Issue(row) => {
                next.keys.insert(row.status.id.clone(), *row);
            }
            Change::Revoke { id, now } => {
                let row = next.keys.get_mut(&id)?;
                row.status.revoked.get_or_insert(UnixTime(now));
            }
            Change::Replace { id, by, ends } => {
                let old = next.keys.get_mut(&id)?;
                old.status.expires = earlier(old.status.expires, Some(UnixTime(ends)));
                next.keys.insert(by.status.id.clone(), *by);
            }
        }
        next.keys.retain(|_, row| row.ends().is_none_or(|end| end + FORGOTTEN_AFTER > now));
        next.version += 1;
        Some(next)
    }

    /// What two replicas' documents make together: every key of either, ending at the earlier of its ends.
    /// Whichever comes first, the outcome is the same, and nothing that was revoked comes back.
    pub(crate) fn merged(&self, other: &Self) -> Self {
        let mut keys = self.keys.clone();
        for (id, row) in &other.keys {
            let known = keys.entry(id.clone()).or_insert_with(|| row.clone());
            known.status.expires = earlier(known.status.expires, row.status.expires);
            known.status.revoked = earlier(known.status.revoked, row.status.revoked);
        }
        let mut version = self.version.max(other.version);
        let is = |document: &Self| document.version == version && document.keys == keys;
        if !is(self) && !is(other) {
            version += 1;
        }
        Self { version, keys }
    }

    /// With its checksum, as JSON.
    pub(crate) fn sealed(&self) -> serde_json::Result<Vec<u8>> {
        let sealed = Sealed { checksum: self.checksum()?, document: self.clone() };
        serde_json::to_vec_pretty(&sealed)
    }

    /// Reads what [`Document::sealed`] wrote.
    pub(crate) fn unsealed(bytes: &[u8]) -> Result<Self, &'static str> {
        let sealed: Sealed = serde_json::from_slice(bytes)
            .map_err(|_| "it is not an overlay of issued keys, or of a version that is not known here")?;
        let sum = sealed.document.checksum().map_err(|_| "it cannot be checked")?;
        if sum != sealed.checksum {
            return Err("its checksum is wrong: it was damaged or changed by hand");
        }
        Ok(sealed.document)
    }

    fn checksum(&self) -> serde_json::Result<String> {
        let digest = Sha256::digest(serde_json::to_vec(self)?);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("sha256:{hex}"))
    }
}

fn earlier(a: Option<UnixTime>, b: Option<UnixTime>) -> Option<UnixTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn row(id: &str, expires: Option<u64>, revoked: Option<u64>) -> Row {
        let status = KeyStatus {
            id: id.to_owned(),
            consumer: "team".to_owned(),
            name: "laptop".to_owned(),
            prefix: "sg-ab12".to_owned(),
            issued: UnixTime(0),
            issued_by: "admin".to_owned(),
            expires: expires.map(UnixTime),
            revoked: revoked.map(UnixTime),
            routes: Vec::new(),
            limits: vocabulary::admin::keys::KeyLimits::default(),
        };
        Row { sha256: "00".repeat(32), status }
    }

    fn document() -> impl Strategy<Value = Document> {
        let end = || prop::option::of(0_u64..100);
        let rows = prop::collection::btree_map("[a-d]", (end(), end()), 0..4);
        (0_u64..5, rows).prop_map(|(version, rows)| Document {
            version,
            keys: rows.into_iter().map(|(id, (a, b))| (id.clone(), row(&id, a, b))).collect(),
        })
    }

    proptest! {
        #[test]
        fn replicas_agree_whichever_hears_of_the_other_first(a in document(), b in document(), c in document()) {
            prop_assert_eq!(a.merged(&b).keys, b.merged(&a).keys);
            prop_assert_eq!(a.merged(&b).merged(&c).keys, a.merged(&b.merged(&c)).keys);
            prop_assert_eq!(a.merged(&a), a);
        }

        #[test]
        fn nothing_that_ended_comes_back(a in document(), b in document()) {
            let both = a.merged(&b);
            for (id, row) in a.keys.iter().chain(&b.keys) {
                let merged = both.keys.get(id).unwrap();
                prop_assert!(row.ends().is_none_or(|end| merged.ends().is_some_and(|merged| merged <= end)));
            }
        }

        #[test]
        fn any_bytes_are_an_overlay_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Document::unsealed(&bytes).is_err());
        }
    }

    #[test]
    fn a_document_is_read_as_it_was_written_and_a_changed_byte_is_noticed() {
        let document = Document::default().changed(Change::Issue(Box::new(row("a", None, None))), 0).unwrap();
        let sealed = document.sealed().unwrap();
        assert_eq!(Document::unsealed(&sealed), Ok(document));
        let text = String::from_utf8(sealed).unwrap().replace("\"team\"", "\"root\"");
        assert!(Document::unsealed(text.as_bytes()).unwrap_err().contains("checksum"));
    }

    #[test]
    fn keys_that_ended_long_ago_are_forgotten_and_others_kept() {
        let mut document = Document::default();
        for (id, expires) in [("old", Some(10)), ("new", Some(FORGOTTEN_AFTER)), ("endless", None)] {
            document = document.changed(Change::Issue(Box::new(row(id, expires, None))), 0).unwrap();
        }
        let next =
            document.changed(Change::Revoke { id: "new".into(), now: 11 }, FORGOTTEN_AFTER + 10).unwrap();
        assert_eq!(next.keys.keys().collect::<Vec<_>>(), ["endless", "new"]);
        assert_eq!(next.version, 4);
        assert!(next.changed(Change::Revoke { id: "old".into(), now: 11 }, 11).is_none());
    }
}
