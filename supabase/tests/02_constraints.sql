-- Every constraint of the jobs, from both sides of its border.
begin;
select plan(42);
\ir helpers.psql

-- An insert of a job of agency One with one more column.
create function pg_temp.job(status text, name text default 'total_calls', value text default null)
returns text language sql as $$
  select format(
    'insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, %I)
     values (%L, %L, now(), now(), %L)', name, pg_temp.id('One'), status, value);
$$;
create function pg_temp.period(date_from text, date_to text) returns text language sql as $$
  select format(
    'insert into public.historical_sync_jobs (agency_id, status, date_from, date_to) values (%L, %L, %L, %L)',
    pg_temp.id('One'), 'completed', date_from, date_to);
$$;

select lives_ok(pg_temp.period('2025-01-01', '2025-01-01'), 'A period may be a single instant');
select lives_ok(pg_temp.period('0002-01-01T00:00:00Z', '9998-12-31T23:59:59.999999Z'), 'A period may be long');
-- What RFC 3339 cannot write, in whichever zone the database is, would make every poll of the agency a 500.
select throws_ok(pg_temp.period(date_from, date_to), '23514', null, 'Not from ' || date_from || ' to ' || date_to)
from   (values ('2025-01-01T00:00:00.000001Z', '2025-01-01T00:00:00Z'),
               ('-infinity',                   '2025-02-01'),
               ('2025-01-01',                  'infinity'),
               ('2025-01-01',                  '9999-01-01T00:00:00Z'),
               ('0001-12-31T23:59:59.999999Z', '2025-02-01')) as period (date_from, date_to);
select throws_ok(pg_temp.job('completed', name, instant), '23514', null, name || ' is not ' || instant)
from   unnest(array['started_at', 'last_activity_at', 'created_at']) as name,
       unnest(array['infinity', '-infinity', '9999-01-01T00:00:00Z', '0001-12-31T23:59:59.999999Z']) as instant;

select lives_ok(pg_temp.job('completed', name, '0'), name || ' may be 0')
from   unnest(array['total_calls', 'processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']) as name;
select throws_ok(pg_temp.job('completed', name, '-1'), '23514', null, name || ' is not negative')
from   unnest(array['total_calls', 'processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']) as name;
select lives_ok(pg_temp.job('completed'), 'total_calls may be unknown');
select throws_ok(pg_temp.job('running'), '22P02', null, 'A status outside the enum is refused');
select throws_ok(
  $$insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    values ('a1000000-0000-4000-8000-00000000000f', now(), now())$$,
  '23503', null, 'A job of an agency that does not exist is refused');

-- At most one active job per agency.
select lives_ok(pg_temp.job('pending'), 'An agency has an active job');
select throws_ok(pg_temp.job('pending'), '23505', null, 'A second pending job is refused');
select throws_ok(pg_temp.job('in_progress'), '23505', null, 'A running job beside a pending one is refused');
select lives_ok(pg_temp.job(status), 'A ' || status || ' job beside the active one is fine')
from   unnest(array['completed', 'failed', 'cancelled']) as status;
select lives_ok(
  $$insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    values (pg_temp.id('Two'), now(), now())$$,
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

select * from finish();
rollback;
