use vocabulary::Reason;

use super::*;

const HOUR_MS: u64 = 3_600_000;
const THEN: u64 = 495_000 * HOUR_MS;

fn story(arrival_ms: u64) -> Story {
    let request_id = crate::live::request_id(arrival_ms * 1_000_000);
    let record = serde_json::json!({
        "v": 1, "arrival_ms": arrival_ms, "request_id": request_id, "method": "POST", "stream": false,
        "status": 503, "reason": Reason::NoBackend, "duration_ms": 1.0, "overhead_us": 1, "cost_nanos": 0,
        "bundle": "blake3:00",
    });
    Story {
        request: serde_json::from_value(record).unwrap(),
        generation: 1,
        team: None,
        subject: None,
        told: None,
        decisions: Vec::new(),
        holds: Vec::new(),
    }
}

fn find(store: &Store, story: &Story) -> Option<Story> {
    let id = uuid::Uuid::parse_str(&story.request.request_id).unwrap();
    store.place(id).find(&story.request.request_id).unwrap()
}

#[test]
fn a_story_is_found_by_its_id_alone_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(Some(dir.path())).unwrap();
    let stories = [story(THEN), story(THEN + HOUR_MS), story(THEN + HOUR_MS + 5)];
    assert_eq!(store.write(&stories).unwrap(), 0);
    let again = Store::open(Some(dir.path())).unwrap();
    for story in &stories {
        assert_eq!(find(&again, story).as_ref(), Some(story));
    }
    assert_eq!(find(&again, &story(THEN)), None);
    assert_eq!(find(&again, &story(THEN + 9 * HOUR_MS)), None);
}

#[test]
fn the_oldest_hour_makes_room_and_so_does_the_day_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(Some(dir.path())).unwrap();
    let stories: Vec<_> = (0..27).map(|hour| story(THEN + hour * HOUR_MS)).collect();
    store.write(&stories).unwrap();
    assert_eq!(find(&store, &stories[1]), None);
    assert!(find(&store, &stories[2]).is_some());
    let size = serde_json::to_vec(&stories[0]).unwrap().len() as u64 + 1;
    store.bytes = 3 * size + size / 2;
    store.write(&[story(THEN + 26 * HOUR_MS)]).unwrap();
    assert_eq!(find(&store, &stories[24]), None);
    assert!(find(&store, &stories[26]).is_some());
}

#[test]
fn one_hour_takes_no_more_than_all_the_room_and_what_is_lost_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(Some(dir.path())).unwrap();
    store.bytes = 3 * serde_json::to_vec(&story(THEN)).unwrap().len() as u64;
    let stories: Vec<_> = (0..5).map(|at| story(THEN + at)).collect();
    assert_eq!(store.write(&stories).unwrap(), 3);
    assert!(find(&store, &stories[0]).is_some());
}

#[test]
fn without_a_directory_ten_thousand_are_kept() {
    let mut store = Store::open(None).unwrap();
    let stories: Vec<_> = (0..10_001).map(|at| story(THEN + at)).collect();
    store.write(&stories).unwrap();
    assert_eq!(find(&store, &stories[0]), None);
    assert!(find(&store, &stories[1]).is_some());
    assert_eq!(store.latest(1)[0], stories[10_000]);
}
