// What is processed while somebody waits until all of it is. Owns the looks at the count; what is shown of it is the caller's.
const POLL_MS = 500

/** Resolves with how much was processed meanwhile; rejects as `work` does. */
export async function processing(
  tasks: () => Promise<readonly { accepted: number }[]>,
  work: () => Promise<void>,
  onCount: (count: number) => void,
): Promise<number> {
  const accepted = async () => (await tasks()).reduce((sum, task) => sum + task.accepted, 0)
  const first = await accepted()
  const timer = setInterval(() => {
    accepted().then(
      (now) => onCount(now - first),
      () => undefined,
    )
  }, POLL_MS)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return (await accepted()) - first
}
