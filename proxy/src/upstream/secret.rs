//! Secrets, read from where a reference points. It owns the only type that holds one in the clear; it
//! refuses to print it.

use std::path::{Path, PathBuf};

use rule_table::{SecretRef, Setting};

/// A secret value. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set or not UTF-8.
    #[error("the environment variable {0} is not set; set it or change the reference")]
    Env(String),
    /// The file cannot be read.
    #[error("the secret file {} cannot be read: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("the secret {0} is empty")]
    Empty(String),
    /// It cannot be sent as a header.
    #[error("the secret {0} holds control characters, which no header may hold; write it on one line")]
    NotAHeader(String),
}

/// Where a reference points to, in words.
pub(super) fn place(reference: &SecretRef, base: &Path) -> String {
    match reference {
        SecretRef::Env(name) => format!("in the environment variable {name}"),
        SecretRef::File(file) => format!("in the file {}", base.join(file).display()),
    }
}

/// Reads a value that is written out or kept elsewhere.
///
/// # Errors
/// As [`read`].
pub(super) fn setting(setting: &Setting, base: &Path) -> Result<String, SecretError> {
    let reference = match setting {
        Setting::Literal(value) => return Ok(value.clone()),
        Setting::Env(name) => SecretRef::Env(name.clone()),
        Setting::File(file) => SecretRef::File(file.clone()),
    };
    read(&reference, base).map(|value| value.0)
}

/// Reads the secret `reference` points to; files relative to `base`.
///
/// # Errors
/// When it is missing, unreadable or empty. The error never holds the value.
pub fn read(reference: &SecretRef, base: &Path) -> Result<Secret, SecretError> {
    let value = match reference {
        SecretRef::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?,
        SecretRef::File(file) => {
            let path = base.join(file);
            let text = std::fs::read_to_string(&path)
                .map_err(|source| SecretError::File { path: path.clone(), source })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if value.is_empty() { Err(SecretError::Empty(place(reference, base))) } else { Ok(Secret(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_loses_its_final_newline_and_never_prints() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "canary-secret\n").unwrap();
        let secret = read(&SecretRef::File("key".into()), dir.path()).unwrap();
        assert_eq!(secret.expose(), "canary-secret");
        assert!(!format!("{secret:?}").contains("canary"));
    }

    #[test]
    fn a_missing_or_empty_secret_says_where_it_was_sought() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        let error = |name: &str| read(&SecretRef::File(name.into()), dir.path()).unwrap_err().to_string();
        assert!(error("gone").contains("gone"));
        assert!(error("empty").contains("is empty"));
        let unset = read(&SecretRef::Env("SLUICEGATE_TEST_UNSET".into()), dir.path()).unwrap_err();
        assert!(unset.to_string().contains("SLUICEGATE_TEST_UNSET"));
    }
}
