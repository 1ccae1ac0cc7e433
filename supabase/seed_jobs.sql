-- The jobs of two agencies of seed.sql. The end-to-end tests give them to agencies of their own.
insert into public.historical_sync_jobs (
  agency_id, status, date_from, date_to, total_calls,
  processed_calls, imported_calls, skipped_calls, failed_calls, started_at, last_activity_at, created_at
) values
  -- Harbour Calls imports right now, and has done so before.
  ('a0000000-0000-4000-8000-000000000001', 'in_progress', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   750, 720, 25, 5, '2025-03-15T10:00:00Z', '2025-03-15T10:05:00Z', '2025-03-15T09:59:58Z'),
  ('a0000000-0000-4000-8000-000000000001', 'completed', '2024-11-01T00:00:00Z', '2025-01-01T00:00:00Z', 1200,
   1200, 1190, 8, 2, '2025-01-02T08:00:01Z', '2025-01-02T08:09:30Z', '2025-01-02T08:00:00Z'),
  -- Lakeside Calls is done: the most recent of its jobs was completed, not the first one inserted here.
  ('a0000000-0000-4000-8000-000000000002', 'failed', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   310, 290, 12, 8, '2025-03-12T10:00:02Z', '2025-03-12T10:02:11Z', '2025-03-12T10:00:00Z'),
  ('a0000000-0000-4000-8000-000000000002', 'completed', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   1500, 1450, 40, 10, '2025-03-14T10:00:01Z', '2025-03-14T10:11:45Z', '2025-03-14T10:00:00Z'),
  ('a0000000-0000-4000-8000-000000000002', 'cancelled', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', null,
   0, 0, 0, 0, null, null, '2025-03-13T10:00:00Z');
