// Where a record computer stands, beside its keys: what an epoch that is undone goes back to, and what a checkpoint's header holds. Plain data.

export interface Fields {
  watermark: number
  /** Largest event time; of a topology's own topic per upstream: nothing older comes from it. */
  maxMs: number[]
  lastRowMs: number
  claimedAt: number
  /** How far the topics that it writes for itself have been told. */
  toldMs: number
  accepted: number
  processed: number
  late: number
  deadLettered: number
  invalid: number
}

/** As JSON has it: before the first record there is no time. */
export function saved({ watermark, maxMs, toldMs, ...rest }: Fields) {
  return { ...rest, watermark: finite(watermark), maxMs: maxMs.map(finite), toldMs: finite(toldMs) }
}

/** `saved` of a checkpoint's header, or a beginning. */
export function restored(header: unknown, upstreams: number): Fields {
  const fields = (header ?? {}) as { [K in keyof Fields]?: K extends 'maxMs' ? (number | null)[] : number | null }
  const time = (ms: number | null | undefined) => ms ?? Number.NEGATIVE_INFINITY
  return {
    watermark: time(fields.watermark),
    maxMs: Array.from({ length: upstreams }, (_, i) => time(fields.maxMs?.[i])),
    lastRowMs: fields.lastRowMs ?? 0,
    claimedAt: fields.claimedAt ?? 0,
    toldMs: time(fields.toldMs),
    accepted: fields.accepted ?? 0,
    processed: fields.processed ?? 0,
    late: fields.late ?? 0,
    deadLettered: fields.deadLettered ?? 0,
    invalid: fields.invalid ?? 0,
  }
}

const finite = (ms: number) => (Number.isFinite(ms) ? ms : null)
