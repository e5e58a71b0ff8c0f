//! Numbers states give people: social security, tax and health numbers with their check digits. It owns the published
//! checks; it refuses numbers without a check unless the text has just named them.

use super::cursor::{Cursor, Digits, is_word};

/// The length of a United States social security number: areas 000, 666 and 900 up are never given (SSA).
pub(super) fn us_ssn(cursor: &Cursor<'_>, named: bool) -> Option<usize> {
    let digits = cursor.laid_out(0, "ddd-dd-dddd").or_else(|| {
        named.then(|| cursor.laid_out(0, "ddd dd dddd").or_else(|| cursor.laid_out(0, "ddddddddd")))?
    })?;
    let area = digits.number(0, 3);
    let given = !matches!(area, 0 | 666 | 900..) && digits.number(3, 2) != 0 && digits.number(5, 4) != 0;
    given.then_some(digits.end)
}

/// The length of a German tax identification number (Steuer-ID): no leading nought, one digit of the first ten twice
/// or thrice and the others at most once, and the check digit of ISO 7064 mod 11,10.
pub(super) fn german_tax_id(cursor: &Cursor<'_>) -> Option<usize> {
    let digits = either(cursor, &["ddddddddddd", "dd ddd ddd ddd"])?;
    let values = digits.values();
    let (first, check) = values.split_at_checked(10)?;
    if first.first() == Some(&0) {
        return None;
    }
    let mut seen = [0_u8; 10];
    for &digit in first {
        *seen.get_mut(usize::from(digit))? += 1;
    }
    let repeated = seen.iter().filter(|&&times| times > 1).count();
    if repeated != 1 || seen.iter().any(|&times| times > 3) {
        return None;
    }
    let product = first.iter().fold(10_u32, |product, &digit| {
        let sum = (u32::from(digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let wanted = (11 - product) % 10;
    (check.first().map(|&digit| u32::from(digit)) == Some(wanted)).then_some(digits.end)
}

/// The length of a United Kingdom national insurance number (HMRC's NIM39110: prefixes not given out).
pub(super) fn uk_nino(cursor: &Cursor<'_>) -> Option<usize> {
    let (first, second) = (cursor.at(0)?, cursor.at(1)?);
    let letter =
        |byte: u8| byte.is_ascii_uppercase() && !matches!(byte, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V');
    if !letter(first) || !letter(second) || second == b'O' {
        return None;
    }
    if matches!(&[first, second], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ") {
        return None;
    }
    let spaced = usize::from(cursor.at(2)? == b' ');
    let mut at = 2;
    for _ in 0..3 {
        cursor.at(at).filter(|byte| spaced == 0 || *byte == b' ')?;
        at += spaced;
        if cursor.run(at, 2, |byte| byte.is_ascii_digit()) != 2 {
            return None;
        }
        at += 2;
    }
    cursor.at(at).filter(|byte| spaced == 0 || *byte == b' ')?;
    at += spaced;
    cursor.at(at).filter(|byte| matches!(byte, b'A'..=b'D'))?;
    (!cursor.at(at + 1).is_some_and(is_word)).then_some(at + 1)
}

/// The length of an NHS number, mod 11, where the text has named it: the check alone passes one number in eleven.
pub(super) fn uk_nhs(cursor: &Cursor<'_>, named: bool) -> Option<usize> {
    let digits = named.then(|| either(cursor, &["dddddddddd", "ddd?ddd?dddd"]))??;
    let sum: u32 =
        digits.values().iter().zip((2..=10).rev()).map(|(&digit, weight)| u32::from(digit) * weight).sum();
    let check = (11 - sum % 11) % 11;
    (check != 10 && digits.number(9, 1) == u64::from(check) && !digits.all_same()).then_some(digits.end)
}

/// The length of a French registration number (NIR) with its key, 97 less the number mod 97; Corsica counts as
/// departments 19 and 18 (INSEE).
pub(super) fn french_nir(cursor: &Cursor<'_>) -> Option<usize> {
    let mut digits = Digits::default();
    let mut at = 0;
    let spaced = cursor.at(1)? == b' ';
    for place in 0..15 {
        if spaced && matches!(place, 1 | 3 | 5 | 7 | 10 | 13) {
            cursor.at(at).filter(|byte| *byte == b' ')?;
            at += 1;
        }
        let byte = cursor.at(at)?;
        match (place, byte, digits.number(5, 1)) {
            (6, b'A', 2) => digits.corsica(9)?,
            (6, b'B', 2) => digits.corsica(8)?,
            _ => digits.add(byte)?,
        }
        at += 1;
    }
    let month = digits.number(3, 2);
    let plausible = matches!(digits.number(0, 1), 1 | 2)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && digits.number(5, 2) != 0;
    let key = 97 - digits.number(0, 13) % 97;
    (plausible && key == digits.number(13, 2) && cursor.ends(at)).then_some(at)
}

impl Digits {
    /// Turns the department 2A or 2B, whose 2 is the last digit, into 19 or 18.
    fn corsica(&mut self, second: u8) -> Option<()> {
        let values = *self;
        let kept = values.values().split_last()?.1;
        *self = Self::default();
        for digit in kept {
            self.add(digit + b'0')?;
        }
        self.add(b'1')?;
        self.add(second + b'0')
    }
}

/// The length of a Spanish DNI (eight digits) or NIE (X, Y or Z and seven) with its letter (Interior ministry).
pub(super) fn spanish_dni(cursor: &Cursor<'_>) -> Option<usize> {
    let first = cursor.at(0)?;
    let head = match first {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        b'0'..=b'9' => u32::from(first - b'0'),
        _ => return None,
    };
    if cursor.run(1, 7, |byte| byte.is_ascii_digit()) != 7 {
        return None;
    }
    let number = cursor.bytes(1, 8).iter().fold(head, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    let at = if cursor.at(8)? == b'-' { 9 } else { 8 };
    let letter = b"TRWAGMYFPDXBNJZSQVHLCKE".get(usize::try_from(number % 23).ok()?)?;
    (cursor.at(at)? == *letter && !cursor.at(at + 1).is_some_and(is_word)).then_some(at + 1)
}

/// The length of a Brazilian CPF: written `ddd.ddd.ddd-dd`, or bare where the text has named it (Receita Federal).
pub(super) fn brazilian_cpf(cursor: &Cursor<'_>, named: bool) -> Option<usize> {
    let digits = cursor
        .laid_out(0, "ddd.ddd.ddd-dd")
        .or_else(|| named.then(|| cursor.laid_out(0, "ddddddddddd"))?)?;
    let values = digits.values();
    let check = |count: usize| {
        let weights = (2..=count + 1).rev();
        let sum: usize = values.iter().zip(weights).map(|(&digit, weight)| usize::from(digit) * weight).sum();
        sum * 10 % 11 % 10
    };
    let right = |count: usize| values.get(count).map(|&digit| usize::from(digit)) == Some(check(count));
    (!digits.all_same() && right(9) && right(10)).then_some(digits.end)
}

fn either(cursor: &Cursor<'_>, patterns: &[&str]) -> Option<Digits> {
    patterns.iter().find_map(|pattern| cursor.laid_out(0, pattern))
}
