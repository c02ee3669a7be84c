// Why a record is declined: indexes of FALLBACK_REASONS (model/fallback-reasons.ts). A test holds both lists together.

export const STRUCTURE: i32 = 0
export const LARGE: i32 = 3
export const ESCAPE: i32 = 4
export const CONTROL: i32 = 5
export const DUPLICATE: i32 = 6
export const FORBIDDEN_KEY: i32 = 7
export const NESTED: i32 = 8
export const DEEP: i32 = 9
export const VALUE: i32 = 10
export const NUMBER: i32 = 11
export const TIME: i32 = 12
export const TYPE: i32 = 13
export const LENGTH: i32 = 14
export const MISSING: i32 = 15
