-- Every constraint and index of the jobs, from both sides of its border.
begin;
select plan(44);
\ir helpers.psql

create function pg_temp.job(status text default 'completed', extra text default '', extra_values text default '')
returns text
language sql
as $$
  select format(
    'insert into public.historical_sync_jobs (agency_id, status, date_from, date_to%s) values (%L, %L, %L, %L%s)',
    extra, pg_temp.id('One'), status, '2025-01-01', '2025-02-01', extra_values);
$$;

select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
    values (pg_temp.id('One'), 'completed', '2025-01-01', '2025-01-01')$$,
  'A period may be a single instant');
select throws_ok(
  $$insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
    values (pg_temp.id('One'), 'completed', '2025-01-01T00:00:00.000001Z', '2025-01-01T00:00:00Z')$$,
  '23514', null, 'A period does not end before it starts');

select lives_ok(pg_temp.job('completed', ', ' || name, ', 0'), name || ' may be 0')
from   unnest(array['total_calls', 'processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']) as name;
select throws_ok(pg_temp.job('completed', ', ' || name, ', -1'), '23514', null, name || ' is not negative')
from   unnest(array['total_calls', 'processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']) as name;
select lives_ok(pg_temp.job('completed', ', total_calls', ', null'), 'total_calls may be unknown');
select throws_ok(pg_temp.job('running'), '22P02', null, 'A status outside the enum is refused');
select throws_ok(
  $$insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    values ('a1000000-0000-4000-8000-00000000000f', '2025-01-01', '2025-02-01')$$,
  '23503', null, 'A job of an agency that does not exist is refused');
-- Instants that RFC 3339 cannot write, in whichever zone the database is, would make every poll of the agency a 500.
select throws_ok(pg_temp.job('completed', ', ' || name, format(', %L', instant)), '23514', null, name || ' is not ' || instant)
from   unnest(array['started_at', 'last_activity_at', 'created_at']) as name,
       unnest(array['infinity', '-infinity', '9999-01-01T00:00:00Z', '0001-12-31T23:59:59.999999Z']) as instant;
select throws_ok(
  format('insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (%L, %L, %L)', pg_temp.id('One'), date_from, date_to),
  '23514', null, 'A period is not from ' || date_from || ' to ' || date_to)
from   (values ('-infinity', '2025-02-01'), ('2025-01-01', 'infinity'), ('2025-01-01', '9999-01-01T00:00:00Z'), ('0001-12-31T23:59:59.999999Z', '2025-02-01')) as period (date_from, date_to);
select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
    values (pg_temp.id('One'), 'completed', '0002-01-01T00:00:00Z', '9998-12-31T23:59:59.999999Z')$$,
  'A period may be anything between');

-- At most one active job per agency.
select lives_ok(pg_temp.job('pending'), 'An agency has an active job');
select throws_ok(pg_temp.job('pending'), '23505', null, 'A second pending job is refused');
select throws_ok(pg_temp.job('in_progress'), '23505', null, 'A running job beside a pending one is refused');
select lives_ok(pg_temp.job(status), 'A ' || status || ' job beside the active one is fine')
from   unnest(array['completed', 'failed', 'cancelled']) as status;
select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    values (pg_temp.id('Two'), '2025-01-01', '2025-02-01')$$,
  'Another agency has an active job of its own');
select throws_ok(
  $$update public.historical_sync_jobs set status = 'in_progress'
    where agency_id = pg_temp.id('One') and status = 'failed'$$,
  '23505', null, 'A finished job does not come back beside an active one');
select lives_ok(
  $$update public.historical_sync_jobs set status = 'completed'
    where agency_id = pg_temp.id('One') and status = 'pending'$$,
  'An active job may end');
select lives_ok(pg_temp.job('in_progress'), 'When it has ended, the next one may start');

-- One index answers each of the two queries.
select is(
  replace(pg_get_indexdef('public.historical_sync_jobs_active_idx'::regclass), 'public.', ''),
  'CREATE UNIQUE INDEX historical_sync_jobs_active_idx ON historical_sync_jobs USING btree (agency_id) '
  || 'WHERE (status = ANY (ARRAY[''pending''::sync_job_status, ''in_progress''::sync_job_status]))',
  'The index of active jobs holds pending and in-progress jobs by agency');
select is(
  replace(pg_get_indexdef('public.historical_sync_jobs_recent_idx'::regclass), 'public.', ''),
  'CREATE INDEX historical_sync_jobs_recent_idx ON historical_sync_jobs USING btree (agency_id, created_at DESC, id DESC)',
  'The index of an agency''s jobs is in the order of the fallback query, and not partial');

select * from finish();
rollback;
