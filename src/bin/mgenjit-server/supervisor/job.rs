//! A request that clients wait for, and when two are one.

use super::connection::Frame;
use crate::input::buffer::Input;
use mgenjit::protocol::messages::{CompileRequest, LinkRequest, Phase, Progress, Request};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::TransportError;
use mgenjit::types::{self, Input as About};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

/// What a client asked for.
pub struct Asked {
    pub request: Request,
    /// The inputs, sealed.
    payload: File,
    len: u64,
    /// Bytes of memory that it takes, or so.
    pub size: usize,
}

/// What one worker does for one or more clients.
pub struct Job {
    pub asked: Rc<Asked>,
    /// Whose turn it was when it came.
    pub process: u32,
    /// Those that wait, the one that is asked first at the front.
    pub clients: Vec<u64>,
    /// What its worker has said so far.
    pub started: Option<Frame>,
    pub digest: Option<[u8; 32]>,
    pub progress: Progress,
    pub since: Instant,
}

/// The end of a job.
pub struct Outcome {
    pub end: End,
    pub frame: Frame,
    pub digest: Option<[u8; 32]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Compiled,
    /// An error, with names in it.
    Failed,
    Died,
}

/// Longer inputs are not compared: everybody waits meanwhile, and what is missing in a file is made.
const MOST_COMPARED: u64 = 64 << 20;

impl Asked {
    /// `body`: what the request was decoded from.
    pub fn new(
        request: Request,
        payload: Option<OwnedFd>,
        body: &[u8],
    ) -> Result<Asked, TransportError> {
        let (_, len) = types::layout(request.inputs()).ok_or(TransportError::TooLong(u64::MAX))?;
        let payload = payload::check_payload(payload, len)?;
        let kept = match &request {
            Request::Compile(CompileRequest {
                keep: Some(keep), ..
            }) => keep.len(),
            _ => 0,
        };
        let size = body.len() + kept * size_of::<String>() + size_of_val(request.inputs());
        Ok(Asked {
            request,
            payload,
            len,
            size,
        })
    }

    /// To be sent to a worker, which may take so much memory; 0: as much as there is.
    pub fn frame(&self, max_memory: u64) -> Result<Frame, TransportError> {
        let payload = self.payload.try_clone()?;
        let mut request = self.request.clone();
        if let Request::Compile(request) = &mut request {
            request.progress = true;
            request.max_memory = least(request.max_memory, max_memory);
        }
        Frame::new(&request, Some(Rc::new(payload.into())))
    }

    /// Whether what limits its memory, if that may be so much, is this and not what the client wants.
    pub fn is_limited_by(&self, max_memory: u64) -> bool {
        match &self.request {
            Request::Compile(request) => {
                let own = request.max_memory;
                max_memory > 0 && (own == 0 || max_memory < own)
            }
            _ => false,
        }
    }

    /// Whether the client wants to hear how far it is.
    pub fn wants_progress(&self) -> bool {
        matches!(
            self.request,
            Request::Compile(CompileRequest { progress: true, .. })
        )
    }

    /// What the cache calls it.
    pub fn key(&self) -> Option<String> {
        match &self.request {
            Request::Compile(request) => Some(blake3::Hash::from(request.key).to_hex().to_string()),
            _ => None,
        }
    }

    /// Which step of a compile it is, if there are several.
    pub fn step(&self) -> Option<&'static str> {
        match &self.request {
            Request::Compile(request) => request.step.name(),
            _ => None,
        }
    }

    /// Whether both will be answered with the same bytes, if it is not with an error.
    pub fn is_same(&self, theirs: &Asked) -> bool {
        let same_lens = |one: &[About], other: &[About]| {
            one.iter()
                .map(|input| input.len)
                .eq(other.iter().map(|input| input.len))
        };
        let same = match (&self.request, &theirs.request) {
            (Request::Compile(one), Request::Compile(other)) => {
                let CompileRequest {
                    name: _,
                    key: _,
                    opt_level,
                    target,
                    identify,
                    progress: _,
                    inputs,
                    keep,
                    emit,
                    step,
                    replaceable,
                    switchable,
                    max_memory,
                } = one;
                *opt_level == other.opt_level
                    && *target == other.target
                    && *identify == other.identify
                    && same_lens(inputs, &other.inputs)
                    && *keep == other.keep
                    && *emit == other.emit
                    && *step == other.step
                    && *replaceable == other.replaceable
                    && *switchable == other.switchable
                    && *max_memory == other.max_memory
            }
            (Request::Link(one), Request::Link(other)) => {
                let LinkRequest {
                    name: _,
                    target,
                    output,
                    inputs,
                    libraries,
                } = one;
                *target == other.target
                    && *output == other.output
                    && same_lens(inputs, &other.inputs)
                    && *libraries == other.libraries
                    // The linker is told the names.
                    && self.has_names_of(theirs)
            }
            _ => false,
        };
        same && self.has_bytes_of(theirs)
    }

    /// Whether errors would be the same too: they have names in them.
    pub fn has_names_of(&self, other: &Asked) -> bool {
        self.request.name() == other.request.name()
            && self
                .request
                .inputs()
                .iter()
                .map(|input| &input.name)
                .eq(other.request.inputs().iter().map(|input| &input.name))
    }

    fn has_bytes_of(&self, other: &Asked) -> bool {
        if self.len > MOST_COMPARED {
            return false;
        }
        let (Ok(one), Ok(other)) = (
            Input::map(&self.payload, 0, self.len),
            Input::map(&other.payload, 0, other.len),
        ) else {
            return false;
        };
        one.bytes() == other.bytes()
    }
}

/// The lower one of two limits, of which 0 is none.
fn least(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

impl Job {
    pub fn new(asked: Rc<Asked>, process: u32, client: u64) -> Job {
        Job {
            asked,
            process,
            clients: vec![client],
            started: None,
            digest: None,
            progress: Progress {
                phase: Phase::Queue,
                done: 0,
                total: 0,
            },
            since: Instant::now(),
        }
    }
}
