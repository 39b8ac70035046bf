//! The archive that stands for the object when more than the module's own was linked.

use crate::input::object_file;
use crate::link::images::Object;
use crate::link::objects::NativeInputs;
use ar_archive_writer::{ArchiveKind, ObjectReader};
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::io;

/// A GNU archive of the module's object, of all objects that are linked to it, and of the helpers that these need, the
/// same whenever it is made.
pub fn archive(
    module: Option<&Vec<u8>>,
    natives: &NativeInputs,
    helpers: &[Object],
) -> Result<Vec<u8>, Failure> {
    let module = module.map(|bytes| ("module.o".to_owned(), bytes.as_slice()));
    let helpers = helpers
        .iter()
        .map(|one| (format!("{}.o", one.name), (*one.bytes).as_ref()));
    let members = module.into_iter().chain(natives.members()).chain(helpers);
    mgenjit::archive::write(members, ArchiveKind::Gnu, &READER).map_err(|error| {
        Failure::new(
            FailureKind::Link,
            format!("the objects cannot be put into an archive: {error}"),
        )
    })
}

/// Reads objects as all else here does, which has seen them before; the crate's own reader panics at some.
static READER: ObjectReader = ObjectReader {
    get_symbols,
    is_64_bit_object_file: |_| true,
    is_ec_object_file: |_| false,
    is_any_arm64_coff: |_| false,
    get_xcoff_member_alignment: |_| 2,
};

fn get_symbols(object: &[u8], found: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    let object = object_file::read(object, None).map_err(io::Error::other)?;
    for definition in &object.symbols.defined {
        found(definition.name.as_bytes())?;
    }
    Ok(true)
}
