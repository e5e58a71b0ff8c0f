//! `normalisePath` and its Windows form: no empty steps, no `.`, and `..` takes the step before it.

/// Backslashes count as slashes on Windows. A path that begins without a slash may begin with `..`.
pub(super) fn normalise(value: &[u8], windows: bool) -> Vec<u8> {
    let converted: Vec<u8> =
        value.iter().map(|byte| if windows && *byte == b'\\' { b'/' } else { *byte }).collect();
    let absolute = converted.first() == Some(&b'/');
    let closed = converted.last() == Some(&b'/');
    let mut steps: Vec<&[u8]> = Vec::new();
    for step in converted.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." => match steps.last() {
                Some(last) if *last != b".." => {
                    steps.pop();
                }
                _ if absolute => {}
                _ => steps.push(step),
            },
            other => steps.push(other),
        }
    }
    if steps.is_empty() {
        return if absolute && closed { b"/".to_vec() } else { Vec::new() };
    }
    let mut made = Vec::with_capacity(converted.len());
    if absolute {
        made.push(b'/');
    }
    made.extend(steps.join(&b'/'));
    if closed {
        made.push(b'/');
    }
    made
}
