//! Signals that ask the process to end: an interrupt and a request to terminate.
//!
//! What they do by default does not come back once somebody listens. So a watch goes on listening when it is over, and then
//! does what the default was.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a second signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// It ends the process at once.
    EndsTheProcess,
    /// Nothing: what is cancelled ends soon, and must not be broken off.
    Waits,
}

/// Signals while something runs that can be cancelled.
#[derive(Debug)]
pub(super) struct Watch {
    /// The exit code that the first signal means; 0 as long as there is none.
    code: Arc<AtomicU8>,
    over: CancellationToken,
}

impl Watch {
    /// From now on the first signal cancels.
    pub(super) fn start(runtime: &Handle, cancel: CancellationToken, second: Second) -> Self {
        let watch = Self { code: Arc::default(), over: CancellationToken::new() };
        let _entered = runtime.enter();
        // Where nobody can listen, signals do what they do by default.
        if let Ok(signals) = Signals::listen() {
            runtime.spawn(follow(signals, cancel, second, watch.code.clone(), watch.over.clone()));
        }
        watch
    }

    /// From now on each signal ends the process at once. Returns the exit code that the one before means, if there was one:
    /// 130 for an interrupt, 143 for a request to terminate.
    pub(super) fn end(self) -> Option<u8> {
        self.over.cancel();
        Some(self.code.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}

async fn follow(
    mut signals: Signals,
    cancel: CancellationToken,
    second: Second,
    code: Arc<AtomicU8>,
    over: CancellationToken,
) {
    tokio::select! {
        biased;
        () = over.cancelled() => {}
        first = signals.next() => {
            code.store(first, Ordering::Relaxed);
            cancel.cancel();
            if second == Second::Waits {
                over.cancelled().await;
                while signals.next().now_or_never().is_some() {}
            }
        }
    }
    let code = signals.next().await;
    #[expect(clippy::exit, reason = "that is what the signal means")]
    std::process::exit(i32::from(code));
}

/// Both, from when they are listened for.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The exit code that the next one means.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
