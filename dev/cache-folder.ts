// Where what is fetched or started for development lies: in the checkout, ignored by git.
import { join } from 'node:path'

export const cacheFolder = join(import.meta.dirname, '..', '.cache')
/** The broker of `npm run dev:servers`. */
export const kafkaFolder = join(cacheFolder, 'servers', 'kafka')
/** The broker that a test run starts for itself. */
export const testKafkaFolder = join(cacheFolder, 'servers', 'kafka-test')
