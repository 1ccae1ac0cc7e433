-- What a job may be, and what a new one begins with.
begin;
select plan(2);
\ir helpers.psql

select enum_has_labels('public', 'sync_job_status',
  array['pending', 'in_progress', 'completed', 'failed', 'cancelled'], 'A job is in one of five statuses');

insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (pg_temp.id('One'), now(), now());
select results_eq(
  $$select status::text, total_calls, processed_calls, imported_calls, skipped_calls, failed_calls,
           started_at, last_activity_at, created_at, id is not null
    from   public.historical_sync_jobs
    where  agency_id = pg_temp.id('One')$$,
  $$values ('pending', null::integer, 0, 0, 0, 0, null::timestamptz, null::timestamptz, now(), true)$$,
  'A new job is pending, has an id, and nothing is counted yet');

select * from finish();
rollback;
