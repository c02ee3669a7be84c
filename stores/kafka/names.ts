// What is called how on the broker. A lineage is part of a name's own text (protocol 33), so of everything below.
import type { TopicPartition } from '../../engine/log/contract.ts'

export interface KafkaNames {
  /** Before the names of topics that hold data: events.raw is <topicPrefix>events.raw. Default: nothing. */
  topicPrefix?: string
  /** Before all that is Packmill's own: ids of transactions, topics of receipts and of state, groups. Default 'packmill'. */
  namespace?: string
}

/** A task is called by its partition at the end (task.main.clickstream.events.raw.3): the tasks of a stage share a topic, one partition each. */
function place(name: string): { group: string; partition: number } {
  const [, group, partition] = /^(.+)\.(\d{1,5})$/.exec(name) ?? []
  return group === undefined ? { group: name, partition: 0 } : { group, partition: Number(partition) }
}

/** What Kafka allows in a topic's name; the rest by its code, and `_` twice, so that two names stay two. */
const legal = (name: string): string =>
  name.replace(/_/g, '__').replace(/[^a-zA-Z0-9._-]/g, (character) => `_${character.codePointAt(0)!.toString(16)}_`)

/** The beginning of a name: task.main.clickstream.…, import.main.…, sink.main.fact_sessions.… */
export interface OwnedBy {
  kind: string
  lineage: string
  /** Of a task: what its topology is called. */
  of: string
}

const ownedBy = (name: string): OwnedBy => {
  const [kind, lineage = '', of = ''] = name.split('.', 3)
  return { kind, lineage, of }
}

export class Names {
  private readonly topicPrefix: string
  private readonly namespace: string

  constructor({ topicPrefix = '', namespace = 'packmill' }: KafkaNames) {
    this.topicPrefix = topicPrefix
    this.namespace = namespace
  }

  data({ topic, partition }: TopicPartition): TopicPartition {
    return { topic: this.topicPrefix + topic, partition }
  }

  /** Where the claims and receipts of a name are. */
  receipts(name: string): TopicPartition {
    const { group, partition } = place(name)
    return { topic: `${this.namespace}.receipts.${legal(group)}`, partition }
  }

  /** Where the checkpoints of a task are. */
  state(name: string): TopicPartition {
    const { group, partition } = place(name)
    return { topic: `${this.namespace}.state.${legal(group)}`, partition }
  }

  /** Of a topic of receipts or of state: of which kind of name, and which lineage it is. Undefined for all other topics. */
  ownOf(topic: string): OwnedBy | undefined {
    for (const group of ['receipts', 'state']) {
      const before = `${this.namespace}.${group}.`
      if (topic.startsWith(before)) return ownedBy(topic.slice(before.length))
    }
    return undefined
  }

  /** The same of a group: of shown positions, or of members. */
  groupOf(group: string): OwnedBy | undefined {
    const before = `${this.namespace}.`
    return group.startsWith(before) ? ownedBy(group.slice(before.length).replace(/^members\./, '')) : undefined
  }

  transactionalId(name: string, of: 'log' | 'state'): string {
    return `${this.namespace}.${name}.${of}`
  }

  /** The group whose positions show how far a name is. */
  group(name: string): string {
    return `${this.namespace}.${place(name).group}`
  }

  /** The group of the processes that share a stage's partitions. Its positions are not shown here: brokers take those from members only. */
  members(stage: string): string {
    return `${this.namespace}.members.${stage}`
  }
}
