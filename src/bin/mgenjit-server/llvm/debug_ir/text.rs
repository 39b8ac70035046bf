//! Where each instruction is in the text of a module.
//!
//! LLVM's C API doesn't say where it read an instruction. But the parser keeps the order of what is in a function, so it
//! is enough to find where each begins, and to compare that with the module: see `places`.

use crate::llvm::debug_ir::tokens::{Name, Place, Token, Tokens};
use inkwell::llvm_sys::LLVMOpcode;
use std::collections::VecDeque;

/// The definition of a function.
#[derive(Debug)]
pub struct Definition {
    /// `None`: it has a number in place of a name.
    pub name: Option<Vec<u8>>,
    pub place: Place,
    pub instructions: Vec<Instruction>,
}

#[derive(Debug)]
pub struct Instruction {
    pub place: Place,
    pub opcode: LLVMOpcode,
    /// The name of its value, if that is no number.
    pub name: Option<Vec<u8>>,
    /// The number of its value, if the text has one.
    pub number: Option<u32>,
    /// Whether it calls an intrinsic, of which the parser may make other instructions.
    pub is_intrinsic: bool,
}

/// The definitions of a text that LLVM could parse, in its order.
pub fn definitions(text: &[u8]) -> Vec<Definition> {
    let mut reader = Reader {
        tokens: Tokens::new(text),
        ahead: VecDeque::new(),
    };
    let mut definitions = Vec::new();
    while let Some((token, place)) = reader.next() {
        if token == Token::Word(b"define") {
            definitions.extend(reader.definition(place));
        }
    }
    definitions
}

struct Reader<'text> {
    tokens: Tokens<'text>,
    /// What was looked at and not taken.
    ahead: VecDeque<(Token<'text>, Place)>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Option<(Token<'text>, Place)> {
        self.ahead.pop_front().or_else(|| self.tokens.next())
    }

    /// The token that comes after `count` others.
    fn peek(&mut self, count: usize) -> Option<Token<'text>> {
        while self.ahead.len() <= count {
            let token = self.tokens.next()?;
            self.ahead.push_back(token);
        }
        Some(self.ahead[count].0)
    }

    /// Reads on from behind `define`.
    fn definition(&mut self, place: Place) -> Option<Definition> {
        let mut name = None;
        let mut depth = 0_usize;
        loop {
            match self.next()?.0 {
                Token::Global(found) if name.is_none() => name = Some(found),
                Token::Sign(b'{') if depth == 0 && name.is_some() && self.is_body() => break,
                Token::Sign(sign) => depth = inside(depth, sign),
                _ => {}
            }
        }
        Some(Definition {
            name: name?.decoded(),
            place,
            instructions: self.body(),
        })
    }

    /// Whether what follows a brace are instructions: a type or a constant may have braces too.
    fn is_body(&mut self) -> bool {
        match self.peek(0) {
            Some(Token::Label | Token::Hash) => true,
            Some(Token::Word(word)) => opcode(word).is_some() || is_tail_mark(word),
            Some(Token::Local(_)) => self.peek(1) == Some(Token::Sign(b'=')),
            _ => false,
        }
    }

    /// Reads instructions up to the brace that closes the function.
    fn body(&mut self) -> Vec<Instruction> {
        let mut instructions: Vec<Instruction> = Vec::new();
        let mut depth = 0_usize;
        // What stands before an instruction's opcode.
        let mut value: Option<(Name<'text>, Place)> = None;
        let mut mark: Option<Place> = None;
        let mut names_operation = false;
        while let Some((token, place)) = self.next() {
            match token {
                Token::Sign(b'}') if depth == 0 => break,
                Token::Sign(sign) => depth = inside(depth, sign),
                _ if depth > 0 => {}
                Token::Local(name) if self.peek(0) == Some(Token::Sign(b'=')) => {
                    value = Some((name, place));
                }
                Token::Word(word) if is_tail_mark(word) => mark = Some(place),
                Token::Word(b"atomicrmw") => {
                    instructions.push(Instruction::new(
                        LLVMOpcode::LLVMAtomicRMW,
                        value.take(),
                        place,
                    ));
                    names_operation = true;
                }
                // The operation of an `atomicrmw` has the name of another instruction.
                Token::Word(b"volatile") if names_operation => {}
                Token::Word(_) if names_operation => names_operation = false,
                Token::Word(word) => {
                    if let Some(opcode) = opcode(word)
                        && (value.is_some() || !self.is_expression())
                    {
                        let place = mark.take().unwrap_or(place);
                        instructions.push(Instruction::new(opcode, value.take(), place));
                    }
                }
                Token::Global(name) => {
                    let (Name::Plain(name) | Name::Quoted(name)) = name;
                    if let Some(last) = instructions.last_mut() {
                        last.is_intrinsic |=
                            last.opcode == LLVMOpcode::LLVMCall && name.starts_with(b"llvm.");
                    }
                }
                Token::Label | Token::Local(_) | Token::Hash | Token::Other => {}
            }
        }
        instructions
    }

    /// Whether the operation that was just read is part of a constant: its operands are in parentheses.
    fn is_expression(&mut self) -> bool {
        let mut count = 0;
        loop {
            match self.peek(count) {
                Some(Token::Sign(b'(')) => return true,
                Some(Token::Word(
                    b"nuw" | b"nsw" | b"nusw" | b"inbounds" | b"exact" | b"inrange",
                )) => count += 1,
                _ => return false,
            }
        }
    }
}

impl Instruction {
    fn new(opcode: LLVMOpcode, value: Option<(Name<'_>, Place)>, place: Place) -> Instruction {
        Instruction {
            place: value.map_or(place, |(_, place)| place),
            opcode,
            name: value.and_then(|(name, _)| name.decoded()),
            number: value.and_then(|(name, _)| name.number()),
            is_intrinsic: false,
        }
    }
}

/// How deep it is in brackets behind a sign.
fn inside(depth: usize, sign: u8) -> usize {
    match sign {
        b'(' | b'[' | b'{' => depth + 1,
        b')' | b']' | b'}' => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Whether a word stands before `call`.
fn is_tail_mark(word: &[u8]) -> bool {
    matches!(word, b"tail" | b"musttail" | b"notail")
}

/// The opcode of a name.
fn opcode(word: &[u8]) -> Option<LLVMOpcode> {
    use LLVMOpcode::*;
    Some(match word {
        b"ret" => LLVMRet,
        b"br" => LLVMBr,
        b"switch" => LLVMSwitch,
        b"indirectbr" => LLVMIndirectBr,
        b"invoke" => LLVMInvoke,
        b"unreachable" => LLVMUnreachable,
        b"callbr" => LLVMCallBr,
        b"resume" => LLVMResume,
        b"cleanupret" => LLVMCleanupRet,
        b"catchret" => LLVMCatchRet,
        b"catchpad" => LLVMCatchPad,
        b"cleanuppad" => LLVMCleanupPad,
        b"catchswitch" => LLVMCatchSwitch,
        b"landingpad" => LLVMLandingPad,
        b"fneg" => LLVMFNeg,
        b"add" => LLVMAdd,
        b"fadd" => LLVMFAdd,
        b"sub" => LLVMSub,
        b"fsub" => LLVMFSub,
        b"mul" => LLVMMul,
        b"fmul" => LLVMFMul,
        b"udiv" => LLVMUDiv,
        b"sdiv" => LLVMSDiv,
        b"fdiv" => LLVMFDiv,
        b"urem" => LLVMURem,
        b"srem" => LLVMSRem,
        b"frem" => LLVMFRem,
        b"shl" => LLVMShl,
        b"lshr" => LLVMLShr,
        b"ashr" => LLVMAShr,
        b"and" => LLVMAnd,
        b"or" => LLVMOr,
        b"xor" => LLVMXor,
        b"alloca" => LLVMAlloca,
        b"load" => LLVMLoad,
        b"store" => LLVMStore,
        b"getelementptr" => LLVMGetElementPtr,
        b"trunc" => LLVMTrunc,
        b"zext" => LLVMZExt,
        b"sext" => LLVMSExt,
        b"fptoui" => LLVMFPToUI,
        b"fptosi" => LLVMFPToSI,
        b"uitofp" => LLVMUIToFP,
        b"sitofp" => LLVMSIToFP,
        b"fptrunc" => LLVMFPTrunc,
        b"fpext" => LLVMFPExt,
        b"ptrtoint" => LLVMPtrToInt,
        b"ptrtoaddr" => LLVMPtrToAddr,
        b"inttoptr" => LLVMIntToPtr,
        b"bitcast" => LLVMBitCast,
        b"addrspacecast" => LLVMAddrSpaceCast,
        b"icmp" => LLVMICmp,
        b"fcmp" => LLVMFCmp,
        b"phi" => LLVMPHI,
        b"call" => LLVMCall,
        b"select" => LLVMSelect,
        b"va_arg" => LLVMVAArg,
        b"extractelement" => LLVMExtractElement,
        b"insertelement" => LLVMInsertElement,
        b"shufflevector" => LLVMShuffleVector,
        b"extractvalue" => LLVMExtractValue,
        b"insertvalue" => LLVMInsertValue,
        b"freeze" => LLVMFreeze,
        b"fence" => LLVMFence,
        b"cmpxchg" => LLVMAtomicCmpXchg,
        b"atomicrmw" => LLVMAtomicRMW,
        _ => return None,
    })
}
