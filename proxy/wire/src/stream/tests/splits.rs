//! What holds for the streams of all APIs, however their bytes arrive.

use proptest::prelude::*;

use super::*;

const STREAMS: &[(Operation, &str)] = &[
    (Operation::Chat, chunks::OPENAI),
    (Operation::Chat, chunks::AZURE),
    (Operation::Chat, chunks::VLLM),
    (Operation::TextCompletion, chunks::TEXT),
    (Operation::Messages, messages::TOOL),
    (Operation::Messages, messages::SERVER_TOOL),
    (Operation::Responses, responses::TOOL),
    (Operation::Responses, responses::INCOMPLETE),
    (Operation::Responses, responses::FAILED),
];

#[test]
fn a_cut_at_any_byte_changes_neither_events_nor_counts() {
    for (operation, transcript) in STREAMS {
        let whole = run(*operation, false, &[transcript.as_bytes()]);
        for cut in 0..transcript.len() {
            let (before, after) = transcript.as_bytes().split_at(cut);
            assert_eq!(run(*operation, false, &[before, after]), whole);
        }
    }
}

#[test]
fn a_stream_that_stops_before_its_reason_to_finish_is_known_to_be_cut_short() {
    for (operation, transcript) in STREAMS {
        let finish = [r#"finish_reason":""#, r#"finish_reason": ""#, r#"stop_reason":""#, "event: response."];
        let known = finish.iter().filter_map(|words| transcript.rfind(words)).max().unwrap();
        for cut in 0..known {
            let seen = run(*operation, false, &[&transcript.as_bytes()[..cut]]);
            assert_eq!(seen.end, StreamEnd::Truncated, "{operation:?} cut at {cut}");
            assert!(seen.terminator.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn bytes_that_arrive_in_any_pieces_are_the_same_stream(
        which in prop::sample::select(STREAMS),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (operation, transcript) = which;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(transcript.len())).collect();
        cuts.extend([0, transcript.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| &transcript.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(operation, false, &pieces), run(operation, false, &[transcript.as_bytes()]));
    }

    #[test]
    fn a_damaged_stream_is_read_without_a_panic_and_alike_in_any_pieces(
        which in prop::sample::select(STREAMS),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        other in prop::sample::select(&Operation::ALL[..]),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = which.1.as_bytes().to_vec();
        for (place, byte) in damage {
            *place.get_mut(&mut bytes) = byte;
        }
        let (before, after) = bytes.split_at(cut.index(bytes.len()));
        for operation in [which.0, other] {
            prop_assert_eq!(run(operation, false, &[before, after]), run(operation, false, &[&bytes]));
        }
    }
}
