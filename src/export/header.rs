//! C headers: a prototype for each function that C can declare.

use super::archive::member_name;
use crate::prototype::prototype;
use crate::signature::Function;
use std::collections::HashSet;

/// The header of functions, each once, of a library or a module of this name.
pub fn write(name: &str, functions: &[Function]) -> String {
    let mut declared = String::new();
    let mut others = String::new();
    let mut seen = HashSet::new();
    for function in functions {
        if !seen.insert(function.name.as_str()) {
            continue;
        }
        match declaration(function) {
            Some(declaration) => declared.push_str(&declaration),
            // A name in quotes may hold what ends a comment, or begins one.
            None => others.push_str(&format!(
                " *   {}\n",
                function.to_string().replace('*', "\\2A")
            )),
        }
    }
    if seen.is_empty() {
        others.push_str(
            "\n/* The signatures of functions are known of IR alone, and there is none. */\n",
        );
    } else if !others.is_empty() {
        others = format!(
            "\n/*\n * Not declared here: what C cannot name or type, and what it declares by itself:\n{others} */\n"
        );
    }
    if !declared.is_empty() {
        declared.insert(0, '\n');
    }
    let guard = guard(name);
    format!(
        "#ifndef {guard}\n#define {guard}\n\n\
         #include <stdbool.h>\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\
         {declared}{others}\n\
         #ifdef __cplusplus\n}}\n#endif\n\n\
         #endif\n"
    )
}

fn declaration(function: &Function) -> Option<String> {
    if !may_be_declared(&function.name) {
        return None;
    }
    let plain = prototype(function, "bool", "")?;
    if !function.variadic || !function.parameters.is_empty() {
        return Some(format!("{plain}\n"));
    }
    let variadic = prototype(function, "bool", "...")?;
    Some(format!(
        "#if defined __cplusplus || (defined __STDC_VERSION__ && __STDC_VERSION__ >= 202311L)\n\
         {variadic}\n#else\n{plain}\n#endif\n"
    ))
}

/// `main` belongs to the program. The others are macros or keywords in a header.
fn may_be_declared(name: &str) -> bool {
    let of_header = name.ends_with("_t") && (name.starts_with("int") || name.starts_with("uint"));
    let macro_like =
        name.starts_with('_') && name[1..].starts_with(|c: char| c.is_ascii_uppercase());
    name != "main" && !of_header && !macro_like
}

fn guard(name: &str) -> String {
    let stem = member_name(name);
    let stem = stem.strip_suffix(".o").unwrap_or(&stem);
    let letters: String = stem
        .chars()
        .map(|one| match one {
            one if one.is_ascii_alphanumeric() => one.to_ascii_uppercase(),
            _ => '_',
        })
        .collect();
    let guard = format!("{}_H", letters.trim_matches('_'));
    // Names that begin with an underscore and a capital are the compiler's, and none begins with a digit.
    if guard.starts_with(|first: char| first.is_ascii_alphabetic()) {
        guard
    } else {
        format!("MODULE_{}", guard.trim_start_matches('_'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{Extension, Parameter, Type};

    fn function(name: &str, result: Type, parameters: &[Type], variadic: bool) -> Function {
        let parameter = |ty: &Type| Parameter {
            ty: ty.clone(),
            extension: Extension::None,
        };
        Function {
            name: name.to_owned(),
            result,
            parameters: parameters.iter().map(parameter).collect(),
            variadic,
            convention: String::new(),
        }
    }

    #[test]
    fn functions_are_declared_once_and_the_others_listed() {
        let functions = [
            function("add", Type::I64, &[Type::I64, Type::I1], false),
            function("any", Type::Void, &[], true),
            function("add", Type::I64, &[Type::I64, Type::I1], false),
            function("a*/b", Type::I32, &[], false),
            function("main", Type::I32, &[], false),
            function("int8_t", Type::I32, &[], false),
            function("_Bool", Type::I32, &[], false),
        ];
        let expect = "#ifndef ANSWER_H\n#define ANSWER_H\n\n#include <stdbool.h>\n#include <stdint.h>\n\n\
            #ifdef __cplusplus\nextern \"C\" {\n#endif\n\n\
            int64_t add(int64_t, bool);\n\
            #if defined __cplusplus || (defined __STDC_VERSION__ && __STDC_VERSION__ >= 202311L)\n\
            void any(...);\n#else\nvoid any();\n#endif\n\n\
            /*\n * Not declared here: what C cannot name or type, and what it declares by itself:\n *   i32 @\"a\\2A/b\"()\n *   i32 @main()\n *   i32 @int8_t()\n\
            \x20*   i32 @_Bool()\n */\n\n\
            #ifdef __cplusplus\n}\n#endif\n\n#endif\n";
        assert_eq!(write("some/answer.ll", &functions), expect);
    }

    #[test]
    fn guards_are_identifiers() {
        fn check(name: &str, expect: &str) {
            assert_eq!(guard(name), expect);
        }
        check("libanswer.so", "LIBANSWER_H");
        check("answer.ll", "ANSWER_H");
        check("1st.ll", "MODULE_1ST_H");
        check("_x.ll", "X_H");
        check("é.ll", "MODULE_H");
        check("", "MODULE_H");
    }
}
