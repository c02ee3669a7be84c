-- Every accepted record of events.raw, once per (lineage, partition, offset). Duplicates of an event id are kept here and hidden by the view `events`.
-- One insert makes one part per month of received_at; times come from the door, so a batch spans one or two.
-- The deduplication window remembers the tokens of the last inserts (protocol 27); the fsync settings are what a power loss asks for.
-- Merges wait for twelve parts: rewriting every row early costs more CPU than inserting it, and inserts are large.
CREATE TABLE events_raw (
  org_id LowCardinality(String),
  event_id String,
  product_id LowCardinality(String),
  user_id String COMMENT 'u: + userId, else a: + anonymousId',
  type LowCardinality(String),
  name LowCardinality(String),
  ts DateTime64(3, 'UTC'),
  received_at DateTime64(3, 'UTC'),
  screen LowCardinality(String),
  element LowCardinality(String),
  x Nullable(Int32),
  y Nullable(Int32),
  task_type LowCardinality(String),
  task_label String,
  success Nullable(Bool),
  context LowCardinality(String),
  properties String COMMENT 'JSON text',
  record String COMMENT 'the JSON record as it was received',
  lineage LowCardinality(String),
  partition UInt16,
  offset UInt64,
  INDEX by_offset offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (org_id, product_id, ts)
TTL received_at + INTERVAL 400 DAY DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_parts_to_merge_at_once = 12;

-- An event's id counts once per (org, product, user): the first in the log.
CREATE VIEW events AS
SELECT * FROM events_raw
ORDER BY partition, offset
LIMIT 1 BY org_id, product_id, user_id, event_id;
