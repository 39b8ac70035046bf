//! Signatures as C declares them.

use crate::signature::{Extension, Function, Type};

/// The C prototype, as `int64_t add(int64_t, int64_t);`. `None` for a function that C cannot declare: its name is
/// no identifier of C, or a type or its calling convention has no portable form.
///
/// The IR does not say what is signed, but for a narrow parameter that is extended. Pointers are `void *`.
pub fn c_prototype(function: &Function) -> Option<String> {
    // Arguments that nothing describes: what `()` means before C23.
    prototype(function, "_Bool", "")
}

/// The same with another word for a truth value and for arguments that nothing describes.
pub fn prototype(function: &Function, boolean: &'static str, anything: &str) -> Option<String> {
    if !is_identifier(&function.name) || !function.convention.is_empty() {
        return None;
    }
    let mut parameters = function
        .parameters
        .iter()
        .map(|parameter| c_type(&parameter.ty, parameter.extension, boolean))
        .collect::<Option<Vec<&str>>>()?;
    match (function.variadic, parameters.is_empty()) {
        (true, true) => parameters.push(anything),
        (true, false) => parameters.push("..."),
        (false, true) => parameters.push("void"),
        (false, false) => {}
    }
    let result = c_type(&function.result, Extension::None, boolean)?;
    let space = if result.ends_with('*') { "" } else { " " };
    Some(format!(
        "{result}{space}{}({});",
        function.name,
        parameters.join(", ")
    ))
}

fn c_type(ty: &Type, extension: Extension, boolean: &'static str) -> Option<&'static str> {
    let unsigned = extension == Extension::Zero;
    Some(match ty {
        Type::Void => "void",
        Type::I1 => boolean,
        Type::I8 if unsigned => "uint8_t",
        Type::I8 => "int8_t",
        Type::I16 if unsigned => "uint16_t",
        Type::I16 => "int16_t",
        Type::I32 if unsigned => "uint32_t",
        Type::I32 => "int32_t",
        Type::I64 if unsigned => "uint64_t",
        Type::I64 => "int64_t",
        Type::Float => "float",
        Type::Double => "double",
        Type::Pointer => "void *",
        Type::Other(_) => return None,
    })
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !KEYWORDS.contains(&name)
}

/// Of C23 and of C++, in which a prototype may be read as well.
const KEYWORDS: [&str; 85] = [
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "const_cast",
    "constexpr",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Parameter;

    fn check(
        name: &str,
        result: Type,
        parameters: &[(Type, Extension)],
        variadic: bool,
        expect: Option<&str>,
    ) {
        let function = Function {
            name: name.to_owned(),
            result,
            parameters: parameters
                .iter()
                .map(|(ty, extension)| Parameter {
                    ty: ty.clone(),
                    extension: *extension,
                })
                .collect(),
            variadic,
            convention: String::new(),
        };
        assert_eq!(c_prototype(&function).as_deref(), expect);
    }

    #[test]
    fn prototypes_are_those_of_c() {
        let plain = |ty| (ty, Extension::None);
        let two = [plain(Type::I64), plain(Type::Pointer)];
        check(
            "f",
            Type::I64,
            &two,
            false,
            Some("int64_t f(int64_t, void *);"),
        );
        check("f", Type::Pointer, &[], false, Some("void *f(void);"));
        check(
            "f",
            Type::Void,
            &[plain(Type::Double)],
            true,
            Some("void f(double, ...);"),
        );
        check("f", Type::Float, &[], true, Some("float f();"));
        let byte = [(Type::I8, Extension::Zero), (Type::I1, Extension::Zero)];
        check(
            "_f1",
            Type::I1,
            &byte,
            false,
            Some("_Bool _f1(uint8_t, _Bool);"),
        );
        check("f", Type::Other("i128".to_owned()), &[], false, None);
        for name in ["a.b", "1f", "", "int", "operator", "é"] {
            check(name, Type::Void, &[], false, None);
        }
    }

    #[test]
    fn keywords_are_sorted_and_once() {
        assert!(KEYWORDS.is_sorted());
        assert!(KEYWORDS.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
