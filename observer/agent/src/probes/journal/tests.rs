use super::*;
use flow_model::input::LostStage;
use tempfile::TempDir;

fn settings(dir: &TempDir, handled: u64) -> JournalSettings {
    JournalSettings { path: dir.path().join("journal"), handled, saved: Arc::default() }
}

fn input(count: u64) -> Input {
    Input::Lost { stage: LostStage::Ring, count }
}

fn at(generation: u32) -> Position {
    Position { maps: "maps".to_owned(), generation: Some(generation), ..Position::default() }
}

#[test]
fn what_the_saved_state_does_not_have_is_handled_again() {
    let dir = TempDir::new().unwrap();
    let (mut journal, missed) = Journal::open(&settings(&dir, 0)).unwrap();
    assert_eq!(missed, []);
    for count in 1..=3 {
        journal.append(at(count as u32 & 1), &[input(count)]).unwrap();
    }
    let (journal, missed) = Journal::open(&settings(&dir, 1)).unwrap();
    assert_eq!(missed, [input(2), input(3)]);
    assert_eq!((journal.seq(), journal.position()), (3, &at(1)));
}

#[test]
fn an_entry_that_was_half_written_never_was() {
    let dir = TempDir::new().unwrap();
    let (mut journal, _) = Journal::open(&settings(&dir, 0)).unwrap();
    journal.append(at(0), &[input(1)]).unwrap();
    let whole = fs::read(&journal.path).unwrap();
    journal.append(at(1), &[input(2)]).unwrap();
    let both = fs::read(&journal.path).unwrap();
    for torn in whole.len()..both.len() {
        fs::write(&journal.path, &both[..torn]).unwrap();
        let (mut journal, missed) = Journal::open(&settings(&dir, 0)).unwrap();
        assert_eq!((missed, journal.position()), (vec![input(1)], &at(0)), "{torn}");
        journal.append(at(1), &[input(3)]).unwrap();
        assert_eq!(Journal::open(&settings(&dir, 0)).unwrap().1, [input(1), input(3)], "{torn}");
    }
}

#[test]
fn a_saved_state_lets_the_file_shrink() {
    let dir = TempDir::new().unwrap();
    let settings = settings(&dir, 0);
    let (mut journal, _) = Journal::open(&settings).unwrap();
    let many: Vec<Input> = (0..5_000).map(input).collect();
    while journal.bytes <= COMPACT_BYTES {
        journal.append(at(0), &many).unwrap();
    }
    journal.append(at(1), &many).unwrap();
    assert!(journal.bytes > COMPACT_BYTES, "nothing was saved");
    settings.saved.store(journal.seq(), Ordering::Release);
    journal.append(at(0), &[input(7)]).unwrap();
    assert!(journal.bytes < 1_024, "{}", journal.bytes);
    let begun = JournalSettings { handled: journal.seq() - 1, ..settings };
    assert_eq!(Journal::open(&begun).unwrap().1, [input(7)]);
}

#[test]
fn it_is_bounded_while_no_state_is_saved() {
    let dir = TempDir::new().unwrap();
    let (mut journal, _) = Journal::open(&settings(&dir, 0)).unwrap();
    let many: Vec<Input> = (0..20_000).map(input).collect();
    let error = (0..100).find_map(|_| journal.append(at(0), &many).err()).expect("it never fills");
    assert!(error.to_string().contains("it is full"), "{error}");
    assert!(fs::metadata(&journal.path).unwrap().len() < 2 * MAX_BYTES);
}

#[test]
fn numbers_go_on_without_the_file() {
    let dir = TempDir::new().unwrap();
    let (mut journal, _) = Journal::open(&settings(&dir, 41)).unwrap();
    journal.append(at(0), &[]).unwrap();
    assert_eq!(journal.seq(), 42);
}
