//! Files of keys that sign bundles: PEM as OpenSSL writes it (RFC 7468, RFC 8410). It owns their form on disk and
//! who may read them; what a signature means is the bundle's business.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rule_table::{PublicKey, SigningKey, Trust};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

/// `PrivateKeyInfo` of an Ed25519 key up to its seed (RFC 8410, section 7).
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// `SubjectPublicKeyInfo` of an Ed25519 key up to the key (RFC 8410, section 4).
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Reads the private key that signs.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn signing_key(file: &Path) -> Result<SigningKey, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the signing key {}: {why}", file.display());
    let der = PrivatePkcs8KeyDer::from_pem_file(file).map_err(|error| wrong(&error))?;
    SigningKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| wrong(&error))
}

/// Reads the public keys whose bundles are accepted; with none, anybody's are.
///
/// # Errors
/// When a file cannot be read or holds something else.
pub fn trusted_keys(files: &[impl AsRef<Path>]) -> Result<Trust, String> {
    files.iter().map(|file| public_key(file.as_ref())).collect::<Result<_, _>>().map(Trust::in_keys)
}

fn public_key(file: &Path) -> Result<PublicKey, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the trusted key {}: {why}", file.display());
    let der = SubjectPublicKeyInfoDer::from_pem_file(file).map_err(|error| wrong(&error))?;
    let key = der.strip_prefix(&PUBLIC[..]).and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.map(PublicKey::from_raw).ok_or_else(|| {
        wrong(&"not an Ed25519 public key; `sluicegate keygen` writes one beside the private key")
    })
}

/// Writes both halves of the key that grows from `seed`: the private one to `file`, which only its owner may read,
/// the public one beside it with the ending `.pub`. Existing files stay as they are.
///
/// # Errors
/// When one of them exists or cannot be written.
pub fn write_keys(file: &Path, seed: &[u8; 32]) -> io::Result<PublicKey> {
    let key = SigningKey::from_seed(seed).map_err(io::Error::other)?.public();
    let private = pem("PRIVATE KEY", &[&PRIVATE[..], seed].concat());
    let public = pem("PUBLIC KEY", &[&PUBLIC[..], key.raw()].concat());
    create(file, 0o600, &private)?;
    create(&public_file(file), 0o644, &public)?;
    Ok(key)
}

/// Where the public half of the key in `file` is.
#[must_use]
pub fn public_file(file: &Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn create(file: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What `openssl genpkey -algorithm ed25519` wrote, and `openssl pkey -pubout` of it: RFC 8410, section 10.
    const OPENSSL: [&str; 2] = [
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    ];

    #[test]
    fn keys_are_written_once_for_their_owner_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.pem");
        let key = write_keys(&file, &[7; 32]).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(signing_key(&file).unwrap().public(), key);
        assert_eq!(trusted_keys(&[public_file(&file)]), Ok(Trust::in_keys(vec![key])));
        assert_eq!(write_keys(&file, &[8; 32]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(signing_key(&file).unwrap().public(), key, "the key is still there");
    }

    #[test]
    fn keys_of_openssl_are_read_and_halves_are_not_mistaken_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let [private, public] = ["private.pem", "public.pem"].map(|name| folder.path().join(name));
        std::fs::write(&private, OPENSSL[0]).unwrap();
        std::fs::write(&public, OPENSSL[1]).unwrap();
        let key = signing_key(&private).unwrap().public();
        assert_eq!(trusted_keys(&[&public]), Ok(Trust::in_keys(vec![key])));
        assert!(trusted_keys(&[&private]).unwrap_err().contains("private.pem"));
        assert!(signing_key(&public).is_err());
    }
}
