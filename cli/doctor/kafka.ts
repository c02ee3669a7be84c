// The brokers from outside: whether they answer, and know this user. Topics are looked at by a start, which names what is wrong with each.
import { type Config, kafkaSettings } from '../../config/index.ts'
import type { Finding } from './finding.ts'

/** Nothing where no broker is named. */
export async function checkKafka(config: Config): Promise<Finding[]> {
  const connection = kafkaSettings({ config })
  if (!connection) return []
  const { clusterId } = await import('../../stores/kafka/cluster-id.ts')
  const brokers = connection.brokers.join(', ')
  try {
    return [{ about: 'kafka', state: 'well', found: `${brokers} answer; the cluster is ${await clusterId(connection)}` }]
  } catch (error) {
    const { code, message, advice } = error as { code?: string; message: string; advice?: string }
    return [{ about: 'kafka', state: 'wrong', found: `${code}: ${message}`, advice }]
  }
}
