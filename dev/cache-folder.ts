// Where what is fetched or started for development lies: in the checkout, ignored by git.
import { join } from 'node:path'

export const cacheFolder = join(import.meta.dirname, '..', '.cache')
/** One folder per server that was started. */
export const serversFolder = join(cacheFolder, 'servers')
/** The broker of `npm run dev:servers`. */
export const kafkaFolder = join(serversFolder, 'kafka')
/** The broker that a test run starts for itself. */
export const testKafkaFolder = join(serversFolder, 'kafka-test')
