use std::fs;

use proptest::prelude::*;

use super::*;

fn policy(generation: u64) -> PolicyVersion {
    PolicyVersion { generation, digest: "blake3:00".to_owned() }
}

fn entry(target: &str) -> Entry {
    let actor = Actor { name: "night".to_owned(), how: "token".to_owned() };
    Entry::done(actor, AuditAction::Drain, policy(3)).to(target).because(Some("browns out".to_owned()))
}

fn log_of(lines: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(Some(dir.path())).unwrap();
    for line in 0..lines {
        audit.write(entry(&format!("east-{line}"))).unwrap();
    }
    dir
}

fn verified(dir: &Path) -> Result<Verified, Broken> {
    verify(&files(dir).unwrap()).unwrap()
}

#[test]
fn a_log_as_written_verifies_and_leads_to_its_head() {
    let dir = log_of(5);
    let whole = verified(dir.path()).unwrap();
    assert_eq!((whole.lines, whole.first, whole.last, whole.head_checked), (5, 1, 5, true));
    assert_eq!(whole, verified(&dir.path().join(LOG)).unwrap());
}

#[test]
fn the_chain_goes_on_over_a_restart() {
    let dir = log_of(2);
    Audit::open(Some(dir.path())).unwrap().write(entry("west")).unwrap();
    assert_eq!(verified(dir.path()).unwrap().last, 3);
}

#[test]
fn a_changed_line_is_named_at_the_line_after_it_and_the_last_by_the_head() {
    let dir = log_of(4);
    let file = dir.path().join(LOG);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("east-1", "east-9")).unwrap();
    assert_eq!(verified(dir.path()).unwrap_err().line, 3);
    fs::write(&file, text.replace("east-3", "east-9")).unwrap();
    assert!(verified(dir.path()).unwrap_err().what.contains("another content"));
}

#[test]
fn removed_lines_show_at_the_start_in_the_middle_and_at_the_end() {
    let dir = log_of(4);
    let file = dir.path().join(LOG);
    let text = fs::read_to_string(&file).unwrap();
    let without = |gone: usize| {
        let kept: Vec<_> = text.lines().enumerate().filter(|(index, _)| *index != gone).collect();
        kept.into_iter().map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    fs::write(&file, without(1)).unwrap();
    assert_eq!(verified(dir.path()).unwrap_err().line, 2);
    fs::write(&file, without(3)).unwrap();
    assert!(verified(dir.path()).unwrap_err().what.contains("those after 3 are missing"));
    // Without its beginning a log is that of a gateway whose older files were moved away: it is told.
    fs::write(&file, without(0)).unwrap();
    assert_eq!(verified(dir.path()).unwrap().first, 2);
}

#[test]
fn a_log_cut_short_is_told_at_the_next_start_and_in_the_log() {
    let dir = log_of(3);
    let file = dir.path().join(LOG);
    let text = fs::read_to_string(&file).unwrap();
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&file, cut).unwrap();
    let audit = Audit::open(Some(dir.path())).unwrap();
    let line = audit.latest(1).remove(0);
    assert_eq!((line.action, line.seq), (AuditAction::AuditDamaged, 3));
    assert!(line.detail.unwrap().contains("line 3"));
}

#[test]
fn a_half_written_line_is_nobodys_and_is_cut_off() {
    let dir = log_of(2);
    let file = dir.path().join(LOG);
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("{\"v\":1,\"seq\":3,\"at");
    fs::write(&file, text).unwrap();
    let audit = Audit::open(Some(dir.path())).unwrap();
    audit.write(entry("west")).unwrap();
    assert_eq!(verified(dir.path()).unwrap().last, 3);
}

#[test]
fn a_crash_between_line_and_head_is_no_damage() {
    let dir = log_of(2);
    let head = fs::read(dir.path().join(HEAD)).unwrap();
    Audit::open(Some(dir.path())).unwrap().write(entry("west")).unwrap();
    fs::write(dir.path().join(HEAD), head).unwrap();
    assert_eq!(verified(dir.path()).unwrap().last, 3);
    let audit = Audit::open(Some(dir.path())).unwrap();
    assert_eq!(audit.latest(1)[0].action, AuditAction::Drain);
}

#[test]
fn files_put_aside_are_part_of_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(Some(dir.path())).unwrap();
    audit.file.lock().rotate_at = 1500;
    for _ in 0..12 {
        audit.write(entry("east")).unwrap();
    }
    let files = files(dir.path()).unwrap();
    assert!(files.len() >= 3, "{files:?}");
    assert_eq!(verified(dir.path()).unwrap().lines, 12);
    fs::remove_file(&files[1]).unwrap();
    let files = super::files(dir.path()).unwrap();
    assert_eq!(verify(&files).unwrap().unwrap_err().line, 1);
}

#[test]
fn without_a_directory_the_latest_lines_are_kept() {
    let audit = Audit::open(None).unwrap();
    audit.write(entry("a")).unwrap();
    audit.write(entry("b")).unwrap();
    let targets: Vec<_> = audit.latest(5).into_iter().map(|line| line.target.unwrap()).collect();
    assert_eq!(targets, ["b", "a"]);
}

proptest! {
    #[test]
    fn any_changed_byte_breaks_the_chain(at in 0_usize..3000, bit in 0_u8..8) {
        let dir = log_of(5);
        let file = dir.path().join(LOG);
        let mut bytes = fs::read(&file).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        prop_assert!(verified(dir.path()).is_err());
    }
}
