-- What the endpoint reads, and what a new job begins with. More columns do no harm.
begin;
select plan(4);
\ir helpers.psql

select enum_has_labels('public', 'sync_job_status',
  array['pending', 'in_progress', 'completed', 'failed', 'cancelled'], 'A job is in one of five statuses');

select bag_has(
  $$select attname::text, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.users'::regclass$$,
  $$values ('id', 'uuid'), ('agency_id', 'uuid')$$,
  'A user has an id and an agency');

select bag_has(
  $$select attname::text, format_type(atttypid, atttypmod), attnotnull
    from   pg_attribute
    where  attrelid = 'public.historical_sync_jobs'::regclass$$,
  $$values ('id',               'uuid',                     true),
           ('agency_id',        'uuid',                     true),
           ('status',           'sync_job_status',          true),
           ('date_from',        'timestamp with time zone', true),
           ('date_to',          'timestamp with time zone', true),
           ('total_calls',      'integer',                  false),
           ('processed_calls',  'integer',                  true),
           ('imported_calls',   'integer',                  true),
           ('skipped_calls',    'integer',                  true),
           ('failed_calls',     'integer',                  true),
           ('started_at',       'timestamp with time zone', false),
           ('last_activity_at', 'timestamp with time zone', false),
           ('created_at',       'timestamp with time zone', true)$$,
  'A job has what the endpoint answers');

insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (pg_temp.id('One'), '2025-01-01', '2025-02-01');
select results_eq(
  $$select status::text, total_calls, processed_calls, imported_calls, skipped_calls, failed_calls,
           started_at, last_activity_at, created_at, id is not null
    from   public.historical_sync_jobs
    where  agency_id = pg_temp.id('One')$$,
  $$values ('pending', null::integer, 0, 0, 0, 0, null::timestamptz, null::timestamptz, now(), true)$$,
  'A new job is pending, has an id, and nothing is counted yet');

select * from finish();
rollback;
