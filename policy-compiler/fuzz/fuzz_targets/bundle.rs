//! Any bytes are a bundle or are refused by name. The second half of the targets' inputs is sealed first, so that
//! the sections behind the digest are reached.
#![no_main]

use rule_table::{Bundle, Digest, RouteTable};

/// How a bundle begins up to its digest, as `rule_table::bundle` tells.
const BEGINNING: &[u8] = b"sluicegate-bundle\0\x02\0";

fn load(bytes: &[u8]) {
    match Bundle::from_bytes(bytes) {
        // What loads can be followed and indexed.
        Ok(bundle) => {
            assert_eq!(bundle.policy().check_references(), Ok(()));
            let _ = RouteTable::build(bundle.policy());
            let again = Bundle::from_bytes(&bundle.to_bytes()).map(Bundle::into_policy);
            assert_eq!(again.as_ref(), Ok(bundle.policy()));
        }
        Err(error) => assert!(!error.name().is_empty() && !error.to_string().is_empty()),
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if *kind < 128 {
        return load(bytes);
    }
    let mut sealed = BEGINNING.to_vec();
    sealed.extend_from_slice(Digest::of(bytes).raw());
    sealed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    sealed.push(0);
    sealed.extend_from_slice(bytes);
    load(&sealed);
});
