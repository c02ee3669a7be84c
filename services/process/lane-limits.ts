// What a lane's thread may take.

/** Its JavaScript heap. State is not in it. */
export const LANE_LIMITS = {
  /** Garbage per epoch dies there, and a larger one is collected less often. */
  maxYoungGenerationSizeMb: 64,
  /** Where it may have 2 GB or more, V8 lets what lies there grow to four times what lives before it collects; below, to twice. */
  maxOldGenerationSizeMb: 2000,
}

/** Of engine.cacheBytes, what a task takes at most: 4 GiB hold its kept events, and what an epoch brings comes on top. */
const TASK_CACHE_BYTES_MAX = 3 * 2 ** 30

/** A task's share of its lane's: equal shares for each partition and stage. */
export const taskCacheBytes = (laneCacheBytes: number, partitions: number, stages: number): number =>
  Math.min(TASK_CACHE_BYTES_MAX, laneCacheBytes / partitions / stages)
