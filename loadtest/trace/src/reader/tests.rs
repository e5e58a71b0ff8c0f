use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn entries(text: &str) -> Vec<Result<Entry, String>> {
    match read(Path::new("trace.csv"), Cursor::new(text.as_bytes().to_vec()), None) {
        Ok(reader) => reader.map(|entry| entry.map_err(|error| error.to_string())).collect(),
        Err(error) => vec![Err(error.to_string())],
    }
}

fn good(text: &str) -> Vec<Entry> {
    entries(text).into_iter().map(Result::unwrap).collect()
}

fn entry(ms: u64, prompt_tokens: u64, output_tokens: u64) -> Entry {
    Entry { at: Duration::from_millis(ms), prompt_tokens, output_tokens, ..Entry::default() }
}

#[test]
fn azure_timestamps_become_times_since_the_first() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
                2023-11-16 18:15:46.6805900,374,44\r\n\
                2023-11-16 18:15:50.9805900,396,109\r\n";
    assert_eq!(good(text), [entry(0, 374, 44), entry(4_300, 396, 109)]);
}

#[test]
fn our_own_csv_may_carry_block_ids() {
    let text = "t_s,prompt_tokens,output_tokens,block_ids_512\n0.5,10,1,7 8 9\n1.5,20,2,\n";
    let read = good(text);
    assert_eq!(read[0], Entry { prefix_ids: vec![7, 8, 9], ..entry(0, 10, 1) });
    assert_eq!(read[1], entry(1_000, 20, 2));
}

#[test]
fn burstgpt_keeps_failures_and_sessions() {
    let text = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                5,12,0.3,ChatGPT,472,18,490,Conversation log\n45,,0.1,GPT-4,1087,0,1087,API log\n";
    let read = good(text);
    let first =
        Entry { model: Some("ChatGPT".to_owned()), consumer: Some("12".to_owned()), ..entry(0, 472, 18) };
    assert_eq!(read[0], first);
    assert_eq!((read[1].consumer.as_deref(), read[1].output_tokens), (None, 0));

    let without_sessions =
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,M,1,2,3,x\n";
    assert_eq!(good(without_sessions)[0].model.as_deref(), Some("M"));
}

#[test]
fn mooncake_lines_carry_their_hashes() {
    let text = concat!(
        r#"{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}"#,
        "\n",
        r#"{"timestamp": 27535, "input_length": 6472, "output_length": 26, "hash_ids": []}"#,
        "\n"
    );
    let read = good(text);
    assert_eq!(read[0], Entry { prefix_ids: vec![46, 47], ..entry(0, 6_955, 52) });
    assert_eq!(read[1].at, Duration::from_millis(53));
}

fn log_line(arrival_ms: u64, rest: &str) -> String {
    format!(
        r#"{{"v":1,"arrival_ms":{arrival_ms},"request_id":"r","method":"POST","stream":true,"status":200,"duration_ms":1.0,"overhead_us":9,"cost_nanos":0,"bundle":"sha256:0"{rest}}}"#
    ) + "\n"
}

const COUNTED: &str =
    r#","operation":"chat","model":"m","consumer":"c","prefix_ids":[5],"usage":{"input":10,"output":3}"#;

#[test]
fn an_access_log_is_put_in_order_and_lines_without_tokens_are_passed_over() {
    let text = [log_line(2_000, COUNTED), log_line(1_000, COUNTED), log_line(1_500, "")].concat();
    let mut reader = read(Path::new("log"), Cursor::new(text), None).unwrap();
    let read: Vec<Entry> = reader.by_ref().map(Result::unwrap).collect();
    let expected = Entry {
        prefix_ids: vec![5],
        model: Some("m".to_owned()),
        consumer: Some("c".to_owned()),
        stream: Some(true),
        ..entry(0, 10, 3)
    };
    assert_eq!(read, [expected.clone(), Entry { at: Duration::from_secs(1), ..expected }]);
    assert_eq!((reader.passed_over(), reader.format()), (1, Format::AccessLog));
}

#[test]
fn an_error_names_file_line_column_what_and_fix() {
    let header = "t_s,prompt_tokens,output_tokens\n0.5,10,1\n";
    for (text, expected) in [
        (
            format!("{header}1.0,ten,1\n"),
            "trace.csv:3: column `prompt_tokens`: `ten` is not a whole number of tokens such as `374`; write a whole number of tokens such as `374`",
        ),
        (
            format!("{header}1.0,10\n"),
            "trace.csv:3: column `output_tokens`: the line has only 2 of at least 3 fields; a line needs as many fields as the header",
        ),
        (
            format!("{header}-1,10,1\n"),
            "trace.csv:3: column `t_s`: `-1` is not a number of seconds such as `12.5`; write a number of seconds such as `12.5`",
        ),
        (
            "t_s,prompt_tokens\n".to_owned(),
            "trace.csv:1: column `output_tokens`: the header does not name it; the first line must name the columns of the format",
        ),
        (
            "who,knows\n".to_owned(),
            "trace.csv: the format is not one of azure, plain, burstgpt, mooncake, access-log; name it with --format, or give the file the header of one of them",
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16,1,1\n".to_owned(),
            "trace.csv:2: column `TIMESTAMP`: `2023-11-16` is not a timestamp such as `2023-11-16 18:15:46.6805900`; write a timestamp such as `2023-11-16 18:15:46.6805900`",
        ),
        (
            log_line(1, COUNTED) + &log_line(2, "").replace(r#""v":1"#, r#""v":2"#),
            "trace.csv:2: column `v`: version 2 is not the one this program reads; use a log of version 1",
        ),
    ] {
        let errors: Vec<String> = entries(&text).into_iter().filter_map(Result::err).collect();
        assert_eq!(errors, [expected]);
    }
}

#[test]
fn json_that_lacks_a_field_is_told_by_its_name() {
    let text = r#"{"timestamp": 1, "input_length": 5}"#;
    let errors = entries(text);
    let error = errors[0].as_ref().unwrap_err();
    assert!(
        error.starts_with("trace.csv:1: column `output_length`: missing field `output_length`; a line"),
        "{error}"
    );
}

#[test]
fn reading_goes_on_after_a_wrong_line() {
    let text = "t_s,prompt_tokens,output_tokens\n1,10,1\nx,y,z\n\n2,20,2\n";
    let read = entries(text);
    assert_eq!(read.iter().filter(|entry| entry.is_ok()).count(), 2);
    assert_eq!(read.iter().filter(|entry| entry.is_err()).count(), 1);
}

#[test]
fn an_arrival_beyond_the_reordering_is_an_error_and_memory_stays_bounded() {
    let mut text = "t_s,prompt_tokens,output_tokens\n".to_owned();
    for i in 0..=REORDERED {
        text += &format!("{}.0,1,1\n", i + 10);
    }
    text += "1.0,1,1\n";
    let mut reader = read(Path::new("t"), Cursor::new(text), None).unwrap();
    let errors: Vec<String> =
        reader.by_ref().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains(&format!("t:{}", REORDERED + 3)), "{}", errors[0]);
    assert!(reader.held.capacity() <= REORDERED * 2);
}

#[test]
fn a_line_without_end_is_refused_without_being_held() {
    let mut text = b"t_s,prompt_tokens,output_tokens\n".to_vec();
    text.extend(std::iter::repeat_n(b'1', LONGEST_LINE as usize + 10));
    text.extend(b"\n1,2,3\n");
    let reader = read(Path::new("t"), Cursor::new(text), None).unwrap();
    let all: Vec<_> = reader.collect();
    assert!(
        all[0]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("t:2: column `line`: the line is longer than 4 MiB")
    );
    assert_eq!(all[1].as_ref().unwrap().prompt_tokens, 2);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = open(Path::new("/nowhere/trace.csv"), None).err().unwrap().to_string();
    assert!(error.starts_with("/nowhere/trace.csv: cannot be read"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, format in 0_usize..6) {
        let format = Format::ALL.get(format).copied();
        if let Ok(reader) = read(Path::new("t"), Cursor::new(bytes), format) {
            let _ = reader.count();
        }
    }

    #[test]
    fn no_text_after_a_good_header_makes_it_panic(header in 0_usize..3, text in "[0-9a-zA-Z ,.:\"{}\\[\\]\n-]{0,300}") {
        let headers = [
            "TIMESTAMP,ContextTokens,GeneratedTokens\n",
            "t_s,prompt_tokens,output_tokens,block_ids_512\n",
            "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
        ];
        let _ = entries(&(headers[header].to_owned() + &text));
    }

    #[test]
    fn what_is_written_is_read_back(mut rows in proptest::collection::vec((0_u64..1_000_000, 0_u64..100_000, 0_u64..10_000), 1..50)) {
        rows.sort_by_key(|row| row.0);
        let mut text = "t_s,prompt_tokens,output_tokens\n".to_owned();
        for (ms, prompt, output) in &rows {
            text += &format!("{}.{:03},{prompt},{output}\n", ms / 1_000, ms % 1_000);
        }
        let first = rows[0].0;
        let expected: Vec<Entry> = rows.iter().map(|(ms, prompt, output)| entry(ms - first, *prompt, *output)).collect();
        prop_assert_eq!(good(&text), expected);
    }
}
