//! What everybody on a machine can see of its processes, and whether a secret is in it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::base64;

/// Collects the command line of every process, again and again.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    /// Begins.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                look(&mut seen);
                std::thread::sleep(Duration::from_millis(3));
            }
            seen
        });
        Self { stop, thread }
    }

    /// Ends, and says what was seen.
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().into_iter().collect()
    }
}

/// All processes and not only those that the test started: one that has lost its parent can be seen as well.
fn look(seen: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        if is_process && !line.is_empty() {
            seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
}

/// Whether a text shows a secret, as it is or as a part of something in base64, of either alphabet.
pub fn leaks(text: &[u8], secret: &str) -> bool {
    let inside = |offset: usize| {
        let shifted = [&vec![b'x'; offset][..], secret.as_bytes()].concat();
        // Only the letters that hang on the secret alone.
        let letters = base64(&shifted);
        let (first, last) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
        letters[first..last].to_owned()
    };
    let needles = [secret.to_owned(), inside(0), inside(1), inside(2)];
    let text: Vec<u8> = text
        .iter()
        .map(|byte| {
            if *byte == b'-' {
                b'+'
            } else if *byte == b'_' {
                b'/'
            } else {
                *byte
            }
        })
        .collect();
    needles
        .iter()
        .map(|needle| needle.replace('-', "+").replace('_', "/"))
        .any(|needle| text.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

#[test]
fn a_secret_is_found_wherever_it_hides() {
    let secret = "correct-horse-9131-battery";
    for hidden in ["", "u:", "user:", "{\"username\":\"u\",\"password\":\""] {
        let text = format!("{hidden}{secret}\"}}");
        assert!(leaks(text.as_bytes(), secret));
        assert!(leaks(base64(text.as_bytes()).as_bytes(), secret), "{hidden}");
        assert!(leaks(base64(text.as_bytes()).replace('+', "-").replace('/', "_").as_bytes(), secret), "{hidden}");
    }
    assert!(!leaks(base64(b"user:something else entirely").as_bytes(), secret));
}
