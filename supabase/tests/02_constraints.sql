-- Every constraint and index, from both sides of its border.
begin;
select plan(33);

insert into public.agencies (id, name)
values ('a1000000-0000-4000-8000-000000000001', 'One'),
       ('a1000000-0000-4000-8000-000000000002', 'Two');

create function pg_temp.job(status text default 'completed', extra text default '', extra_values text default '')
returns text
language sql
as $$
  select format(
    'insert into public.historical_sync_jobs (agency_id, status, date_from, date_to%s) values (%L, %L, %L, %L%s)',
    extra, 'a1000000-0000-4000-8000-000000000001', status, '2025-01-01', '2025-02-01', extra_values);
$$;

select lives_ok($$insert into public.agencies (name) values ('A')$$, 'A name of one letter is a name');
select throws_ok($$insert into public.agencies (name) values ('')$$, '23514', null, 'An empty name is none');
select throws_ok($$insert into public.agencies (name) values (null)$$, '23502', null, 'An agency has a name');

select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
    values ('a1000000-0000-4000-8000-000000000001', 'completed', '2025-01-01', '2025-01-01')$$,
  'A period may be a single instant');
select throws_ok(
  $$insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
    values ('a1000000-0000-4000-8000-000000000001', 'completed', '2025-01-01T00:00:00.000001Z', '2025-01-01T00:00:00Z')$$,
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
select throws_ok(
  $$insert into public.users (id) values ('b1000000-0000-4000-8000-00000000000f')$$,
  '23503', null, 'A user whom Auth does not know is refused');

-- At most one active job per agency.
select lives_ok(pg_temp.job('pending'), 'An agency has an active job');
select throws_ok(pg_temp.job('pending'), '23505', null, 'A second pending job is refused');
select throws_ok(pg_temp.job('in_progress'), '23505', null, 'A running job beside a pending one is refused');
select lives_ok(pg_temp.job(status), 'A ' || status || ' job beside the active one is fine')
from   unnest(array['completed', 'failed', 'cancelled']) as status;
select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    values ('a1000000-0000-4000-8000-000000000002', '2025-01-01', '2025-02-01')$$,
  'Another agency has an active job of its own');
select throws_ok(
  $$update public.historical_sync_jobs set status = 'in_progress'
    where agency_id = 'a1000000-0000-4000-8000-000000000001' and status = 'failed'$$,
  '23505', null, 'A finished job does not come back beside an active one');
select lives_ok(
  $$update public.historical_sync_jobs set status = 'completed'
    where agency_id = 'a1000000-0000-4000-8000-000000000001' and status = 'pending'$$,
  'An active job may end');
select lives_ok(pg_temp.job('in_progress'), 'When it has ended, the next one may start');

-- One index answers each of the two queries; what they look like is part of the promise.
select index_is_unique('public', 'historical_sync_jobs', 'historical_sync_jobs_active_idx', 'Active jobs are unique by index');
select is(
  replace(pg_get_indexdef('public.historical_sync_jobs_active_idx'::regclass), 'public.', ''),
  'CREATE UNIQUE INDEX historical_sync_jobs_active_idx ON historical_sync_jobs USING btree (agency_id) '
  || 'WHERE (status = ANY (ARRAY[''pending''::sync_job_status, ''in_progress''::sync_job_status]))',
  'The index of active jobs holds pending and in-progress jobs by agency');
select is(
  replace(pg_get_indexdef('public.historical_sync_jobs_recent_idx'::regclass), 'public.', ''),
  'CREATE INDEX historical_sync_jobs_recent_idx ON historical_sync_jobs USING btree (agency_id, created_at DESC, id DESC) '
  || 'WHERE (status = ANY (ARRAY[''completed''::sync_job_status, ''failed''::sync_job_status, ''cancelled''::sync_job_status]))',
  'The index of finished jobs is in the order of the fallback query');
select has_index('public', 'users', 'users_agency_id_idx', array['agency_id'], 'An agency''s users are found by index');

select * from finish();
rollback;
