//! One pass over text, whole or in pieces: at each place where something may begin it asks the matchers, in a fixed
//! order, and goes on behind what they find. It owns that order; it refuses to look back.

use super::cursor::Cursor;
use super::gate::Gate;
use super::keyword::{self, REACH, TOPICS, Topic};
use super::long::{self, Class, Pem, Tail};
use super::token::{self, SHAPES, Shape};
use super::{Kind, Leak, card, contact, iban, identity};

/// Looks for some kinds of leak. Building one fills a table; using it allocates only for what it finds.
#[derive(Debug)]
pub struct Detector {
    kinds: u64,
    shapes: Vec<&'static Shape>,
    /// For each byte, where in `shapes` those beginning with it stand.
    by_first: Vec<(usize, usize)>,
    gate: Gate,
}

/// What a scan carries from byte to byte.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Bytes of the text before what is shown next.
    pub(super) offset: usize,
    before: Option<u8>,
    /// Where each topic was last named, counted from one.
    topics: [usize; TOPICS],
    open: Option<Open>,
}

#[derive(Debug, Clone)]
struct Open {
    kind: Kind,
    start: usize,
    tail: Tail,
}

/// Who is told what a scan sees.
pub(super) trait Sink {
    /// Text that is no leak.
    fn pass(&mut self, text: &str);
    /// A leak begins.
    fn begins(&mut self, kind: Kind);
    /// A leak has been seen to its end.
    fn found(&mut self, leak: Leak);
}

/// A leak at some place: which bytes from there it covers, and what may follow them.
struct Hit {
    kind: Kind,
    start: usize,
    end: usize,
    tail: Option<Tail>,
}

impl Hit {
    fn whole(kind: Kind, end: usize) -> Self {
        Self { kind, start: 0, end, tail: None }
    }
}

enum Answer {
    Nothing,
    Hit(Hit),
    /// It cannot be told before more comes.
    Wait,
}

impl Detector {
    /// A detector of `kinds`.
    pub fn new(kinds: &[Kind]) -> Self {
        let kinds = kinds.iter().fold(0, |set, kind| set | kind.bit());
        let mut shapes: Vec<_> = SHAPES.iter().filter(|shape| kinds & shape.kind.bit() != 0).collect();
        shapes.sort_by_key(|shape| shape.prefix.bytes().next());
        let place = |byte: u8| {
            let first = |shape: &&Shape| shape.prefix.bytes().next();
            let start = shapes.partition_point(|shape| first(shape) < Some(byte));
            (start, shapes.partition_point(|shape| first(shape) <= Some(byte)))
        };
        let by_first = (0..=u8::MAX).map(place).collect();
        let gate = Gate::new(kinds, &shapes);
        Self { kinds, shapes, by_first, gate }
    }

    /// Everything found in `text`, in order; no two overlap.
    pub fn find(&self, text: &str) -> Vec<Leak> {
        let mut found = Found(Vec::new());
        self.run(&mut State::default(), text, true, &mut found);
        found.0
    }

    /// `text` with each leak replaced by its label; none where there is none.
    pub fn mask(&self, text: &str) -> Option<String> {
        let leaks = self.find(text);
        if leaks.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for leak in leaks {
            masked.push_str(text.get(at..leak.range.start).unwrap_or_default());
            masked.push_str(leak.kind.label());
            at = leak.range.end;
        }
        masked.push_str(text.get(at..).unwrap_or_default());
        Some(masked)
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Reads `text` as far as it can be decided, and says how far that is; all of it if it is the `last`.
    pub(super) fn run(&self, state: &mut State, text: &str, last: bool, sink: &mut impl Sink) -> usize {
        let bytes = text.as_bytes();
        let mut at = state.go_on(bytes, 0, last, sink);
        let mut clean = at;
        let mut mail = 0;
        while let (None, Some(&byte)) = (&state.open, bytes.get(at)) {
            if !self.gate.lets(bytes, at, state.before, &mut mail) {
                state.before = Some(byte);
                at += 1;
                continue;
            }
            match self.decide(state, bytes.get(at..).unwrap_or_default(), at, last) {
                Answer::Nothing => {
                    state.before = Some(byte);
                    at += 1;
                }
                Answer::Wait => break,
                Answer::Hit(hit) => {
                    sink.pass(text.get(clean..at + hit.start).unwrap_or_default());
                    sink.begins(hit.kind);
                    let range = state.offset + at + hit.start..state.offset + at + hit.end;
                    at += hit.end;
                    state.before = bytes.get(..at).and_then(<[u8]>::last).copied();
                    match hit.tail {
                        None => sink.found(Leak { kind: hit.kind, range }),
                        Some(tail) => {
                            state.open = Some(Open { kind: hit.kind, start: range.start, tail });
                            at = state.go_on(bytes, at, last, sink);
                        }
                    }
                    clean = at;
                }
            }
        }
        sink.pass(text.get(clean..at).unwrap_or_default());
        state.offset += at;
        at
    }

    fn decide(&self, state: &mut State, rest: &[u8], at: usize, last: bool) -> Answer {
        let cursor = Cursor::new(rest, state.before, last);
        let place = state.offset + at;
        let hit = match cursor.at(0) {
            Some(b'0'..=b'9') => self.at_digit(&cursor, state, place),
            Some(byte) if byte.is_ascii_alphabetic() => self.at_letter(&cursor, byte),
            Some(b'+') => self.first(&cursor, &[(Kind::Phone, contact::phone)]),
            Some(b'-') => self.pem(&cursor),
            Some(b':') => self.value(&cursor, Kind::UrlPassword, contact::url_password),
            _ => None,
        };
        if cursor.starved() {
            return Answer::Wait;
        }
        let topic = if self.kinds & NAMED != 0 { keyword::topic(&cursor) } else { None };
        if cursor.starved() {
            return Answer::Wait;
        }
        if let Some(slot) = topic.and_then(|topic| state.topics.get_mut(topic as usize)) {
            *slot = place + 1;
        }
        hit.map_or(Answer::Nothing, Answer::Hit)
    }

    fn at_digit(&self, cursor: &Cursor<'_>, state: &State, place: usize) -> Option<Hit> {
        let number = cursor.begins_number().then(|| self.number(cursor, state, place)).flatten();
        number.or_else(|| {
            self.first(
                cursor,
                &[
                    (Kind::SpanishDni, identity::spanish_dni),
                    (Kind::TelegramToken, token::telegram),
                    (Kind::PrivateIpv4, contact::private_ipv4),
                    (Kind::Email, contact::email),
                ],
            )
        })
    }

    fn number(&self, cursor: &Cursor<'_>, state: &State, place: usize) -> Option<Hit> {
        let named = |topic: Topic| {
            let marked = state.topics.get(topic as usize).copied().unwrap_or_default();
            marked > 0 && place - (marked - 1) <= REACH
        };
        let read = |kind: Kind, matcher: fn(&Cursor<'_>, bool) -> Option<usize>, topic: Topic| {
            let end = self.wants(kind).then(|| matcher(cursor, named(topic))).flatten()?;
            Some(Hit::whole(kind, end))
        };
        read(Kind::Card, card::card, Topic::Card)
            .or_else(|| self.first(cursor, &[(Kind::FrenchNir, identity::french_nir)]))
            .or_else(|| read(Kind::BrazilianCpf, identity::brazilian_cpf, Topic::Cpf))
            .or_else(|| self.first(cursor, &[(Kind::GermanTaxId, identity::german_tax_id)]))
            .or_else(|| read(Kind::UsSsn, identity::us_ssn, Topic::Ssn))
            .or_else(|| read(Kind::UkNhs, identity::uk_nhs, Topic::Nhs))
    }

    fn at_letter(&self, cursor: &Cursor<'_>, byte: u8) -> Option<Hit> {
        let (start, end) = self.by_first.get(usize::from(byte)).copied().unwrap_or_default();
        let shaped = self.shapes.get(start..end).unwrap_or_default().iter().find_map(|shape| {
            let (end, tail) = shape.read(cursor)?;
            Some(Hit { kind: shape.kind, start: 0, end, tail })
        });
        shaped
            .or_else(|| match byte.to_ascii_lowercase() {
                b'e' => self.jwt(cursor),
                b'a' => self
                    .value(cursor, Kind::AwsSecretKey, keyword::aws_secret)
                    .or_else(|| self.value(cursor, Kind::AzureStorageKey, keyword::azure_key))
                    .or_else(|| self.named(cursor, Kind::Password, Class::Value, keyword::password)),
                b's' => self
                    .value(cursor, Kind::AwsSecretKey, keyword::aws_secret)
                    .or_else(|| self.value(cursor, Kind::AzureSas, keyword::azure_sas))
                    .or_else(|| self.named(cursor, Kind::Password, Class::Value, keyword::password)),
                b'p' => self
                    .value(cursor, Kind::GcpServiceAccount, keyword::service_account)
                    .or_else(|| self.named(cursor, Kind::Password, Class::Value, keyword::password)),
                b'b' => self.named(cursor, Kind::Bearer, Class::Bearer, keyword::bearer),
                _ => None,
            })
            .or_else(|| {
                self.first(
                    cursor,
                    &[
                        (Kind::Iban, iban::iban),
                        (Kind::UkNino, identity::uk_nino),
                        (Kind::SpanishDni, identity::spanish_dni),
                        (Kind::Email, contact::email),
                    ],
                )
            })
    }

    /// The first of the wanted kinds whose matcher finds a length.
    fn first(&self, cursor: &Cursor<'_>, matchers: &[(Kind, Matcher)]) -> Option<Hit> {
        let mut wanted = matchers.iter().filter(|(kind, _)| self.wants(*kind));
        wanted.find_map(|(kind, matcher)| Some(Hit::whole(*kind, matcher(cursor)?)))
    }

    /// A value that stands some way behind its name.
    fn value(&self, cursor: &Cursor<'_>, kind: Kind, matcher: Ranged) -> Option<Hit> {
        let (start, end) = self.wants(kind).then(|| matcher(cursor)).flatten()?;
        Some(Hit { kind, start, end, tail: None })
    }

    /// As [`Self::value`], of any length.
    fn named(&self, cursor: &Cursor<'_>, kind: Kind, class: Class, matcher: Ranged) -> Option<Hit> {
        Some(Hit { tail: Some(Tail::Run(class)), ..self.value(cursor, kind, matcher)? })
    }

    fn jwt(&self, cursor: &Cursor<'_>) -> Option<Hit> {
        let end = self.wants(Kind::Jwt).then(|| long::jwt(cursor)).flatten()?;
        Some(Hit { kind: Kind::Jwt, start: 0, end, tail: Some(Tail::Jwt(1)) })
    }

    fn pem(&self, cursor: &Cursor<'_>) -> Option<Hit> {
        let end = self.wants(Kind::PrivateKey).then(|| long::pem(cursor)).flatten()?;
        Some(Hit { kind: Kind::PrivateKey, start: 0, end, tail: Some(Tail::Pem(Pem::default())) })
    }
}

type Matcher = fn(&Cursor<'_>) -> Option<usize>;
type Ranged = fn(&Cursor<'_>) -> Option<(usize, usize)>;

/// The kinds a topic bears on.
const NAMED: u64 = Kind::Card.bit() | Kind::UsSsn.bit() | Kind::UkNhs.bit() | Kind::BrazilianCpf.bit();

impl State {
    /// Lets the rest of an open leak go, from `at` on; says where it stopped.
    fn go_on(&mut self, bytes: &[u8], at: usize, last: bool, sink: &mut impl Sink) -> usize {
        let Some(open) = &mut self.open else { return at };
        let (taken, ended) = open.tail.take(bytes.get(at..).unwrap_or_default(), last);
        let end = at + taken;
        if taken > 0 {
            self.before = bytes.get(..end).and_then(<[u8]>::last).copied();
        }
        if ended {
            sink.found(Leak { kind: open.kind, range: open.start..self.offset + end });
            self.open = None;
        }
        end
    }
}

struct Found(Vec<Leak>);

impl Sink for Found {
    fn pass(&mut self, _: &str) {}

    fn begins(&mut self, _: Kind) {}

    fn found(&mut self, leak: Leak) {
        self.0.push(leak);
    }
}
