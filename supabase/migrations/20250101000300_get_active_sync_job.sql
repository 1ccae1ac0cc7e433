-- SECURITY INVOKER: row-level security decides what the caller sees, whichever
-- agency the argument names. BEGIN ATOMIC: names are resolved now, and callers
-- need no right on schema private. "select jobs" returns the whole row, with
-- columns that are added later.
create function public.get_active_sync_job(p_agency_id uuid default null)
returns setof public.historical_sync_jobs
language sql
stable
security invoker
set search_path = ''
begin atomic
  select jobs
  from   public.historical_sync_jobs as jobs
  where  jobs.agency_id = coalesce(p_agency_id, (select private.current_agency_id()))
  and    jobs.status in ('pending', 'in_progress');
end;

comment on function public.get_active_sync_job(uuid)
is 'The pending or in-progress job of an agency, or no row. Without an argument: of the caller''s own agency.';

-- Functions are executable by everyone unless that is revoked.
revoke all on function public.get_active_sync_job(uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_active_sync_job(uuid) to authenticated, service_role;
