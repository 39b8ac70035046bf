use super::super::state::frame;
use super::*;
use mgenjit::protocol::messages::Reply;

const DIGEST: [u8; 32] = [7; 32];
const SECOND: Duration = Duration::from_secs(1);

fn outcome(end: End, digest: Option<[u8; 32]>) -> Outcome {
    let frame = frame(&Reply::Stopping).expect("a frame");
    Outcome { end, frame, digest }
}

fn states() -> [State; 8] {
    [
        State::Greeting,
        State::Idle,
        State::Held,
        State::Waiting(1),
        State::Deciding(1),
        State::Settling(Rc::new(outcome(End::Compiled, None))),
        State::Elsewhere,
        State::Stopping,
    ]
}

fn in_state(now: Instant, state: State) -> Turn {
    let mut turn = Turn::new(now);
    turn.set(now, state);
    turn
}

#[test]
fn who_may_speak_and_who_is_idle() {
    let now = Instant::now();
    let which = |is: fn(&Turn) -> bool| -> String {
        let all = states().map(|state| match is(&in_state(now, state)) {
            true => 'x',
            false => '.',
        });
        all.into_iter().collect()
    };
    // Greeting, Idle, Held, Waiting, Deciding, Settling, Elsewhere, Stopping.
    assert_eq!(which(Turn::may_speak), "xx..xx..");
    assert_eq!(which(|turn| turn.is_heard(false)), "xx..xx..");
    // Only a new request waits for the client to read; a decision does not.
    assert_eq!(which(|turn| turn.is_heard(true)), "x...xx..");
    assert_eq!(which(Turn::is_idle), "xxx.....");
}

#[test]
fn who_is_late() {
    let begin = Instant::now();
    let late = |after: u32| -> String {
        let all = states().map(|state| {
            let turn = in_state(begin, state);
            match turn.is_late(begin + SECOND * after, SECOND) {
                true => 'x',
                false => '.',
            }
        });
        all.into_iter().collect()
    };
    assert_eq!(late(0), "........");
    assert_eq!(late(1), "x.......");
    assert_eq!(late(DECISION_FACTOR - 1), "x.......");
    assert_eq!(late(DECISION_FACTOR), "x...xx..");
}

#[test]
fn time_runs_from_the_last_change() {
    let begin = Instant::now();
    let mut turn = Turn::new(begin);
    turn.set(begin + SECOND * 5, State::Greeting);
    assert_eq!(turn.since(), begin + SECOND * 5);
    assert!(!turn.is_late(begin + SECOND * 5, SECOND));
    // A clock that goes back is not late.
    assert!(!turn.is_late(begin, SECOND));
}

#[test]
fn who_waits_too_long_for_a_worker() {
    let begin = Instant::now();
    let check = |state: State, started: bool, is_queued: bool, after: u32, expect: bool| {
        let mut turn = Turn::new(begin);
        turn.ask(begin);
        if started {
            turn.start();
        }
        turn.set(begin, state);
        let waited = turn.waits_too_long(begin + SECOND * after, SECOND * 2, |_| is_queued);
        assert_eq!(waited, expect.then_some(SECOND * after));
    };
    check(State::Held, false, false, 1, false);
    check(State::Held, false, false, 2, true);
    check(State::Waiting(1), false, true, 1, false);
    check(State::Waiting(1), false, true, 2, true);
    // A worker has it; or had it, and has died since.
    check(State::Waiting(1), false, false, 9, false);
    check(State::Waiting(1), true, true, 9, false);
    for state in [State::Idle, State::Deciding(1), State::Elsewhere] {
        check(state, false, true, 9, false);
    }
}

#[test]
fn what_begins_is_told_once_for_each_request() {
    let now = Instant::now();
    let mut turn = Turn::new(now);
    turn.ask(now);
    assert!(turn.start() && !turn.start());
    turn.decide();
    assert!(turn.has_decided());
    turn.ask(now);
    assert!(turn.start() && !turn.has_decided());
}

#[test]
fn how_the_end_of_a_job_is_heard() {
    let now = Instant::now();
    let check = |state: State, decided: bool, end: End, digest, same_names, expect: Ending| {
        let mut turn = in_state(now, state);
        if decided {
            turn.decide();
        }
        assert_eq!(turn.ending(&outcome(end, digest), same_names), expect);
    };
    let waiting = || State::Waiting(1);
    let deciding = || State::Deciding(1);
    let digest = Some(DIGEST);
    check(waiting(), false, End::Compiled, None, true, Ending::Answer);
    // What was compiled is not what errors have names in.
    check(waiting(), false, End::Compiled, None, false, Ending::Answer);
    check(
        waiting(),
        false,
        End::Compiled,
        digest,
        true,
        Ending::Identify(DIGEST),
    );
    check(waiting(), true, End::Compiled, digest, true, Ending::Answer);
    check(waiting(), false, End::Failed, digest, true, Ending::Answer);
    check(waiting(), false, End::Failed, None, false, Ending::Again);
    check(waiting(), false, End::Died, digest, false, Ending::Answer);
    check(deciding(), false, End::Died, digest, true, Ending::Settle);
    check(
        deciding(),
        false,
        End::Compiled,
        digest,
        true,
        Ending::Settle,
    );
    check(deciding(), false, End::Failed, None, false, Ending::Again);
}

#[test]
fn who_waited_for_longest_is_sent_away_first() {
    fn check(waiting: &[(u64, u64)], room: usize, expect: &[u64]) {
        let waiting = waiting.iter().map(|(id, s)| (*id, Duration::from_secs(*s)));
        let ids: Vec<u64> = sent_away(waiting, room).iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, expect);
    }
    check(&[], 2, &[]);
    check(&[(1, 5), (2, 9), (3, 7)], 0, &[]);
    check(&[(1, 5), (2, 9), (3, 7)], 2, &[2, 3]);
    check(&[(1, 5), (2, 9), (3, 7)], 9, &[2, 3, 1]);
    check(&[(2, 5), (1, 5)], 1, &[1]);
}
