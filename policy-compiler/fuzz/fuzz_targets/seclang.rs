//! Rule files of any bytes compile, or every fault has a file and a place in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};

/// One file; whatever it includes is itself, or is not there.
struct One<'b>(&'b [u8]);

impl RuleFiles for One<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == "rules.conf" { Ok(self.0.to_vec()) } else { Err("no such file".to_owned()) }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        Ok(vec![pattern.to_owned()])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let entry = Entry { setup: Vec::new(), rules: vec!["rules.conf".to_owned()] };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for unevaluated in [false, true] {
        let settings = Settings { unevaluated, ..Settings::default() };
        if let Err(faults) = load(&One(bytes), &entry, &settings) {
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|fault| !fault.what.is_empty() && fault.line as usize <= lines));
        }
    }
});
