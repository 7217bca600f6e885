//! Until when a run lived: the time of the last change of its journal.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

/// How exactly that is known.
const TICK: Duration = Duration::from_secs(1);

/// The journals of this process, and whether somebody keeps their time.
static JOURNALS: Mutex<(bool, Vec<Weak<File>>)> = Mutex::new((false, Vec::new()));

/// Keeps a journal's time as long as somebody has it open.
pub(super) fn keep(file: &Arc<File>) {
    let mut journals = JOURNALS.lock().unwrap_or_else(PoisonError::into_inner);
    journals.1.push(Arc::downgrade(file));
    if !journals.0 {
        // Without it, less of what a killed run made is known as its own.
        journals.0 = thread::Builder::new().name("journal".to_string()).spawn(tick).is_ok();
    }
}

fn tick() {
    loop {
        thread::sleep(TICK);
        let mut journals = JOURNALS.lock().unwrap_or_else(PoisonError::into_inner);
        journals.1.retain(|file| match file.upgrade() {
            Some(file) => {
                if let Err(error) = file.set_modified(SystemTime::now()) {
                    tracing::debug!(%error, "the time of the journal stays");
                }
                true
            }
            None => false,
        });
    }
}
