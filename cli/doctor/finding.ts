// One thing that the doctor looked at.

export interface Finding {
  about: string
  /** A notice is worth reading and stops nothing. */
  state: 'well' | 'notice' | 'wrong'
  found: string
  advice?: string
  /** The figures in `found`, for programs: bytes, counts. */
  figures?: Record<string, number | string>
}
