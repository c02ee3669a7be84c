// The JavaScript heap of a lane's thread. State is not in it.
export const LANE_LIMITS = {
  /** Garbage per epoch dies there, and a larger one is collected less often. */
  maxYoungGenerationSizeMb: 64,
  /** Where it may have 2 GB or more, V8 lets what lies there grow to four times what lives before it collects; below, to twice. */
  maxOldGenerationSizeMb: 2000,
}
