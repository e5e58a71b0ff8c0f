//! Frames of a WebSocket (RFC 6455, section 5). It owns their bytes; it refuses extensions, and frames of a
//! client that are not masked.

/// Longest payload of a frame, in bytes.
const LONGEST: u64 = 1 << 20;

const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// Codes of a close (RFC 6455, section 7.4.1).
const PROTOCOL_ERROR: u16 = 1_002;
const TOO_BIG: u16 = 1_009;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) is_final: bool,
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// A farewell with its code.
    pub(super) fn close(code: u16) -> Self {
        Self { is_final: true, opcode: CLOSE, payload: code.to_be_bytes().to_vec() }
    }

    pub(super) const fn is_close(&self) -> bool {
        self.opcode == CLOSE
    }
}

/// Takes a client's frame off the front of what was heard; `None` until it is whole. An error is the code
/// to close with.
pub(super) fn parse(heard: &mut Vec<u8>) -> Result<Option<Frame>, u16> {
    let (Some(first), Some(second)) = (heard.first().copied(), heard.get(1).copied()) else {
        return Ok(None);
    };
    let (opcode, is_final) = (first & 0x0F, first & 0x80 != 0);
    let is_control = opcode >= CLOSE;
    let short = u64::from(second & 0x7F);
    let is_known = matches!(opcode, 0..=2 | 8..=10);
    if first & 0x70 != 0 || second & 0x80 == 0 || !is_known || (is_control && (short > 125 || !is_final)) {
        return Err(PROTOCOL_ERROR);
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(length_bytes) = heard.get(2..2 + extended) else { return Ok(None) };
    let length = match extended {
        0 => short,
        _ => length_bytes.iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte)),
    };
    if length > LONGEST {
        return Err(TOO_BIG);
    }
    let start = 2 + extended + 4;
    let end = start + usize::try_from(length).unwrap_or(usize::MAX >> 1);
    let (Some(mask), Some(masked)) = (heard.get(start - 4..start), heard.get(start..end)) else {
        return Ok(None);
    };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    heard.drain(..end);
    Ok(Some(Frame { is_final, opcode, payload }))
}

/// A server's frame as bytes.
pub(super) fn write(frame: &Frame) -> Vec<u8> {
    let mut bytes = vec![frame.opcode | if frame.is_final { 0x80 } else { 0 }];
    match frame.payload.len() {
        length @ 0..126 => bytes.push(length as u8),
        length @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(&frame.payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A server's frame as a client would send it.
    fn masked(frame: &Frame, mask: [u8; 4]) -> Vec<u8> {
        let mut bytes = write(frame);
        let start = bytes.len() - frame.payload.len();
        bytes[1] |= 0x80;
        let payload: Vec<u8> = frame.payload.iter().zip(mask.iter().cycle()).map(|(b, k)| b ^ k).collect();
        bytes.truncate(start);
        bytes.extend(mask);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn what_breaks_the_protocol_is_told_by_its_code() {
        assert_eq!(parse(&mut vec![0x81, 0x01, b'x']), Err(PROTOCOL_ERROR), "not masked");
        assert_eq!(parse(&mut vec![0xC1, 0x81]), Err(PROTOCOL_ERROR), "an extension");
        assert_eq!(parse(&mut vec![0x83, 0x81]), Err(PROTOCOL_ERROR), "an opcode nobody knows");
        assert_eq!(parse(&mut vec![0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0]), Err(TOO_BIG));
        assert_eq!(parse(&mut vec![0x81]), Ok(None));
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_sent(payload in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), Just(vec![7; 70_000])], mask: [u8; 4], cut in 0_usize..20) {
            let frame = Frame { is_final: true, opcode: 2, payload };
            let mut bytes = masked(&frame, mask);
            let rest = bytes.split_off(cut.min(bytes.len() - 1));
            prop_assert_eq!(parse(&mut bytes), Ok(None));
            bytes.extend(rest);
            prop_assert_eq!(parse(&mut bytes), Ok(Some(frame)));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes: Vec<u8>) {
            let _ = parse(&mut bytes);
        }
    }
}
