// The analytics engine installs handlers for the signals by which a process ends that cannot go on, and these wait for a thread of its server that is not
// here: a process whose heap was full stayed for minutes, deaf, with its data folder. Not SIGSEGV: that one is also how WebAssembly finds its bounds.

const FATAL = ['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGBUS', 'SIGFPE'] as const

/** Makes them end the process again: with the last listener, Node gives a signal back its default action. On the main thread, after the engine was loaded. */
export function endOnFatalSignals(): void {
  for (const signal of FATAL) {
    const none = () => undefined
    process.on(signal, none)
    process.off(signal, none)
  }
}
