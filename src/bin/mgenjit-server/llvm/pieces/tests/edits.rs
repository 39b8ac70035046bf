//! What an edit changes, and what nothing changes.

use super::*;

/// A function, and what its own static, string and type are like.
struct Part {
    function: String,
    own: usize,
}

/// A module of some functions that share nothing but calls, none of which is inlined. `edit` may change its parts before it is written.
fn program(edit: impl Fn(&mut Vec<Part>)) -> String {
    let mut parts = Vec::new();
    for number in 0..40 {
        let next = (number + 1) % 40;
        let far = (number * 7 + 3) % 40;
        let function = format!(
            "define internal i32 @f{number}(i32 %a) noinline {{
                %c = load i32, ptr @STATIC
                call void @puts(ptr @STRING)
                %x = add i32 %a, %c
                %s = alloca %struct.TYPE
                store i32 %x, ptr %s
                %r = call i32 @f{next}(i32 %x)
                %t = call i32 @f{far}(i32 %r)
                store i32 %t, ptr @STATIC
                ret i32 %t
            }}"
        );
        parts.push(Part {
            function,
            own: number,
        });
    }
    edit(&mut parts);
    let mut text = String::from("declare void @puts(ptr)\n@table = global [1 x ptr] [ptr @f0]\n");
    for (number, Part { function, own }) in parts.iter().enumerate() {
        // As front ends number them: by all that there is.
        let of_static = format!("count.{}", number * 3);
        let function = function
            .replace("STATIC", &of_static)
            .replace("STRING", &format!(".str.{number}"))
            .replace("TYPE", &format!("anon.{number}"));
        text.push_str(&format!(
            "%struct.anon.{number} = type {{ i32, i{} }}
            @{of_static} = internal global i32 {own}
            @.str.{number} = private unnamed_addr constant [2 x i8] c\"{}\\00\"
            {function}\n",
            8 << (own % 3),
            own % 10
        ));
    }
    text
}

fn cut_to(ir: &str, size: u32) -> Vec<Vec<u8>> {
    let pieces = pieces_of(ir.as_bytes(), OptLevel::O2, size);
    pieces.into_iter().map(|piece| piece.bitcode).collect()
}

/// At most so many pieces are new after an edit.
fn check(size: u32, most: usize, edit: impl Fn(&mut Vec<Part>)) {
    let before = cut_to(&program(|_| ()), size);
    let after = cut_to(&program(edit), size);
    let new = after.iter().filter(|piece| !before.contains(piece)).count();
    assert!(new <= most, "{new} of {} pieces are new", after.len());
    assert!(new > 0, "the edit changes nothing");
}

#[test]
fn text_and_bitcode_give_equal_pieces() {
    let text = program(|_| ());
    let machine = machine(OptLevel::O2);
    let context = Context::create();
    let bitcode = read(&context, text.as_bytes(), &machine).write_bitcode_to_memory();
    for size in [1, 30, 100] {
        let of_text = cut_to(&text, size);
        let pieces = pieces_of(bitcode.as_slice(), OptLevel::O2, size);
        let of_bitcode: Vec<_> = pieces.into_iter().map(|piece| piece.bitcode).collect();
        assert!(of_text.len() > 1);
        assert_eq!(of_text, of_bitcode, "{size}");
        assert_eq!(of_text, cut_to(&text, size), "{size}");
    }
}

#[test]
fn an_edit_leaves_other_pieces_as_they_are() {
    let new = "define void @new() noinline { %s = alloca %struct.TYPE store ptr @STRING, ptr @STATIC ret void }";
    let new = || Part {
        function: new.to_owned(),
        own: 50,
    };
    for at in [0, 21, 40] {
        // The first piece also has what belongs to none.
        check(1, 2, |parts| parts.insert(at, new()));
        check(40, 3, |parts| parts.insert(at, new()));
    }
    for at in [0, 17, 39] {
        check(1, 1, |parts| parts[at].own += 30);
        check(1, 1, |parts| {
            parts[at].function = parts[at].function.replace("add", "mul");
        });
    }
}
