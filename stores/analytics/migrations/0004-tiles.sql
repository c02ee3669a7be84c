-- Sums of what versions of sessions and incidents add and take away (signed), per cell. Rows of a cell are summed by merges, and by whoever
-- reads: ask the views. No TTL: a plus must not expire before its minus.
-- `through` is the last offset of the partition that is in a row: merges keep the largest, and a sink reads back by it. Aggregating and not
-- summing tables, because those drop a row whose sums have become 0, and its `through` with it.
CREATE TABLE fact_overview_hourly (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  hour DateTime64(0, 'UTC') COMMENT 'in which the sessions began',
  sessions SimpleAggregateFunction(sum, Int64),
  events SimpleAggregateFunction(sum, Int64),
  clicks SimpleAggregateFunction(sum, Int64),
  duration_ms SimpleAggregateFunction(sum, Int64),
  rage_clicks SimpleAggregateFunction(sum, Int64),
  backtracks SimpleAggregateFunction(sum, Int64),
  dead_clicks SimpleAggregateFunction(sum, Int64),
  tasks_started SimpleAggregateFunction(sum, Int64),
  tasks_completed SimpleAggregateFunction(sum, Int64),
  tasks_failed SimpleAggregateFunction(sum, Int64),
  tasks_abandoned SimpleAggregateFunction(sum, Int64),
  errors SimpleAggregateFunction(sum, Int64),
  context_switches SimpleAggregateFunction(sum, Int64),
  frustration SimpleAggregateFunction(sum, Int64) COMMENT 'sum of the scores in ten-thousandths',
  efficiency SimpleAggregateFunction(sum, Int64) COMMENT 'sum of the scores in ten-thousandths',
  lineage LowCardinality(String),
  partition UInt16,
  through SimpleAggregateFunction(max, UInt64),
  INDEX by_through through TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (org_id, product_id, hour, lineage, partition)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE fact_screen_hotspots (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  day Date32 COMMENT 'in which the sessions began, or of an incident its first event was',
  screen String,
  element String COMMENT 'empty in the cell of the screen itself',
  kind LowCardinality(String) COMMENT 'of incidents; empty in the cell of the screen itself',
  sessions SimpleAggregateFunction(sum, Int64) COMMENT 'with the screen among their first 64 steps',
  views SimpleAggregateFunction(sum, Int64) COMMENT 'steps to the screen, repeats collapsed',
  incidents SimpleAggregateFunction(sum, Int64),
  events SimpleAggregateFunction(sum, Int64) COMMENT 'of these incidents: clicks, views, starts',
  lineage LowCardinality(String),
  partition UInt16,
  through SimpleAggregateFunction(max, UInt64),
  INDEX by_through through TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (org_id, product_id, day, screen, element, kind, lineage, partition)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE fact_flows (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  day Date32 COMMENT 'in which the sessions began',
  task_type String COMMENT 'empty: sessions without tasks',
  screens Array(String),
  variant String MATERIALIZED if(empty(screens), '', lower(hex(sipHash128(arrayStringConcat(screens, '\0'))))) COMMENT 'as in fact_sessions',
  sessions SimpleAggregateFunction(sum, Int64),
  completed SimpleAggregateFunction(sum, Int64) COMMENT 'sessions in which such a task was completed',
  duration_ms SimpleAggregateFunction(sum, Int64) COMMENT 'of the sessions',
  lineage LowCardinality(String),
  partition UInt16,
  through SimpleAggregateFunction(max, UInt64),
  INDEX by_through through TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PRIMARY KEY (org_id, product_id, day, task_type)
ORDER BY (org_id, product_id, day, task_type, screens, lineage, partition)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE fact_tasks_hourly (
  org_id LowCardinality(String),
  product_id LowCardinality(String),
  hour DateTime64(0, 'UTC') COMMENT 'in which the tasks began',
  task_type String,
  started SimpleAggregateFunction(sum, Int64),
  completed SimpleAggregateFunction(sum, Int64),
  failed SimpleAggregateFunction(sum, Int64),
  abandoned SimpleAggregateFunction(sum, Int64),
  duration_ms SimpleAggregateFunction(sum, Int64) COMMENT 'of tasks that were completed or failed and whose start was seen',
  lineage LowCardinality(String),
  partition UInt16,
  through SimpleAggregateFunction(max, UInt64),
  INDEX by_through through TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (org_id, product_id, hour, task_type, lineage, partition)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW overview_hourly AS
SELECT t.org_id AS org_id, t.product_id AS product_id, t.hour AS hour,
  sum(t.sessions) AS sessions, sum(t.events) AS events, sum(t.clicks) AS clicks, sum(t.duration_ms) AS duration_ms,
  sum(t.rage_clicks) AS rage_clicks, sum(t.backtracks) AS backtracks, sum(t.dead_clicks) AS dead_clicks,
  sum(t.tasks_started) AS tasks_started, sum(t.tasks_completed) AS tasks_completed, sum(t.tasks_failed) AS tasks_failed,
  sum(t.tasks_abandoned) AS tasks_abandoned, sum(t.errors) AS errors, sum(t.context_switches) AS context_switches,
  sum(t.frustration) / sum(t.sessions) / 10000 AS frustration_score, sum(t.efficiency) / sum(t.sessions) / 10000 AS efficiency_score
FROM fact_overview_hourly AS t
GROUP BY org_id, product_id, hour
HAVING sum(t.sessions) != 0;

CREATE VIEW overview_daily AS
SELECT t.org_id AS org_id, t.product_id AS product_id, toDate32(t.hour) AS day,
  sum(t.sessions) AS sessions, sum(t.events) AS events, sum(t.clicks) AS clicks, sum(t.duration_ms) AS duration_ms,
  sum(t.rage_clicks) AS rage_clicks, sum(t.backtracks) AS backtracks, sum(t.dead_clicks) AS dead_clicks,
  sum(t.tasks_started) AS tasks_started, sum(t.tasks_completed) AS tasks_completed, sum(t.tasks_failed) AS tasks_failed,
  sum(t.tasks_abandoned) AS tasks_abandoned, sum(t.errors) AS errors, sum(t.context_switches) AS context_switches,
  sum(t.frustration) / sum(t.sessions) / 10000 AS frustration_score, sum(t.efficiency) / sum(t.sessions) / 10000 AS efficiency_score
FROM fact_overview_hourly AS t
GROUP BY org_id, product_id, day
HAVING sum(t.sessions) != 0;

CREATE VIEW screen_hotspots AS
SELECT t.org_id AS org_id, t.product_id AS product_id, t.day AS day, t.screen AS screen, t.element AS element, t.kind AS kind,
  sum(t.sessions) AS sessions, sum(t.views) AS views, sum(t.incidents) AS incidents, sum(t.events) AS events
FROM fact_screen_hotspots AS t
GROUP BY org_id, product_id, day, screen, element, kind
HAVING sum(t.sessions) != 0 OR sum(t.incidents) != 0;

CREATE VIEW flows AS
SELECT t.org_id AS org_id, t.product_id AS product_id, t.day AS day, t.task_type AS task_type, any(t.variant) AS variant, t.screens AS screens,
  sum(t.sessions) AS sessions, sum(t.completed) AS completed, sum(t.duration_ms) AS duration_ms
FROM fact_flows AS t
GROUP BY org_id, product_id, day, task_type, screens
HAVING sum(t.sessions) != 0;

-- First and last seen to the hour, of tasks in closed sessions: a maximum and a minimum could not be taken back by a correction, sums can.
CREATE VIEW dim_task_types AS
SELECT org_id, product_id, task_type, min(hour) AS first_seen, max(hour) AS last_seen,
  sum(hourly.1) AS started, sum(hourly.2) AS completed, sum(hourly.3) AS failed, sum(hourly.4) AS abandoned
FROM (
  SELECT t.org_id AS org_id, t.product_id AS product_id, t.task_type AS task_type, t.hour AS hour,
    (sum(t.started), sum(t.completed), sum(t.failed), sum(t.abandoned)) AS hourly
  FROM fact_tasks_hourly AS t
  GROUP BY org_id, product_id, task_type, hour
  HAVING sum(t.started) != 0 OR sum(t.completed) != 0 OR sum(t.failed) != 0
)
GROUP BY org_id, product_id, task_type;

-- One row per task of a session that is there, open or closed: a task goes with its session's version.
CREATE VIEW task_events AS
SELECT org_id, product_id, user_id, session_id, version, number, task.1 AS task_type,
  if(task.2 = toDateTime64(0, 3, 'UTC'), NULL, task.2) AS started_at, if(task.3 = toDateTime64(0, 3, 'UTC'), NULL, task.3) AS ended_at,
  task.4 AS outcome
FROM fact_sessions FINAL
ARRAY JOIN tasks AS task, arrayEnumerate(tasks) AS number
WHERE deleted = 0;
