-- Prints the plans of a poll's three reads among a million jobs of a hundred thousand agencies, as PostgREST asks:
-- prepared, with the role, the claims and row-level security. Leaves nothing behind.
begin;
-- For users without a row in auth.users.
set local session_replication_role = replica;

insert into public.agencies (id, name)
select md5('agency' || i)::uuid, 'Agency ' || i from generate_series(1, 100000) as i;

insert into public.users (id, agency_id)
select md5('user' || i)::uuid, md5('agency' || i)::uuid from generate_series(1, 100000) as i;

insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, created_at)
select md5('agency' || 1 + i % 100000)::uuid,
       case when i <= 10000 then 'in_progress' else 'completed' end::public.sync_job_status,
       '2025-01-01', '2025-03-01', '2020-01-01'::timestamptz + i * interval '10 seconds'
from   generate_series(1, 1000000) as i;

set local session_replication_role = origin;
analyze public.agencies, public.users, public.historical_sync_jobs;

set local plan_cache_mode = force_generic_plan;
set local role authenticated;
select set_config('request.jwt.claims', json_build_object('sub', md5('user7')::uuid)::text, true);

prepare users (uuid) as select agency_id from public.users where id = $1;
prepare fallback (uuid, public.sync_job_status[]) as
select *
from   public.historical_sync_jobs
where  agency_id = $1
and    status = any ($2)
order  by created_at desc, id desc
limit  1;

explain (analyze, buffers, costs off) execute users (md5('user7')::uuid);
-- The first call of a session reads the catalogue as well.
select count(*) from public.get_active_sync_job();
explain (analyze, buffers, costs off) select * from public.get_active_sync_job();
explain (analyze, buffers, costs off) execute fallback (md5('agency7')::uuid, '{completed,failed,cancelled}');
rollback;
