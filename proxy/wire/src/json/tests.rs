use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Reads a whole document into a tree, to be compared with another parser's.
fn tree(document: &[u8]) -> Result<Value, Fault> {
    let mut reader = Reader::new(document)?;
    let value = value(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

fn value(reader: &mut Reader<'_>) -> Result<Value, Fault> {
    Ok(match reader.peek()? {
        Kind::Object => {
            let mut members = Map::new();
            reader.begin_object()?;
            while let Some(key) = reader.next_key()? {
                members.insert(key.decode().into_owned(), value(reader)?);
            }
            Value::Object(members)
        }
        Kind::Array => {
            let mut elements = Vec::new();
            reader.begin_array()?;
            while reader.next_element()? {
                elements.push(value(reader)?);
            }
            Value::Array(elements)
        }
        Kind::String => Value::String(reader.string()?.decode().into_owned()),
        Kind::Number => serde_json::from_str(reader.number()?).unwrap_or(Value::from("out of range")),
        Kind::Bool => Value::Bool(reader.boolean()?),
        Kind::Null => {
            reader.null()?;
            Value::Null
        }
    })
}

fn fault(document: &str) -> (Problem, usize) {
    let fault = tree(document.as_bytes()).unwrap_err();
    (fault.problem, fault.offset)
}

#[test]
fn a_fault_names_the_first_byte_that_is_wrong() {
    assert_eq!(fault(""), (Problem::End, 0));
    assert_eq!(fault("{\"a\":1"), (Problem::End, 6));
    assert_eq!(fault("{\"a\" 1}"), (Problem::Expected("`:`"), 5));
    assert_eq!(fault("{\"a\":1,}"), (Problem::Expected("a key in double quotes"), 7));
    assert_eq!(fault("{,\"a\":1}"), (Problem::Expected("a key in double quotes"), 1));
    assert_eq!(fault("{'a':1}"), (Problem::Expected("a key in double quotes"), 1));
    assert_eq!(fault("[1 2]"), (Problem::Expected("`,` or `]`"), 3));
    assert_eq!(fault("[1,]"), (Problem::Expected("a value"), 3));
    assert_eq!(fault("[1}"), (Problem::Expected("`,` or `]`"), 2));
    assert_eq!(fault("{} {}"), (Problem::Trailing, 3));
    assert_eq!(fault("nul"), (Problem::Expected("`null`"), 0));
    assert_eq!(fault("\"abc"), (Problem::End, 4));
    assert_eq!(fault("\"a\nb\""), (Problem::Control, 2));
    assert_eq!(fault("\"a\\xb\""), (Problem::Escape, 2));
    assert_eq!(fault("NaN"), (Problem::Expected("a value"), 0));
    assert_eq!(fault("\u{feff}{}"), (Problem::Expected("a value"), 0));
}

#[test]
fn numbers_follow_the_grammar_to_the_letter() {
    for number in ["0", "-0", "10", "-1.5", "1e9", "1E+9", "1.25e-3"] {
        assert!(tree(number.as_bytes()).is_ok(), "{number}");
    }
    for number in ["01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "1_0", "--1"] {
        assert!(tree(number.as_bytes()).is_err(), "{number}");
    }
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    assert_eq!(tree(br#""\ud83d\ude00""#).unwrap(), json!("😀"));
    for half in
        [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\ud83dx""#, r#""\u12""#, r#""\u+123""#]
    {
        assert!(matches!(tree(half.as_bytes()), Err(Fault { problem: Problem::Escape, .. })), "{half}");
    }
}

#[test]
fn invalid_utf8_is_refused_wherever_it_stands() {
    for document in [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc0\xaf\":1}", b"\"\xed\xa0\x80\""] {
        assert_eq!(tree(document).unwrap_err().problem, Problem::Utf8);
    }
}

#[test]
fn nesting_is_read_to_128_levels_and_no_further() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(tree(nested(128).as_bytes()).is_ok());
    assert_eq!(fault(&nested(129)), (Problem::Depth, 128));
    let mut reader = Reader::new(b"[[],[],[]]").unwrap();
    assert_eq!(reader.skip().unwrap(), 0..10);
    // A million brackets end at the bound, not at the end of the stack.
    assert_eq!(fault(&"[".repeat(1_000_000)), (Problem::Depth, 128));
}

#[test]
fn debug_output_holds_no_content() {
    let mut reader = Reader::new(br#""my secret""#).unwrap();
    let text = reader.string().unwrap();
    assert!(!format!("{text:?}{:?}", text.pieces()).contains("secret"));
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_reads_as_another_parser_reads_it(document in documents(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
        prop_assert_eq!(tree(&text).unwrap(), document);
    }

    #[test]
    fn a_damaged_document_is_accepted_or_refused_as_another_parser_does(
        document in documents(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"{}[]\",:\\u0e-. \n\xff\x01tnd8"[..])), 1..4),
    ) {
        let mut text = serde_json::to_vec(&document).unwrap();
        for (place, byte) in damage {
            let place = place.index(text.len());
            text[place] = byte;
        }
        match (tree(&text), serde_json::from_slice::<Value>(&text)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Err(_), Err(_)) => {}
            // A number too large for a float is well-formed all the same.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().starts_with("number out of range"), "{}", error),
            (Err(fault), Ok(_)) => prop_assert!(false, "refused what is JSON: {}", fault),
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(document: Vec<u8>) {
        let fault = tree(&document).err();
        prop_assert!(fault.is_none_or(|fault| fault.offset <= document.len()));
    }
}
