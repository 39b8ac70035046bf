//! What debuggers are told of LLVM's types.

use inkwell::llvm_sys::LLVMTypeKind::*;
use inkwell::llvm_sys::core::{
    LLVMCountStructElementTypes, LLVMGetArrayLength2, LLVMGetElementType, LLVMGetIntTypeWidth,
    LLVMGetStructName, LLVMGetTypeKind, LLVMGetVectorSize, LLVMStructGetTypeAtIndex,
    LLVMTypeIsSized,
};
use inkwell::llvm_sys::debuginfo::{
    LLVMDIBuilderCreateArrayType, LLVMDIBuilderCreateBasicType, LLVMDIBuilderCreateMemberType,
    LLVMDIBuilderCreatePointerType, LLVMDIBuilderCreateStructType, LLVMDIBuilderCreateVectorType,
    LLVMDIBuilderGetOrCreateSubrange, LLVMDIFlagZero,
};
use inkwell::llvm_sys::prelude::{LLVMDIBuilderRef, LLVMMetadataRef, LLVMTypeRef};
use inkwell::llvm_sys::target::{
    LLVMABIAlignmentOfType, LLVMABISizeOfType, LLVMOffsetOfElement, LLVMTargetDataRef,
};
use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;

const BOOLEAN: u32 = 2;
const FLOAT: u32 = 4;
const SIGNED: u32 = 5;

/// Wider integers are no numbers to debuggers.
const MAX_INTEGER: u32 = 128;

pub struct Types {
    pub builder: LLVMDIBuilderRef,
    pub layout: LLVMTargetDataRef,
    /// The file that types are said to be declared in.
    pub file: LLVMMetadataRef,
    known: HashMap<LLVMTypeRef, Option<LLVMMetadataRef>>,
}

impl Types {
    pub fn new(
        builder: LLVMDIBuilderRef,
        layout: LLVMTargetDataRef,
        file: LLVMMetadataRef,
    ) -> Types {
        Types {
            builder,
            layout,
            file,
            known: HashMap::new(),
        }
    }

    /// `None`: debuggers know nothing like it.
    ///
    /// # Safety
    ///
    /// The type, and what it was made with, must be of one valid module.
    pub unsafe fn of(&mut self, ty: LLVMTypeRef) -> Option<LLVMMetadataRef> {
        if let Some(known) = self.known.get(&ty) {
            return *known;
        }
        // SAFETY: the caller's.
        let made = unsafe { self.make(ty) };
        self.known.insert(ty, made);
        made
    }

    /// A pointer to something, or to nothing that is known.
    ///
    /// # Safety
    ///
    /// As for [`Types::of`].
    pub unsafe fn pointer(
        &mut self,
        ty: LLVMTypeRef,
        pointee: Option<LLVMTypeRef>,
    ) -> Option<LLVMMetadataRef> {
        // SAFETY: the caller's; without a pointee it is what C calls `void *`.
        unsafe {
            let pointee = pointee.and_then(|pointee| self.of(pointee));
            let pointee = pointee.unwrap_or(ptr::null_mut());
            let bits = self.bits(ty);
            Some(LLVMDIBuilderCreatePointerType(
                self.builder,
                pointee,
                bits,
                0,
                0,
                ptr::null(),
                0,
            ))
        }
    }

    /// # Safety
    ///
    /// As for [`Types::of`].
    unsafe fn make(&mut self, ty: LLVMTypeRef) -> Option<LLVMMetadataRef> {
        // SAFETY: the caller's; each kind of type is asked what such have.
        unsafe {
            if LLVMTypeIsSized(ty) == 0 {
                return None;
            }
            let bits = self.bits(ty);
            match LLVMGetTypeKind(ty) {
                LLVMIntegerTypeKind => {
                    let width = LLVMGetIntTypeWidth(ty);
                    let encoding = if width == 1 { BOOLEAN } else { SIGNED };
                    let bits = u64::from(width).next_multiple_of(8);
                    (width <= MAX_INTEGER).then(|| self.basic(&format!("i{width}"), bits, encoding))
                }
                LLVMHalfTypeKind => Some(self.basic("half", bits, FLOAT)),
                LLVMFloatTypeKind => Some(self.basic("float", bits, FLOAT)),
                LLVMDoubleTypeKind => Some(self.basic("double", bits, FLOAT)),
                // Debuggers tell these from others of the same size by C's names.
                LLVMX86_FP80TypeKind => Some(self.basic("long double", bits, FLOAT)),
                LLVMFP128TypeKind => Some(self.basic("_Float128", bits, FLOAT)),
                LLVMBFloatTypeKind => Some(self.basic("__bf16", bits, FLOAT)),
                LLVMPointerTypeKind => self.pointer(ty, None),
                LLVMVectorTypeKind => {
                    let element = LLVMGetElementType(ty);
                    // Elements that share a byte are no array.
                    let is_array = LLVMGetTypeKind(element) != LLVMIntegerTypeKind
                        || LLVMGetIntTypeWidth(element).is_multiple_of(8);
                    let count = u64::from(LLVMGetVectorSize(ty));
                    let element = self.of(element).filter(|_| is_array)?;
                    let mut range = self.range(count);
                    Some(LLVMDIBuilderCreateVectorType(
                        self.builder,
                        bits,
                        0,
                        element,
                        &raw mut range,
                        1,
                    ))
                }
                LLVMArrayTypeKind => {
                    let count = LLVMGetArrayLength2(ty);
                    let element = self.of(LLVMGetElementType(ty))?;
                    let mut range = self.range(count);
                    Some(LLVMDIBuilderCreateArrayType(
                        self.builder,
                        bits,
                        0,
                        element,
                        &raw mut range,
                        1,
                    ))
                }
                LLVMStructTypeKind => Some(self.structure(ty, bits)),
                _ => None,
            }
        }
    }

    /// A structure, whose members are called by their numbers. One of a type that debuggers don't know is left out.
    ///
    /// # Safety
    ///
    /// As for [`Types::of`]; `ty` must be a structure that has a size.
    unsafe fn structure(&mut self, ty: LLVMTypeRef, bits: u64) -> LLVMMetadataRef {
        // SAFETY: the caller's; members are within the structure.
        unsafe {
            let mut members = Vec::new();
            for index in 0..LLVMCountStructElementTypes(ty) {
                let member = LLVMStructGetTypeAtIndex(ty, index);
                let Some(described) = self.of(member) else {
                    continue;
                };
                let name = format!("f{index}");
                members.push(LLVMDIBuilderCreateMemberType(
                    self.builder,
                    self.file,
                    name.as_ptr().cast(),
                    name.len(),
                    self.file,
                    0,
                    self.bits(member),
                    0,
                    LLVMOffsetOfElement(self.layout, ty, index) * 8,
                    LLVMDIFlagZero,
                    described,
                ));
            }
            let name = LLVMGetStructName(ty);
            let name = match name.is_null() {
                true => &[],
                false => CStr::from_ptr(name).to_bytes(),
            };
            LLVMDIBuilderCreateStructType(
                self.builder,
                self.file,
                name.as_ptr().cast(),
                name.len(),
                self.file,
                0,
                bits,
                LLVMABIAlignmentOfType(self.layout, ty) * 8,
                LLVMDIFlagZero,
                ptr::null_mut(),
                members.as_mut_ptr(),
                members.len() as u32,
                0,
                ptr::null_mut(),
                ptr::null(),
                0,
            )
        }
    }

    /// # Safety
    ///
    /// As for [`Types::of`].
    unsafe fn basic(&self, name: &str, bits: u64, encoding: u32) -> LLVMMetadataRef {
        // SAFETY: the caller's; the name is given with its length.
        unsafe {
            LLVMDIBuilderCreateBasicType(
                self.builder,
                name.as_ptr().cast(),
                name.len(),
                bits,
                encoding,
                LLVMDIFlagZero,
            )
        }
    }

    /// # Safety
    ///
    /// As for [`Types::of`].
    unsafe fn range(&self, count: u64) -> LLVMMetadataRef {
        // SAFETY: the caller's.
        unsafe { LLVMDIBuilderGetOrCreateSubrange(self.builder, 0, count.cast_signed()) }
    }

    /// # Safety
    ///
    /// As for [`Types::of`]; the type must have a size.
    unsafe fn bits(&self, ty: LLVMTypeRef) -> u64 {
        // SAFETY: the caller's.
        unsafe { LLVMABISizeOfType(self.layout, ty) * 8 }
    }
}
