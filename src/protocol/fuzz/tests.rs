use super::frames::Descriptor;
use super::mutate::{Random, mutate};
use super::*;
use crate::protocol::messages::{
    Cause, Compiled, Cut, Death, Failure, FailureKind, Phase, Piece, Progress, Reply,
};
use crate::signature::{Extension, Function, Parameter, Type};
use crate::types::{CompileTimes, Partition, Position, TargetSpec};
use std::num::NonZeroU32;

fn frame<T: Serialize>(message: &T, descriptor: Descriptor) -> Frame {
    let frame = transport::encode(message).expect("it encodes");
    Frame::new(frame[4..].to_vec(), descriptor)
}

fn plain<T: Serialize>(message: &T) -> Frame {
    frame(message, Descriptor::Nothing)
}

fn compiled() -> Frame {
    let compiled = Reply::Compiled(Compiled {
        image_len: 3,
        object_len: 2,
        triple: "x86_64-pc-linux-gnu".to_owned(),
        cpu: "znver4".to_owned(),
        features: "+avx2".to_owned(),
        functions: vec![Function {
            name: "f".to_owned(),
            result: Type::I32,
            parameters: vec![Parameter {
                ty: Type::Other("i128".to_owned()),
                extension: Extension::Sign,
            }],
            variadic: false,
            convention: "fastcc".to_owned(),
        }],
        warnings: vec!["odd".to_owned()],
        sources: Vec::new(),
        times: CompileTimes::default(),
    });
    frame(&compiled, Descriptor::Sealed)
}

/// What a server says that does as it should, to requests of every kind, and what else it could say.
fn replies() -> Vec<Vec<Frame>> {
    let started = plain(&Reply::Started {
        not_isolated: "the kernel has no Landlock".to_owned(),
    });
    let progress = plain(&Reply::Progress(Progress {
        phase: Phase::Codegen,
        done: 3,
        total: 7,
    }));
    let identified = plain(&Reply::Identified { digest: [9; 32] });
    let failed = plain(&Reply::Failed(Failure {
        kind: FailureKind::Parse,
        message: "expected type".to_owned(),
        input: Some(0),
        position: Some(Position {
            line: 3,
            column: 5,
            source_line: "define x".to_owned(),
        }),
    }));
    let emitted = frame(&Reply::Emitted { len: 5 }, Descriptor::Sealed);
    let cut = Reply::Cut(Cut {
        pieces: vec![Piece {
            name: "f".to_owned(),
            functions: 1,
            instructions: 2,
            len: 3,
        }],
        rest_len: 2,
        natives: vec![0],
        times: CompileTimes::default(),
    });
    let piece = Reply::Piece {
        len: 5,
        times: CompileTimes::default(),
    };
    let died = plain(&Reply::Died(Death {
        signal: 11,
        words: "stack overflow".to_owned(),
        cause: Cause::Time(7),
    }));
    let status = plain(&Reply::Status(Box::default()));
    let stopping = plain(&Reply::Stopping);
    vec![
        vec![started.clone(), compiled()],
        vec![
            progress.clone(),
            started.clone(),
            identified,
            progress.clone(),
            compiled(),
        ],
        vec![started.clone(), failed.clone(), started.clone(), compiled()],
        vec![started.clone(), emitted],
        vec![progress, started.clone(), died, started.clone(), failed],
        vec![
            started.clone(),
            frame(&cut, Descriptor::Sealed),
            started,
            frame(&piece, Descriptor::Sealed),
        ],
        vec![status, stopping],
    ]
}

fn conversations() -> Vec<Vec<Frame>> {
    let request = |choice: u8| {
        let mut request = super::request(choice);
        match &mut request {
            Request::Compile(request) => request.inputs[0].len = PAYLOAD.len() as u64,
            Request::Link(request) => request.inputs[0].len = PAYLOAD.len() as u64,
            Request::Status | Request::Stop { .. } => {}
        }
        request
    };
    let whole = |choice: u8| frame(&request(choice), Descriptor::Sealed);
    let mut other = request(4);
    if let Request::Compile(request) = &mut other {
        request.target = Target::Other(TargetSpec {
            triple: "aarch64-linux-gnu".to_owned(),
            cpu: "cortex-a72".to_owned(),
            features: "+sve".to_owned(),
        });
    }
    let step = |step: Step| {
        let mut request = request(0);
        if let Request::Compile(request) = &mut request {
            request.step = step;
        }
        frame(&request, Descriptor::Sealed)
    };
    let hello = plain(&Hello::ours());
    vec![
        vec![hello.clone(), whole(0), whole(1)],
        vec![
            hello.clone(),
            whole(2),
            plain(&Decision::Compile),
            whole(6),
            plain(&Decision::Stop),
        ],
        vec![
            hello.clone(),
            step(Step::Cut(Partition::Size(NonZeroU32::MIN))),
            step(Step::Piece),
            step(Step::Join { natives: 1 }),
        ],
        vec![
            hello,
            frame(&other, Descriptor::Sealed),
            plain(&Request::Status),
            plain(&Request::Stop { force: true }),
        ],
    ]
}

#[test]
fn what_a_server_says_is_an_answer_or_an_error() {
    let replies = replies();
    // Which choice asks for what the conversation answers, and how many answers it has.
    for (index, choice, expect) in [
        (0, 0, 1),
        (1, 6, 1),
        (2, 0, 2),
        (3, 1, 1),
        (4, 0, 2),
        (5, 0, 2),
    ] {
        assert_eq!(ask(choice, &replies[index]), expect, "{index}");
    }
    let mut random = Random(11);
    let mut answered = 0;
    for _ in 0..6000 {
        let mut frames = replies[random.below(replies.len())].clone();
        mutate(&mut frames, &mut random, true);
        answered += ask(random.next() as u8, &frames);
    }
    assert!(
        answered > 1000,
        "only {answered} were answered: this tests too little"
    );
}

#[test]
fn what_a_client_says_is_a_request_or_an_error() {
    let conversations = conversations();
    for (conversation, expect) in conversations.iter().zip([2, 2, 3, 1]) {
        assert_eq!(hear(conversation), expect);
    }
    let mut random = Random(12);
    let mut whole = 0;
    for _ in 0..6000 {
        let mut frames = conversations[random.below(conversations.len())].clone();
        mutate(&mut frames, &mut random, true);
        whole += hear(&frames);
    }
    assert!(
        whole > 1000,
        "only {whole} came whole: this tests too little"
    );
}

#[test]
fn any_bytes_are_refused() {
    let mut random = Random(13);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..random.below(200))
            .map(|_| random.next() as u8 >> random.below(8))
            .collect();
        reply(&bytes);
        requests(&bytes);
    }
}
