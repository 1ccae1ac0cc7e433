create type public.sync_job_status as enum ('pending', 'in_progress', 'completed', 'failed', 'cancelled');

comment on type public.sync_job_status
is 'pending and in_progress are active; completed, failed and cancelled are finished.';

create table public.historical_sync_jobs (
  id               uuid                   not null primary key default gen_random_uuid(),
  -- In a project whose tenants have another table, this is the one line that differs.
  agency_id        uuid                   not null references public.agencies (id) on delete cascade,
  status           public.sync_job_status not null default 'pending',
  date_from        timestamptz            not null,
  date_to          timestamptz            not null,
  total_calls      integer,
  processed_calls  integer                not null default 0,
  imported_calls   integer                not null default 0,
  skipped_calls    integer                not null default 0,
  failed_calls     integer                not null default 0,
  started_at       timestamptz,
  last_activity_at timestamptz,
  created_at       timestamptz            not null default now(),

  constraint historical_sync_jobs_date_range      check (date_from <= date_to),
  -- What RFC 3339 can write, in every time zone: no infinity, and years 2 to 9998 only.
  constraint historical_sync_jobs_instants        check (
        date_from        >= '0002-01-01T00:00:00Z' and date_to          < '9999-01-01T00:00:00Z'
    and started_at       >= '0002-01-01T00:00:00Z' and started_at       < '9999-01-01T00:00:00Z'
    and last_activity_at >= '0002-01-01T00:00:00Z' and last_activity_at < '9999-01-01T00:00:00Z'
    and created_at       >= '0002-01-01T00:00:00Z' and created_at       < '9999-01-01T00:00:00Z'
  ),
  constraint historical_sync_jobs_total_calls     check (total_calls     >= 0),
  constraint historical_sync_jobs_processed_calls check (processed_calls >= 0),
  constraint historical_sync_jobs_imported_calls  check (imported_calls  >= 0),
  constraint historical_sync_jobs_skipped_calls   check (skipped_calls   >= 0),
  constraint historical_sync_jobs_failed_calls    check (failed_calls    >= 0)
);

comment on table public.historical_sync_jobs
is 'Imports of historical calls, one row a job; only the back end writes them.';

comment on column public.historical_sync_jobs.agency_id        is 'Whose calls are imported; its jobs go with it.';
comment on column public.historical_sync_jobs.date_from        is 'Start of the period whose calls are imported.';
comment on column public.historical_sync_jobs.date_to          is 'End of that period, not before its start.';
comment on column public.historical_sync_jobs.total_calls      is 'Calls in the period; null until they are counted.';
comment on column public.historical_sync_jobs.processed_calls  is 'Calls dealt with so far, one way or the other.';
comment on column public.historical_sync_jobs.skipped_calls    is 'Calls that were not imported, as duplicates are.';
comment on column public.historical_sync_jobs.failed_calls     is 'Calls that could not be imported.';
comment on column public.historical_sync_jobs.started_at       is 'When the job began to run; null if pending.';
comment on column public.historical_sync_jobs.last_activity_at is 'When the worker last reported; null before that.';
comment on column public.historical_sync_jobs.created_at       is 'When the job was requested.';

create unique index historical_sync_jobs_active_idx
on public.historical_sync_jobs (agency_id)
where status in ('pending', 'in_progress');

comment on index public.historical_sync_jobs_active_idx
is 'At most one active job per agency; answers get_active_sync_job.';

-- Not partial: a generic plan, with the statuses as a parameter, could not use a
-- partial index.
create index historical_sync_jobs_recent_idx
on public.historical_sync_jobs (agency_id, created_at desc, id desc);

comment on index public.historical_sync_jobs_recent_idx
is 'The most recent job of an agency without a sort, by id if created_at is equal. Serves the foreign key, too.';

revoke all on public.historical_sync_jobs from public, anon, authenticated, service_role;

grant select                         on public.historical_sync_jobs to authenticated;
grant select, insert, update, delete on public.historical_sync_jobs to service_role;

alter table public.historical_sync_jobs enable row level security;

-- "(select …)" runs the helper once per query.
create policy "Users read the jobs of their own agency"
on public.historical_sync_jobs
for select
to authenticated
using (agency_id = (select private.current_agency_id()));

comment on policy "Users read the jobs of their own agency" on public.historical_sync_jobs
is 'The tenant boundary: whatever a caller asks for, only jobs of the caller''s own agency answer.';
