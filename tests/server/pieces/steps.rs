//! Compiles modules in pieces, and looks at what they have become.

use crate::client::{Artifacts, Outcome, Server};
use mgenjit::protocol::messages::{CompileRequest, Cut, Failure, Reply, Request, Step};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::{Input, Partition};
use object::read::archive::ArchiveFile;
use object::read::elf::{ElfFile64, FileHeader, Sym};
use object::{LittleEndian as LE, elf};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// An input and its name.
pub type Named<'a> = (&'a str, &'a [u8]);

/// What a module was cut into.
pub struct Pieces {
    pub cut: Cut,
    pub pieces: Vec<Vec<u8>>,
    pub rest: Vec<u8>,
}

/// Pieces of one function each.
pub const SMALL: Partition = Partition::Size(NonZeroU32::MIN);

pub fn bytes(payload: Option<OwnedFd>, len: u64) -> Vec<u8> {
    let file = payload::check_payload(payload, len).unwrap();
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

pub fn send(server: &Server, request: &CompileRequest, inputs: &[&[u8]]) {
    let payload = payload::seal_inputs(inputs).unwrap();
    let request = Request::Compile(request.clone());
    transport::send(&server.socket, &request, Some(payload.as_fd())).unwrap();
}

pub fn inputs_of(inputs: &[Named<'_>]) -> Vec<Input> {
    let of = |(name, bytes): &Named<'_>| Input {
        name: (*name).to_owned(),
        len: bytes.len() as u64,
    };
    inputs.iter().map(of).collect()
}

pub fn contents<'a>(inputs: &[Named<'a>]) -> Vec<&'a [u8]> {
    inputs.iter().map(|(_, bytes)| *bytes).collect()
}

/// Asks for a module to be cut. An error is what came of it instead.
pub fn cut(
    server: &mut Server,
    about: &CompileRequest,
    inputs: &[Named<'_>],
) -> Result<Pieces, Outcome> {
    let step = match about.step {
        Step::Whole => Step::Cut(SMALL),
        step => step,
    };
    let request = CompileRequest {
        inputs: inputs_of(inputs),
        step,
        ..about.clone()
    };
    send(server, &request, &contents(inputs));
    let (reply, payload) = server.receive().expect("an answer");
    match reply {
        Reply::Cut(cut) => {
            let all = bytes(payload, cut.payload_len().unwrap());
            let mut rest = &all[..];
            let mut pieces = Vec::new();
            for piece in &cut.pieces {
                let (piece, behind) = rest.split_at(piece.len as usize);
                pieces.push(piece.to_vec());
                rest = behind;
            }
            let rest = rest.to_vec();
            Ok(Pieces { cut, pieces, rest })
        }
        Reply::Failed(failure) => Err(Outcome::Failed(failure)),
        Reply::Compiled(reply) => {
            let len = reply.image_len + reply.object_len;
            let all = bytes(payload, len);
            let (image, object) = all.split_at(reply.image_len as usize);
            Err(Outcome::Compiled(Box::new(Artifacts {
                image: image.to_vec(),
                object: object.to_vec(),
                reply,
            })))
        }
        other => panic!("{other:?}"),
    }
}

pub fn compile_piece(
    server: &mut Server,
    about: &CompileRequest,
    piece: &[u8],
) -> Result<Vec<u8>, Failure> {
    let request = CompileRequest {
        inputs: inputs_of(&[("piece", piece)]),
        keep: None,
        step: Step::Piece,
        ..about.clone()
    };
    send(server, &request, &[piece]);
    match server.receive().expect("an answer") {
        (Reply::Piece { len, .. }, payload) => Ok(bytes(payload, len)),
        (Reply::Failed(failure), None) => Err(failure),
        other => panic!("{other:?}"),
    }
}

pub fn join(
    server: &mut Server,
    about: &CompileRequest,
    natives: &[Named<'_>],
    rest: &[u8],
    objects: &[Vec<u8>],
) -> Outcome {
    let mut inputs = vec![("rest", rest)];
    inputs.extend_from_slice(natives);
    inputs.extend(objects.iter().map(|object| ("object", object.as_slice())));
    let request = Request::Compile(CompileRequest {
        inputs: inputs_of(&inputs),
        step: Step::Join {
            natives: natives.len() as u32,
        },
        ..about.clone()
    });
    server.request(&request, &contents(&inputs))
}

/// Compiles in pieces.
pub fn in_pieces(server: &mut Server, about: &CompileRequest, inputs: &[Named<'_>]) -> Artifacts {
    let pieces = match cut(server, about, inputs) {
        Ok(pieces) => pieces,
        Err(other) => panic!("{} is not cut: {other:?}", about.name),
    };
    assert!(pieces.pieces.len() > 1, "{}", about.name);
    let mut objects = vec![Vec::new(); pieces.pieces.len()];
    // In any order.
    for (index, piece) in pieces.pieces.iter().enumerate().rev() {
        objects[index] = compile_piece(server, about, piece).unwrap();
    }
    let natives: Vec<Named<'_>> = (pieces.cut.natives.iter())
        .map(|index| inputs[*index as usize])
        .collect();
    join(server, about, &natives, &pieces.rest, &objects).unwrap_compiled()
}

pub fn whole(server: &mut Server, about: &CompileRequest, inputs: &[Named<'_>]) -> Artifacts {
    let request = Request::Compile(CompileRequest {
        inputs: inputs_of(inputs),
        ..about.clone()
    });
    server
        .request(&request, &contents(inputs))
        .unwrap_compiled()
}

/// A line for each symbol that a file defines for others, sorted: its name, binding, visibility and kind.
pub fn symbols(file: &[u8]) -> Vec<String> {
    let file = ElfFile64::<LE>::parse(file).expect("an ELF file");
    let kind = match file.elf_header().e_type(LE) {
        elf::ET_DYN => elf::SHT_DYNSYM,
        _ => elf::SHT_SYMTAB,
    };
    let sections = file.elf_section_table();
    let table = sections.symbols(LE, file.data(), kind).expect("symbols");
    let mut lines: Vec<String> = table
        .iter()
        .filter(|symbol| symbol.st_bind() != elf::STB_LOCAL && !symbol.is_undefined(LE))
        .map(|symbol| {
            let name = String::from_utf8_lossy(symbol.name(LE, table.strings()).unwrap());
            let (bind, kind) = (symbol.st_bind(), symbol.st_type());
            format!("{name} {bind:?} {:?} {kind:?}", symbol.st_visibility())
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// The members of an archive, by name; an object is its only one.
pub fn members(object: &[u8]) -> Vec<(String, Vec<u8>)> {
    if object.starts_with(b"\x7fELF") {
        return vec![("module.o".to_owned(), object.to_vec())];
    }
    let archive = ArchiveFile::parse(object).unwrap();
    archive
        .members()
        .map(|member| {
            let member = member.unwrap();
            let name = String::from_utf8(member.name().to_vec()).unwrap();
            (name, member.data(object).unwrap().to_vec())
        })
        .collect()
}

/// Compiles in pieces and as a whole, and has both be the same to whoever uses them. Returns what the pieces became.
pub fn check(server: &mut Server, about: &CompileRequest, inputs: &[Named<'_>]) -> Artifacts {
    let expect = whole(server, about, inputs);
    let made = in_pieces(server, about, inputs);
    let again = in_pieces(&mut Server::start(), about, inputs);
    let name = &about.name;
    assert!(
        made.image == again.image && made.object == again.object,
        "{name}"
    );
    let functions = |artifacts: &Artifacts| {
        let all = artifacts.reply.functions.iter();
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(functions(&made), functions(&expect), "{name}");
    assert_eq!(made.reply.warnings, expect.reply.warnings, "{name}");
    assert_eq!(made.image.is_empty(), expect.image.is_empty(), "{name}");
    if !made.image.is_empty() {
        assert_eq!(symbols(&made.image), symbols(&expect.image), "{name}");
    }
    let (made_members, expect_members) = (members(&made.object), members(&expect.object));
    assert_eq!(made_members.len(), expect_members.len(), "{name}");
    for ((member, bytes), (expect, expect_bytes)) in made_members.iter().zip(&expect_members) {
        assert_eq!(member, expect, "{name}");
        match member.as_str() {
            "module.o" => assert_eq!(symbols(bytes), symbols(expect_bytes), "{name}"),
            _ => assert!(bytes == expect_bytes, "{name}: {member}"),
        }
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("mgenjit.piece"), "{name}: {member}");
    }
    let image = String::from_utf8_lossy(&made.image);
    assert!(!image.contains("mgenjit.piece"), "{name}");
    made
}
