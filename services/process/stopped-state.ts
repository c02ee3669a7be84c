// The state of a data folder in which no process is at work. Owns the folder's lock meanwhile; each store is opened as at any start, and closed again.
import { join } from 'node:path'
import type { CheckpointHeader, StateStore } from '../../engine/state/store.ts'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { type StateAnswer, type StateForm, type StateRequest, viewState } from './state-view.ts'

/** Of these partitions (default: all), by task and partition. Errors: DATA_LOCKED; those of the state store and of viewState. */
export async function stoppedState(
  { data, lineage }: { data: string; lineage: string },
  form: StateForm,
  request: StateRequest,
  partitions?: readonly number[],
): Promise<StateAnswer[]> {
  const lock = lockFolder(data)
  try {
    const answers: StateAnswer[] = []
    for (const { task, partition, folder } of tasksIn(join(data, 'state', lineage))) {
      if (partitions && !partitions.includes(partition)) continue
      const store = await openCheckpointStore({ files: realFiles, folder })
      try {
        answers.push(viewState(asTask(store), form, { task, partition }, request))
      } finally {
        await store.close()
      }
    }
    return answers
  } finally {
    lock.release()
  }
}

/** Of a cache of a changelog (stores/kafka/kafka-state.ts) the task's own header is within its own. */
function asTask(store: StateStore): StateStore {
  const { header } = store
  if (header === undefined || header.layout !== undefined) return store
  const { of } = header as { of?: { header: CheckpointHeader } }
  return { ...bound(store), header: of?.header }
}

const bound = (store: StateStore): Omit<StateStore, 'header'> => ({
  get: (key) => store.get(key),
  entries: () => store.entries(),
  begin: (header) => store.begin(header),
  maintain: () => store.maintain(),
  close: () => store.close(),
})

/** The tasks of one folder of states, `state/<lineage>`. */
export function tasksIn(folder: string): { task: string; partition: number; folder: string }[] {
  const names = realFiles.exists(folder) ? realFiles.list(folder) : []
  return names
    .flatMap((name) => {
      const [, task, partition] = /^(.+)-(\d+)$/.exec(name) ?? []
      return task === undefined ? [] : [{ task, partition: Number(partition), folder: join(folder, name) }]
    })
    .sort((a, b) => (a.task < b.task ? -1 : a.task > b.task ? 1 : a.partition - b.partition))
}
