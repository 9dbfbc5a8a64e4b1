//! Which requests are sent again, and after how long.
//!
//! The waits are the same for the same request in every run: what spreads them is a hash of the request instead of a
//! random number.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::options::Options;

/// How often a host that refuses connections, or whose name is unknown, is tried: it rarely changes its mind.
const ATTEMPTS_WHEN_NOBODY_IS_THERE: u32 = 2;

/// Decides about further attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    attempts: u32,
    backoff: Duration,
    longest_wait: Duration,
}

impl Policy {
    /// The policy that the options ask for.
    pub fn new(options: &Options) -> Self {
        Self { attempts: options.attempts, backoff: options.backoff, longest_wait: options.longest_wait }
    }

    /// How long to wait before attempt `next` (the first attempt is 1) after a request that got no answer; `None` if
    /// there is to be no further one. `seed` is what tells the request from others.
    pub fn after_failure(&self, next: u32, seed: &str, failure: &Failure) -> Option<Duration> {
        let attempts = match failure {
            Failure::Refused | Failure::Dns(_) => self.attempts.min(ATTEMPTS_WHEN_NOBODY_IS_THERE),
            Failure::Timeout | Failure::Connection(_) => self.attempts,
            Failure::Certificate(_)
            | Failure::Tls(_)
            | Failure::TooLarge(_)
            | Failure::Nonsense(_)
            | Failure::Setup(_)
            | Failure::Disk(_) => 1,
        };
        (next <= attempts).then(|| self.backoff(next, seed))
    }

    /// The same after an answer.
    pub fn after_answer(&self, next: u32, seed: &str, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        if next > self.attempts || !matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504) {
            return None;
        }
        match retry_after(headers) {
            Some(asked) if asked > self.longest_wait => None,
            Some(asked) => Some(asked.max(self.backoff(next, seed))),
            None => Some(self.backoff(next, seed)),
        }
    }

    /// Between half and all of `backoff * 2^(next - 2)`, never more than the longest wait.
    fn backoff(&self, next: u32, seed: &str) -> Duration {
        let full = self.backoff.saturating_mul(1 << next.saturating_sub(2).min(16)).min(self.longest_wait);
        let hash = Sha256::new().chain_update(next.to_le_bytes()).chain_update(seed).finalize();
        full / 2 + full / 2 * u32::from(hash[0]) / 255
    }
}

/// The seconds of a `Retry-After` header; a date counts as no header, since clocks differ.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy::new(&Options::default())
    }

    fn asking(seconds: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, seconds.parse().unwrap())])
    }

    #[test]
    fn waits_grow_and_are_the_same_for_the_same_request() {
        let waits = |seed| [2, 3, 4].map(|next| policy().after_failure(next, seed, &Failure::Timeout).unwrap());
        for (wait, full) in waits("a").into_iter().zip([500, 1000, 2000]) {
            assert!((full / 2..=full).contains(&wait.as_millis()), "{wait:?}");
        }
        assert_eq!(waits("a"), waits("a"));
        assert_ne!(waits("a"), waits("b"));
        assert_eq!(policy().after_failure(5, "a", &Failure::Timeout), None);
    }

    #[test]
    fn a_refused_connection_is_tried_twice_and_a_bad_certificate_once() {
        assert!(policy().after_failure(2, "a", &Failure::Refused).is_some());
        assert_eq!(policy().after_failure(3, "a", &Failure::Refused), None);
        assert_eq!(policy().after_failure(2, "a", &Failure::Certificate(String::new())), None);
    }

    #[test]
    fn retry_after_is_honoured_unless_it_is_longer_than_anybody_waits() {
        let after = |headers| policy().after_answer(2, "a", StatusCode::TOO_MANY_REQUESTS, &headers);
        assert_eq!(after(asking("7")), Some(Duration::from_secs(7)));
        assert_eq!(after(asking("31")), None);
        assert!(after(asking("soon")).unwrap() < Duration::from_secs(1));
    }

    #[test]
    fn answers_that_would_be_the_same_again_are_not_asked_for_again() {
        for status in [200, 400, 401, 403, 404, 501] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(policy().after_answer(2, "a", status, &HeaderMap::new()), None);
        }
    }
}
