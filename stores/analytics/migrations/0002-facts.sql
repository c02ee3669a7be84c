-- Versions of sessions and incidents: the largest version of an id is the one that holds. Not partitioned by time: versions of one
-- id must meet in a merge, whenever they were received.
-- A version that a merge has dropped is missing to a sink's read-back after a crash, and is written again: harmless, because it is older.
CREATE TABLE fact_sessions (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  user_id String,
  session_id String,
  version UInt32,
  deleted UInt8 COMMENT '1: this id no longer exists',
  replaced_by String COMMENT 'the session that now holds the first event of a deleted one',
  closed UInt8,
  cut UInt8 COMMENT '1: ended by a cap, not by a gap',
  started_at DateTime64(3, 'UTC'),
  ended_at DateTime64(3, 'UTC'),
  duration_ms UInt64,
  event_count UInt32,
  click_count UInt32,
  unique_screens UInt32,
  rage_clicks UInt32,
  backtracks UInt32,
  dead_clicks UInt32,
  tasks_started UInt32,
  tasks_completed UInt32,
  tasks_failed UInt32,
  tasks_abandoned UInt32,
  error_count UInt32,
  screen_sequence Array(String),
  variant String MATERIALIZED if(empty(screen_sequence), '', lower(hex(sipHash128(arrayStringConcat(screen_sequence, '\0'))))) COMMENT 'id of the screen sequence: sessions with the same one took the same way',
  context_switches UInt32,
  frustration_score Float64 COMMENT '0 = nothing was in the way, towards 1',
  efficiency_score Float64 COMMENT '1 = nothing was in the way, towards 0',
  tasks Array(Tuple(task_type String, started_at DateTime64(3, 'UTC'), ended_at DateTime64(3, 'UTC'), outcome String)) COMMENT 'a time of 0: not seen, or not yet',
  received_at DateTime64(3, 'UTC'),
  lineage LowCardinality(String),
  partition UInt16,
  offset UInt64,
  INDEX by_offset offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org_id, product_id, session_id)
TTL received_at + INTERVAL 800 DAY DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW sessions AS SELECT *, variant FROM fact_sessions FINAL WHERE deleted = 0;

CREATE TABLE fact_incidents (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  user_id String,
  incident_id String,
  session_id String,
  kind LowCardinality(String) COMMENT 'rage_click, backtrack, abandoned_task, dead_click',
  profile LowCardinality(String),
  version UInt32,
  deleted UInt8,
  open UInt8 COMMENT '1: the burst goes on',
  screen LowCardinality(String),
  element LowCardinality(String) COMMENT 'of an abandoned task its type',
  count UInt32,
  first_at DateTime64(3, 'UTC'),
  last_at DateTime64(3, 'UTC'),
  evidence Array(Tuple(partition UInt16, offset UInt64)) COMMENT 'its events in events_raw, at most 64',
  received_at DateTime64(3, 'UTC'),
  lineage LowCardinality(String),
  partition UInt16,
  offset UInt64,
  INDEX by_offset offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org_id, product_id, incident_id)
TTL received_at + INTERVAL 800 DAY DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW incidents AS SELECT * FROM fact_incidents FINAL WHERE deleted = 0;
