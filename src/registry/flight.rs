//! A value that many tasks want and one of them fetches.
//!
//! Whoever waited while another task fetched gets that outcome, good or bad, so that a slow failure is not repeated by
//! each of them in turn. A failure is not remembered beyond those who waited for it.

use std::time::Instant;

use tokio::sync::Mutex;

/// A slot for one value.
#[derive(Debug)]
pub(super) struct Flight<T, E>(Mutex<Option<Landed<T, E>>>);

#[derive(Debug)]
struct Landed<T, E> {
    at: Instant,
    outcome: Result<T, E>,
}

impl<T, E> Default for Flight<T, E> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone, E: Clone> Flight<T, E> {
    /// The value in the slot if it is still `usable`, otherwise what `fetch` gives, which is polled only then.
    pub async fn get(&self, usable: impl Fn(&T) -> bool, fetch: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let asked = Instant::now();
        let mut slot = self.0.lock().await;
        match &*slot {
            Some(Landed { outcome: Ok(value), .. }) if usable(value) => return Ok(value.clone()),
            Some(Landed { outcome: Err(error), at }) if *at >= asked => return Err(error.clone()),
            _ => {}
        }
        let outcome = fetch.await;
        *slot = Some(Landed { at: Instant::now(), outcome: outcome.clone() });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    async fn ask_at_once(outcome: Result<u32, u32>) -> (Vec<Result<u32, u32>>, u32) {
        let (flight, fetches) = (Arc::new(Flight::default()), Arc::new(AtomicU32::new(0)));
        let tasks = (0..20).map(|_| {
            let (flight, fetches) = (flight.clone(), fetches.clone());
            tokio::spawn(async move {
                let fetch = async {
                    fetches.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    outcome
                };
                flight.get(|_| true, fetch).await
            })
        });
        let answers = futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        (answers, fetches.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn one_fetch_serves_all_who_wait_whether_it_succeeds_or_fails() {
        for outcome in [Ok(7), Err(7)] {
            assert_eq!(ask_at_once(outcome).await, (vec![outcome; 20], 1));
        }
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered_and_an_unusable_value_is_fetched_anew() {
        let flight = Flight::default();
        assert_eq!(flight.get(|_| true, async { Err(1) }).await, Err(1));
        assert_eq!(flight.get(|_| true, async { Ok(2) }).await, Ok(2));
        assert_eq!(flight.get(|_| true, async { Ok(3) }).await, Ok(2));
        assert_eq!(flight.get(|&value| value != 2, async { Ok(3) }).await, Ok::<u32, u32>(3));
    }
}
