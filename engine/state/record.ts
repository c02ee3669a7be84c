// Declared records: turns an operator's `state` into word offsets and an accessor class that reads like an object.
//
// record.ts owns the layout of operator state inside a session's record. Times and floats take two words, all else one.
// The accessor is generated source, so that each operator's reads and writes are constants in code of its own:
// one class shared by all operators goes megamorphic and costs more than the operator.
import type { FieldType, StateFields } from '../../operators/contract.ts'
import type { Arena } from './arena.ts'

export interface RecordLayout {
  /** Words taken, even. */
  words: number
  /** Word offsets (from the layout's start) of fields that hold symbols. */
  symbolWords: number[]
  fields: { name: string; type: FieldType; word: number; length: number }[]
  /** What must be equal for stored bytes to mean the same. */
  signature: string
}

/** Accessor over one record at a time: `move` it, then read and write its fields. */
export interface RecordAccessor {
  /** Points it at record `index` of the arena it was made for. */
  move(index: number): void
  /** All fields 0. */
  clear(): void
}

const wide = (type: FieldType) => type === 'time' || type === 'f64'

/** Lays the fields out, two-word fields first. */
export function recordLayout(state: StateFields): RecordLayout {
  const entries = Object.entries(state).map(([name, field]) => {
    const [type, length] = typeof field === 'string' ? [field, 0] : field
    return { name, type, length, word: 0 }
  })
  let word = 0
  for (const isWide of [true, false])
    for (const field of entries)
      if (wide(field.type) === isWide) {
        field.word = word
        word += (isWide ? 2 : 1) * (field.length || 1)
      }
  const symbolWords = entries
    .filter((field) => field.type === 'symbol')
    .flatMap((field) => Array.from({ length: field.length || 1 }, (_, i) => field.word + i))
  const signature = entries.map((field) => `${field.name}:${field.type}${field.length ? `*${field.length}` : ''}`).join(',')
  return { words: word + (word & 1), symbolWords, fields: entries, signature }
}

const read = (field: { type: FieldType }, word: string) =>
  wide(field.type)
    ? `this.arena.f64[(${word}) >> 1]`
    : field.type === 'i32'
      ? `(this.arena.u32[${word}] | 0)`
      : field.type === 'bool'
        ? `this.arena.u32[${word}] !== 0`
        : `this.arena.u32[${word}]`

const write = (field: { type: FieldType }, word: string) =>
  wide(field.type)
    ? `this.arena.f64[(${word}) >> 1] = value`
    : field.type === 'u16'
      ? `this.arena.u32[${word}] = value & 0xffff`
      : field.type === 'u8'
        ? `this.arena.u32[${word}] = value & 0xff`
        : field.type === 'bool'
          ? `this.arena.u32[${word}] = value ? 1 : 0`
          : `this.arena.u32[${word}] = value`

type AccessorClass = new (arena: Arena<never> | Arena<unknown>) => RecordAccessor
/** One class for all tasks of a thread: an operator that saw one for each partition would go megamorphic. */
const accessors = new Map<string, AccessorClass>()

/** An accessor for a layout that begins at word `base` (even) of the arena's records. */
export function recordAccessor(layout: RecordLayout, arena: Arena<never> | Arena<unknown>, base: number): RecordAccessor {
  const slots: string[] = []
  const inits: string[] = []
  const members = layout.fields.map((field) => {
    const step = wide(field.type) ? 2 : 1
    const name = JSON.stringify(field.name)
    if (field.length === 0)
      return `get ${name}() { return ${read(field, `this.word + ${field.word}`)} }
        set ${name}(value) { ${write(field, `this.word + ${field.word}`)} }`
    const word = `this.owner.word + ${field.word} + index * ${step}`
    slots.push(`class Slots_${slots.length} {
      constructor(owner) { this.owner = owner; this.arena = owner.arena }
      at(index) { return ${read(field, word)} }
      set(index, value) { ${write(field, word)} }
    }`)
    inits.push(`this[${name}] = new Slots_${slots.length - 1}(this)`)
    return ''
  })
  const source = `"use strict"; ${slots.join('\n')}
    return class State {
      word = 0
      constructor(arena) { this.arena = arena; ${inits.join('; ')} }
      ${members.join('\n')}
      move(index) { this.word = index * ${arena.words} + ${base} }
      clear() { this.arena.u32.fill(0, this.word, this.word + ${layout.words}) }
    }`
  let Accessor = accessors.get(source)
  if (Accessor === undefined) {
    Accessor = new Function(source)() as AccessorClass
    accessors.set(source, Accessor)
  }
  return new Accessor(arena)
}

/** A function of its own source, so that its inline caches are its own. `f` may use its parameters and globals only. */
export const ownCopy = <F extends (...args: never[]) => unknown>(f: F): F => new Function(`return (${f})`)() as F
