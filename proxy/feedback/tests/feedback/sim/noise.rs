//! Common random numbers: every draw is a function of what it is for, so that two policies meet the same
//! luck.

/// Uniform in [0, 1) by (seed, request, backend, attempt, purpose).
pub(crate) fn uniform(key: [u64; 5]) -> f64 {
    const ODD: [u64; 5] = [
        0x9E37_79B9_7F4A_7C15,
        0xBF58_476D_1CE4_E5B9,
        0x94D0_49BB_1331_11EB,
        0xD6E8_FEB8_6659_FD93,
        0xA076_1D64_78BD_642F,
    ];
    let mut x = key.iter().zip(ODD).fold(0_u64, |sum, (k, odd)| sum.wrapping_add(k.wrapping_mul(odd)));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Standard normal (Box and Muller).
pub(crate) fn normal(mut key: [u64; 5]) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(key)).max(1e-12).ln()).sqrt();
    key[4] += 1_000;
    radius * (std::f64::consts::TAU * uniform(key)).cos()
}
