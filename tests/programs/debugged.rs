#![no_std]

pub struct Shape {
    pub width: i32,
    pub height: i32,
}

#[inline(never)]
pub fn area(shape: &Shape) -> i32 {
    shape.width.wrapping_mul(shape.height)
}

#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let shape = Shape {
        width: 3,
        height: 4,
    };
    area(&shape).wrapping_sub(12)
}
