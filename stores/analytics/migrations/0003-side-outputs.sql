-- Events that came too late, and records that could not be processed. source_partition and source_offset name the record in events.raw.
CREATE TABLE events_late (
  reason LowCardinality(String),
  source_partition UInt16,
  source_offset UInt64,
  watermark DateTime64(3, 'UTC'),
  record String,
  lineage LowCardinality(String),
  partition UInt16,
  offset UInt64
)
ENGINE = MergeTree
ORDER BY (source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE events_dlq (
  code LowCardinality(String),
  message String,
  source_partition UInt16,
  source_offset UInt64,
  record String,
  lineage LowCardinality(String),
  partition UInt16,
  offset UInt64
)
ENGINE = MergeTree
ORDER BY (source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
