use super::*;

/// A schedule and its clock, which stands still unless it is told to go on.
struct Case {
    schedule: Schedule,
    now: Instant,
}

impl Case {
    fn new(max_working: usize) -> Case {
        Case {
            schedule: Schedule::new(max_working, Bounds { each: 9, all: 99 }),
            now: Instant::now(),
        }
    }

    /// With so many workers, called 101, 102 and so on, that have warmed up.
    fn with_workers(max_working: usize, workers: u64) -> Case {
        let mut case = Case::new(max_working);
        for worker in 101..101 + workers {
            case.check(Event::Started { worker }, &[]);
            case.check(Event::Greeted { worker }, &[Action::WarmUp { worker }]);
            case.check(Event::Warmed { worker }, &[]);
        }
        case
    }

    #[track_caller]
    fn check(&mut self, event: Event, expect: &[Action]) {
        assert_eq!(self.schedule.handle(self.now, event), expect);
    }

    fn ask(&mut self, job: u64, process: u32) {
        self.check(Event::Asked { job, process }, &[]);
    }

    /// The jobs that a round gives away; what it starts is left out.
    fn given(&mut self) -> Vec<u64> {
        let actions = self.schedule.handle(self.now, Event::Round);
        actions
            .into_iter()
            .filter_map(|action| match action {
                Action::Give { job, .. } => Some(job),
                Action::Start(_) => None,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The worker that has a job.
    fn worker(&self, job: u64) -> u64 {
        self.schedule.worker_of(job).expect("a worker")
    }

    fn lose(&mut self, worker: u64) {
        let cause = Cause::Unknown;
        self.check(
            Event::Lost { worker, cause },
            &[Action::End { worker, cause }],
        );
    }

    #[track_caller]
    fn bury(&mut self, worker: u64, expect: &[Action]) {
        let why = "why".to_owned();
        self.check(Event::Ended { worker, why }, expect);
    }
}

fn failed(times: u32) -> Action {
    let why = "why".to_owned();
    Action::StartFailed { why, times }
}

#[test]
fn a_job_goes_to_an_idle_worker_and_comes_back() {
    let mut case = Case::with_workers(2, 1);
    case.ask(1, 7);
    assert_eq!(case.schedule.order(), [1]);
    let give = Action::Give {
        job: 1,
        worker: 101,
    };
    case.check(Event::Round, &[give, Action::Start(1)]);
    assert!(case.schedule.is_running(1) && case.schedule.queued() == 0);
    assert_eq!(case.schedule.job_of(101), Some(1));
    case.check(Event::Begun { job: 1 }, &[]);
    case.check(Event::Done { worker: 101 }, &[]);
    assert!(!case.schedule.is_running(1));
    assert_eq!((case.schedule.idle(), case.schedule.job_of(101)), (1, None));
}

#[test]
fn no_more_work_at_once_than_may() {
    let mut case = Case::with_workers(2, 3);
    for job in 1..=4 {
        case.ask(job, 7);
    }
    assert_eq!(case.given(), [1, 2]);
    assert_eq!(case.given(), [0; 0]);
    let first = case.worker(1);
    // One that waits for a decision takes no place, and comes back to work whatever the others do.
    case.check(Event::Identified { worker: first }, &[]);
    assert!(case.schedule.awaits_decision(1));
    assert_eq!(case.given(), [3]);
    case.check(
        Event::GoOn { job: 1 },
        &[Action::Continue { worker: first }],
    );
    case.check(Event::Done { worker: first }, &[]);
    // Two work still.
    assert_eq!(case.given(), [0; 0]);
    let second = case.worker(2);
    case.check(Event::Done { worker: second }, &[]);
    assert_eq!(case.given(), [4]);
}

#[test]
fn workers_are_started_for_what_waits_and_one_ahead() {
    fn check(max_working: usize, workers: u64, jobs: u64, expect: usize) {
        let mut case = Case::with_workers(max_working, workers);
        for job in 1..=jobs {
            case.ask(job, 7);
        }
        let actions = case.schedule.handle(case.now, Event::Round);
        let started = actions.iter().map(|action| match action {
            Action::Start(count) => *count,
            _ => 0,
        });
        assert_eq!(
            started.sum::<usize>(),
            expect,
            "{max_working} {workers} {jobs}"
        );
    }
    check(2, 0, 0, 1);
    check(2, 1, 0, 0);
    check(2, 1, 1, 1);
    check(2, 2, 2, 1);
    check(4, 0, 3, 3);
    check(4, 0, 9, 4);
    check(4, 1, 9, 3);
    check(1, 5, 0, 0);
}

#[test]
fn there_are_never_too_many_workers() {
    let mut case = Case::with_workers(1, 5);
    // All wait for decisions, which may take long.
    for job in 1..=5 {
        case.ask(job, 7);
        assert_eq!(case.given(), [job]);
        let worker = case.worker(job);
        case.check(Event::Identified { worker }, &[]);
    }
    case.ask(6, 7);
    case.check(Event::Round, &[]);
    assert_eq!(case.schedule.workers(), most(1));
}

#[test]
fn jobs_that_wait_come_before_the_warming_up() {
    let mut case = Case::new(2);
    case.ask(1, 7);
    case.check(Event::Round, &[Action::Start(1)]);
    case.check(Event::Started { worker: 5 }, &[]);
    assert!(case.schedule.is_starting(5));
    // It is not ready yet, and it is on its way.
    case.check(Event::Round, &[]);
    case.check(Event::Greeted { worker: 5 }, &[]);
    assert_eq!(case.given(), [1]);
}

#[test]
fn a_job_is_given_again_unless_it_may_be_at_fault() {
    let mut case = Case::with_workers(1, 5);
    case.ask(1, 7);
    case.ask(2, 7);
    for _ in 0..MOST_LOSSES {
        assert_eq!(case.given(), [1]);
        let worker = case.worker(1);
        case.lose(worker);
        assert!(case.schedule.is_running(1));
        case.bury(worker, &[]);
        // It has waited already.
        assert_eq!(case.schedule.order(), [1, 2]);
    }
    assert_eq!(case.given(), [1]);
    let worker = case.worker(1);
    case.lose(worker);
    case.bury(worker, &[Action::Died { job: 1 }]);
    assert_eq!(case.given(), [2]);
    case.check(Event::Begun { job: 2 }, &[]);
    let worker = case.worker(2);
    case.lose(worker);
    case.bury(worker, &[Action::Died { job: 2 }]);
    assert_eq!(case.schedule.queued(), 0);
}

#[test]
fn what_nobody_wants_any_more_is_stopped_where_it_is() {
    let mut case = Case::with_workers(2, 2);
    for job in 1..=3 {
        case.ask(job, 7);
    }
    assert_eq!(case.given(), [1, 2]);
    // In the queue.
    case.check(Event::Abandoned { job: 3 }, &[]);
    assert_eq!(case.schedule.queued(), 0);
    // While a decision is awaited: the worker is of use still.
    let worker = case.worker(1);
    case.check(Event::Identified { worker }, &[]);
    case.check(Event::Abandoned { job: 1 }, &[Action::Stop { worker }]);
    assert_eq!(case.schedule.idle(), 1);
    // In the middle of the work.
    let worker = case.worker(2);
    let cause = Cause::Unknown;
    case.check(
        Event::Abandoned { job: 2 },
        &[Action::End { worker, cause }],
    );
    case.bury(worker, &[]);
    // While its worker ends, and when it is long gone.
    case.ask(4, 7);
    assert_eq!(case.given(), [4]);
    let worker = case.worker(4);
    case.lose(worker);
    case.check(Event::Abandoned { job: 4 }, &[]);
    case.bury(worker, &[]);
    case.check(Event::Abandoned { job: 4 }, &[]);
    assert_eq!(case.schedule.queued(), 0);
}

#[test]
fn events_of_workers_that_are_gone_change_nothing() {
    let mut case = Case::with_workers(1, 1);
    case.ask(1, 7);
    assert_eq!(case.given(), [1]);
    case.lose(101);
    let worker = 101;
    let cause = Cause::OutOfStep;
    case.check(Event::Lost { worker, cause }, &[]);
    case.check(Event::Identified { worker }, &[]);
    case.check(Event::Done { worker }, &[]);
    case.check(Event::Retired { worker }, &[]);
    case.check(Event::GoOn { job: 1 }, &[]);
    case.check(Event::GoOn { job: 9 }, &[]);
    assert!(!case.schedule.has_to_work(worker) && !case.schedule.awaits_decision(1));
    case.bury(worker, &[]);
    case.bury(worker, &[]);
    assert_eq!(case.schedule.order(), [1]);
}

#[test]
fn it_gives_up_when_no_worker_is_ever_of_use() {
    let mut case = Case::new(1);
    for times in 1..MOST_FAILED_STARTS {
        let worker = u64::from(times);
        case.check(Event::Round, &[Action::Start(1)]);
        case.check(Event::Started { worker }, &[]);
        case.lose(worker);
        case.bury(worker, &[failed(times)]);
    }
    let why = "why".to_owned();
    let gives_up = Action::GiveUp { why: why.clone() };
    case.check(
        Event::NotStarted { why: why.clone() },
        &[failed(MOST_FAILED_STARTS), gives_up.clone()],
    );
    // Then none is started until some time has passed.
    case.check(Event::Round, &[]);
    case.check(Event::Tick, &[]);
    case.check(Event::Round, &[Action::Start(1)]);
    case.check(
        Event::NotStarted { why },
        &[failed(MOST_FAILED_STARTS), gives_up],
    );
}

#[test]
fn failed_starts_end_nothing_while_one_works_and_are_forgotten_when_one_was_of_use() {
    let mut case = Case::with_workers(1, 1);
    case.ask(1, 7);
    assert_eq!(case.given(), [1]);
    let why = || "why".to_owned();
    for times in 1..=MOST_FAILED_STARTS {
        case.check(Event::NotStarted { why: why() }, &[failed(times)]);
    }
    case.check(Event::Done { worker: 101 }, &[]);
    case.check(Event::NotStarted { why: why() }, &[failed(1)]);
}

#[test]
fn workers_that_are_late_or_idle_for_long_are_ended() {
    let mut case = Case::with_workers(4, 3);
    case.check(Event::Started { worker: 5 }, &[]);
    for job in 1..=2 {
        case.ask(job, 7);
    }
    assert_eq!(case.given(), [1, 2]);
    case.check(Event::Begun { job: 1 }, &[]);
    let silent = case.worker(2);
    let instant = Duration::from_millis(1);
    case.now += START_TIMEOUT.saturating_sub(instant);
    case.check(Event::Tick, &[]);
    case.now += instant;
    let mut ended = case.schedule.handle(case.now, Event::Tick);
    ended.sort_by_key(|action| match action {
        Action::End { worker, .. } => *worker,
        other => panic!("{other:?}"),
    });
    let cause = Cause::Hung(30_000);
    let end = |worker| Action::End { worker, cause };
    // The one that is idle is the only one, and job 1 may take as long as it will.
    assert_eq!(ended, [end(5), end(silent)]);
    case.bury(5, &[failed(1)]);

    let mut case = Case::with_workers(4, 1);
    case.now += SPARE / 2;
    let worker = 102;
    case.check(Event::Started { worker }, &[]);
    case.check(Event::Greeted { worker }, &[Action::WarmUp { worker }]);
    case.check(Event::Warmed { worker }, &[]);
    case.now += SPARE;
    // Both were idle for long; the one that was so for longer goes.
    let cause = Cause::Unknown;
    case.check(Event::Tick, &[Action::End { worker: 101, cause }]);
    case.check(Event::Tick, &[]);
    case.bury(101, &[]);
}

#[test]
fn none_is_started_for_nobody() {
    let mut case = Case::new(1);
    case.ask(1, 7);
    case.check(Event::Stopping, &[]);
    case.check(Event::Round, &[Action::Start(1)]);
    case.check(Event::Abandoned { job: 1 }, &[]);
    case.check(Event::Round, &[]);
}
