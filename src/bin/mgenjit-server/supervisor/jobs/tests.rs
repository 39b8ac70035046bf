use super::super::state::frame;
use super::*;
use mgenjit::cpu::{Cpu, Level};
use mgenjit::protocol::messages::{CompileRequest, LinkOutput, LinkRequest, Reply, Request, Step};
use mgenjit::protocol::payload;
use mgenjit::types::{Emit, Input, OptLevel, Target, TargetSpec};

fn compile(name: &str, ir: &str) -> CompileRequest {
    CompileRequest {
        name: name.to_owned(),
        key: [0; 32],
        opt_level: OptLevel::O2,
        target: Target::Host(Cpu::Level(Level::ALL[0])),
        identify: false,
        progress: false,
        inputs: inputs(name, ir),
        keep: None,
        emit: Emit::Code,
        step: Step::Whole,
        replaceable: false,
        switchable: false,
        max_memory: 0,
    }
}

fn inputs(name: &str, content: &str) -> Vec<Input> {
    vec![Input {
        name: name.to_owned(),
        len: content.len() as u64,
    }]
}

fn asked(request: Request, content: &str) -> Rc<Asked> {
    let payload = payload::seal_inputs(&[content.as_bytes()]).expect("a memfd");
    Rc::new(Asked::new(request, Some(payload), b"").expect("a request"))
}

const IR: &str = "define void @f() { ret void }";

fn asked_to_compile(change: impl Fn(&mut CompileRequest)) -> Rc<Asked> {
    let mut request = compile("a", IR);
    change(&mut request);
    asked(Request::Compile(request), IR)
}

#[test]
fn equal_requests_to_compile_are_one() {
    fn check(what: &str, change: impl Fn(&mut CompileRequest), expect: bool) {
        let one = asked_to_compile(|_| {});
        let other = asked_to_compile(change);
        assert_eq!(one.is_same(&other), expect, "{what}");
        assert_eq!(other.is_same(&one), expect, "{what}");
    }
    check("nothing", |_| {}, true);
    // What does not change the answer, if it is no error.
    check("the name", |one| one.name = "b".to_owned(), true);
    check("an input's name", |one| one.inputs = inputs("b", IR), true);
    check("the key", |one| one.key = [1; 32], true);
    check("progress", |one| one.progress = true, true);
    check("the level", |one| one.opt_level = OptLevel::O1, false);
    check(
        "the CPU",
        |one| one.target = Target::Host(Cpu::Level(Level::ALL[1])),
        false,
    );
    check("identify", |one| one.identify = true, false);
    check("keep", |one| one.keep = Some(vec!["f".to_owned()]), false);
    check("emit", |one| one.emit = Emit::Assembly, false);
    check("replaceable", |one| one.replaceable = true, false);
    check("switchable", |one| one.switchable = true, false);
    check("memory", |one| one.max_memory = 1 << 30, false);
}

#[test]
fn requests_with_other_bytes_are_others() {
    let of = |ir: &str| asked(Request::Compile(compile("a", ir)), ir);
    assert!(of("define void @f()").is_same(&of("define void @f()")));
    assert!(!of("define void @f()").is_same(&of("define void @g()")));
    assert!(!of("define void @f()").is_same(&of("define void @f() ")));
}

#[test]
fn links_have_names_in_them() {
    let link = |name: &str| {
        let target = TargetSpec {
            triple: "x86_64-linux-gnu".to_owned(),
            cpu: String::new(),
            features: String::new(),
        };
        let request = LinkRequest {
            name: name.to_owned(),
            target: Target::Other(target),
            output: LinkOutput::Object,
            inputs: inputs(name, "object"),
            libraries: 0,
        };
        asked(Request::Link(request), "object")
    };
    assert!(link("a").is_same(&link("a")));
    assert!(!link("a").is_same(&link("b")));
    assert!(!link("a").is_same(&asked(Request::Compile(compile("a", "object")), "object")));
}

/// Job 1, for which clients 11, 12 and so on wait, each of which called its request as it is called itself.
fn waiting(clients: u64) -> Jobs {
    let mut jobs = Jobs::default();
    for client in 11..11 + clients {
        let request = asked_to_compile(|one| one.name = client.to_string());
        match jobs.same_as(&request) {
            Some(job) => {
                jobs.join(job, client);
            }
            None => jobs.insert(1, Job::new(request, 7, client)),
        }
    }
    jobs
}

#[test]
fn clients_join_and_leave() {
    fn check(clients: u64, leave: &[(u64, Left)], expect: &[u64]) {
        let mut jobs = waiting(clients);
        for (client, left) in leave {
            assert_eq!(jobs.leave(1, *client), *left, "{client}");
        }
        let rest = jobs.get(1).map_or(&[][..], |job| &job.clients);
        assert_eq!(rest, expect);
        assert_eq!(jobs.is_empty(), expect.is_empty());
    }
    use Left::{Led, Nobody, Others};
    check(3, &[], &[11, 12, 13]);
    check(1, &[(11, Nobody)], &[]);
    check(3, &[(12, Others)], &[11, 13]);
    check(3, &[(11, Led(12))], &[12, 13]);
    check(3, &[(11, Led(12)), (12, Led(13)), (13, Nobody)], &[]);
    check(2, &[(99, Others)], &[11, 12]);
    // It is gone already.
    check(1, &[(11, Nobody), (11, Others)], &[]);
}

#[test]
fn who_joins_hears_that_it_has_begun() {
    let mut jobs = waiting(1);
    assert!(jobs.join(1, 12).is_none());
    let started = frame(&Reply::Stopping).expect("a frame");
    jobs.get_mut(1).expect("the job").started = Some(started);
    assert!(jobs.join(1, 13).is_some());
    assert!(jobs.join(2, 14).is_none());
    assert_eq!(jobs.get(1).expect("the job").clients, [11, 12, 13]);
}

#[test]
fn a_job_takes_its_new_leaders_names() {
    let mut jobs = waiting(2);
    let name = |jobs: &Jobs| jobs.get(1).map(|job| job.asked.request.name().to_owned());
    assert_eq!(name(&jobs).as_deref(), Some("11"));
    assert_eq!(jobs.leave(1, 11), Left::Led(12));
    jobs.rename(1, asked_to_compile(|one| one.name = "12".to_owned()));
    assert_eq!(name(&jobs).as_deref(), Some("12"));
}
