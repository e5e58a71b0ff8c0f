//! Transformations say that nothing changed exactly when nothing did, and grow a value no more than sixfold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::program::Transformation;
use waf::transform::{apply, touches};

fuzz_target!(|bytes: &[u8]| {
    for transformation in Transformation::ALL {
        let made = apply(*transformation, bytes, &[(0x2215, b'/')]);
        let touches = touches(*transformation);
        if !bytes.iter().any(|byte| touches.has(*byte)) && !touches.always {
            assert!(made.is_none());
        }
        if let Some(made) = made {
            assert!(made != bytes && made.len() <= bytes.len() * 6 + 40);
        }
    }
});
