-- Of a record that is longer than an event may be a dead letter keeps the beginning, and how many bytes it had.
ALTER TABLE events_dlq ADD COLUMN IF NOT EXISTS whole_bytes Nullable(Int64) AFTER record;
