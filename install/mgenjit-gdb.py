# gdb commands for processes and core files with code that libmgenjit compiled.
#
# A debugger that starts a program needs none of this: it is told of compiled code. A debugger that attaches, or reads a
# core file, is told of it only if the program ran with MGENJIT_DEBUG=1 (or mgenjit_config_set_debug). Otherwise:
#
#   (gdb) source mgenjit-gdb.py
#   (gdb) mgenjit load          reads the symbols of all compiled code
#   (gdb) mgenjit list          lists it
#
# Symbols come from the cache's files, where the program has any, and from its memory otherwise.

import atexit
import os
import struct
import tempfile

import gdb

# Of the structures in src/debug/registry.rs.
VERSION = 2
# base, length; name, directory, path, rest: address and length each; offset of the rest, length of the file; device, inode,
# where in the file it begins; what it was announced as.
RECORD = struct.Struct("<16Q")


def read(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length)) if length else b""


class Image:
    def __init__(self, fields):
        (self.base, self.len, name, name_len, directory, directory_len, path, path_len, rest, rest_len, self.rest_offset,
         self.file_len, _, _, self.file_at, self.announced) = fields
        self.name = read(name, name_len).decode("utf-8", "replace")
        self.path = os.fsdecode(os.path.join(read(directory, directory_len), read(path, path_len)))
        self.rest = (rest, rest_len)

    def file(self):
        """The file that has its symbols."""
        if self.path and os.path.exists(self.path):
            # gdb reads no file from its middle on.
            return self.path if self.file_at == 0 else self.part()
        return self.rebuilt()

    def part(self):
        """As `file`, of a file with other images in it."""
        with open(self.path, "rb") as file:
            file.seek(self.file_at)
            return self.temporary(file.read(self.file_len))

    def rebuilt(self):
        """As `file`, from memory: the loaded segments, and what the library keeps beside them."""
        header = read(self.base, 64)
        if header[:4] != b"\x7fELF":
            raise gdb.GdbError("mgenjit: %s: there is no image at %#x" % (self.name, self.base))
        (offset,) = struct.unpack_from("<Q", header, 32)
        (count,) = struct.unpack_from("<H", header, 56)
        content = bytearray(self.file_len)
        for index in range(count):
            kind, _, start, address, _, length = struct.unpack_from(
                "<IIQQQQ", read(self.base + offset + 56 * index, 56))
            if kind == 1:
                content[start:start + length] = read(self.base + address, length)
        content[self.rest_offset:self.rest_offset + self.rest[1]] = read(*self.rest)
        if not self.rest[1]:
            # The section headers are not in memory, and gdb would look for them.
            content[40:48] = bytes(8)
            content[58:64] = bytes(6)
        return self.temporary(content)

    @staticmethod
    def temporary(content):
        with tempfile.NamedTemporaryFile(prefix="mgenjit-", suffix=".so", delete=False) as file:
            file.write(content)
        atexit.register(os.unlink, file.name)
        return file.name


def images():
    try:
        start = int(gdb.parse_and_eval("(unsigned long) &__mgenjit_images"))
    except gdb.error:
        raise gdb.GdbError("mgenjit: there is no libmgenjit in this program") from None
    version, offset, record = struct.unpack("<IIQ", read(start, 16))
    if version != VERSION:
        raise gdb.GdbError("mgenjit: this file is for another version of libmgenjit: use the one installed with it")
    while record:
        (following,) = struct.unpack("<Q", read(record, 8))
        yield Image(RECORD.unpack(read(record + offset, RECORD.size)))
        record = following


class Mgenjit(gdb.Command):
    """Code that libmgenjit compiled."""

    def __init__(self):
        super().__init__("mgenjit", gdb.COMMAND_FILES, prefix=True)


class Load(gdb.Command):
    """Reads the symbols of all compiled code."""

    # Of each program, by the number that gdb gives it.
    loaded = {}

    def __init__(self):
        super().__init__("mgenjit load", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        inferior = gdb.selected_inferior()
        loaded = self.loaded.setdefault((inferior.num, inferior.pid), set())
        count = 0
        for image in list(images()):
            # What was announced gdb knows already.
            if image.announced or image.base in loaded:
                continue
            try:
                add(image.file(), image.base)
            except (gdb.error, OSError) as error:
                print("mgenjit: %s: %s" % (image.name, error))
                continue
            loaded.add(image.base)
            count += 1
        print("mgenjit: symbols of %d modules read" % count)


def add(path, base):
    """As the user's own add-symbol-file, without its question."""
    confirm = gdb.parameter("confirm")
    gdb.execute("set confirm off", to_string=True)
    try:
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        gdb.execute('add-symbol-file "%s" -o %#x' % (quoted, base), to_string=True)
    finally:
        gdb.execute("set confirm %s" % ("on" if confirm else "off"), to_string=True)


class List(gdb.Command):
    """Lists all compiled code: where it lies, its module's name, and its file."""

    def __init__(self):
        super().__init__("mgenjit list", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        for image in images():
            print("%#x-%#x %s%s" % (
                image.base, image.base + image.len, image.name, " " + image.path if image.path else ""))


Mgenjit()
Load()
List()
