// How many partitions a topic has. Every one has those of the log, and `events.late` one more: the HTTP door's own, because each partition has one
// writer and the others are their tasks'.
import { TOPICS } from '../../model/rows.ts'

export const partitionsOf = (topic: string, partitions: number): number => (topic === TOPICS.late ? partitions + 1 : partitions)
