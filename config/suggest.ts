// "Did you mean": the known name nearest to a mistyped one.

/** The nearest of `known`, or undefined where nothing is near: at most a third of the letters wrong, case apart. */
export function suggest(name: string, known: Iterable<string>): string | undefined {
  const typed = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.floor(typed.length / 3) + 1
  for (const candidate of known) {
    const lower = candidate.toLowerCase()
    // The last part alone (`gapMs`) is as good as near.
    const distance = lower.endsWith(`.${typed}`) ? 1 : editDistance(typed, lower)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    above = row
  }
  return above[b.length]!
}
