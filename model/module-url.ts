// Where a module beside this one is, for worker threads: they are started from a path, and sources end in .ts, the compiled package in .js.

/** `siblingModule(import.meta.url, './lane-worker')` → the URL of lane-worker.ts beside a .ts file, of lane-worker.js beside a .js file. */
export function siblingModule(metaUrl: string, path: string): URL {
  return new URL(path + (metaUrl.endsWith('.ts') ? '.ts' : '.js'), metaUrl)
}
