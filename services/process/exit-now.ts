// Ends this process at once, as if nobody had handled the signal. Not process.exit: that ends worker threads first, and waits for ever for the
// sinks' thread where an insert is under way in its engine. What was committed stays; the next start recovers.

export function exitNow(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
