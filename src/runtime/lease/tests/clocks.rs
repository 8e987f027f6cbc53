//! The wall clock jumps by a month, either way: nobody leads for longer, and who leads is back soon.

use std::time::SystemTime;

use tokio::time::{Instant, advance};

use super::super::leadership::{Renewal, State};
use super::*;

const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// A renewal of this moment, on a machine whose clock has been set since: by a month back, or forward.
fn renewal(jump: Jump) -> Renewal {
    let now = SystemTime::now();
    let wall = match jump {
        Jump::Back => now + MONTH,
        Jump::Forward => now - MONTH,
    };
    Renewal { at: Instant::now(), wall }
}

#[derive(Clone, Copy, Debug)]
enum Jump {
    Back,
    Forward,
}

fn leading(renewal: Renewal) -> State {
    State::Leading { term: 1, renewal, usable: 10 * SECOND }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_gives_nobody_more_time_to_write() {
    // Forward: the machine may have slept, and the Lease be somebody else's. The next renewal tells.
    assert_eq!(leading(renewal(Jump::Forward)).budget(), None);
    // Back: what has passed is known by the clock that nobody sets.
    let back = leading(renewal(Jump::Back));
    assert_eq!(back.budget(), Some(10 * SECOND));
    for second in 1..10 {
        advance(SECOND).await;
        assert_eq!(back.budget(), Some((10 - second) * SECOND));
    }
    advance(SECOND).await;
    assert_eq!(back.budget(), None);
}
