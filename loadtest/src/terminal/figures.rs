//! Numbers as people read them. It owns rounding and units; it refuses to drop a unit.

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `0.31 ms`, `312 ms`, `1.02 s`, `17.3 s`; a dash when nothing was measured.
pub(crate) fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(s) if s < 0.01 => format!("{:.2} ms", s * 1e3),
        Some(s) if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        Some(s) if s < 9.995 => format!("{s:.2} s"),
        Some(s) => format!("{s:.1} s"),
    }
}

/// `95.8 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

/// `$1.25`, `$0.0031`: two digits, or four when there would be nothing to see.
pub(crate) fn money(usd: f64) -> String {
    if usd == 0.0 || usd >= 0.01 { format!("${usd:.2}") } else { format!("${usd:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_carry_their_units() {
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!(seconds(Some(0.000_31)), "0.31 ms");
        assert_eq!(seconds(Some(0.3124)), "312 ms");
        assert_eq!(seconds(Some(0.9996)), "1.00 s");
        assert_eq!(seconds(Some(17.26)), "17.3 s");
        assert_eq!(seconds(None), "–");
        assert_eq!(
            (money(1.254), money(0.003_12), money(0.0)),
            ("$1.25".into(), "$0.0031".into(), "$0.00".into())
        );
        assert_eq!(percent(0.9584), "95.8 %");
    }
}
