// A batch's body through the door: which way its elements become lines, and what of it is no batch. See model/event-array.ts for the two ways.
import type { Accepted, Door } from '../../model/door.ts'
import { type BodyError, cutAny, cutPlain, restore } from '../../model/event-array.ts'
import { SLACK } from '../../model/scan-plain.ts'

/** `lines` of what is accepted are the elements of `events`, counted from 0. */
export type BodyAnswer = Accepted | BodyError

export const BATCH_EVENTS_MAX = 1_000

/**
 * Takes the body buffer[0 … length), which it changes. What it accepts waits in the door. Give SLACK bytes of room behind the body, where the buffer is
 * your own: without it the bytes are copied once more.
 */
export function acceptBody(door: Door, buffer: Buffer, length: number, nowMs: number): BodyAnswer {
  const body = buffer.subarray(0, length)
  // No more than that: what is not plain is decoded behind it, in a copy of it all.
  const bytes = buffer.subarray(0, length + SLACK)
  const plain = cutPlain(body, BATCH_EVENTS_MAX)
  if (plain) {
    const accepted = door.acceptPlain(bytes, plain.pos, plain.length, nowMs)
    if (accepted) return accepted
    restore(body, plain)
  }
  const lines = cutAny(body, BATCH_EVENTS_MAX)
  if ('code' in lines) return lines
  if (lines.count === 0) return { code: 'EMPTY_BATCH', message: 'events holds no event: send none, or at least one' }
  return door.accept(bytes, lines.pos, lines.length, nowMs)
}
