-- The grants and policies that the endpoint relies on, for every API role.
begin;
select plan(28);
\ir helpers.psql

insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
values (pg_temp.id('One'), 'in_progress', '2025-01-01', '2025-02-01'),
       (pg_temp.id('One'), 'completed', '2025-01-01', '2025-02-01'),
       (pg_temp.id('Two'), 'failed', '2025-01-01', '2025-02-01');

-- Grants, whatever the platform grants by default.
select table_privs_are('public', 'historical_sync_jobs', role, privileges, role || ' on historical_sync_jobs: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]),
               ('authenticated', array['SELECT']),
               ('service_role', array['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) as granted (role, privileges);
select function_privs_are('public', 'get_active_sync_job', array['uuid'], role, privileges,
  role || ' on get_active_sync_job: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]), ('authenticated', array['EXECUTE']), ('service_role', array['EXECUTE'])) as granted (role, privileges);
select function_privs_are('private', 'current_agency_id', array[]::text[], role, privileges,
  role || ' on private.current_agency_id: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]), ('authenticated', array['EXECUTE']), ('service_role', array['EXECUTE'])) as granted (role, privileges);
select is(has_function_privilege('public', 'public.get_active_sync_job(uuid)', 'execute'), false, 'The RPC is not executable by everyone');

-- The policy, and no other.
select policies_are('public', 'historical_sync_jobs', array['Users read the jobs of their own agency'], 'historical_sync_jobs has one policy');
select policy_cmd_is('public', 'historical_sync_jobs', 'Users read the jobs of their own agency', 'select', 'The policy on historical_sync_jobs is for reading');
select policy_roles_are('public', 'historical_sync_jobs', 'Users read the jobs of their own agency', array['authenticated'], 'The policy on historical_sync_jobs is for authenticated');
select is(relrowsecurity, true, 'Row-level security is on for historical_sync_jobs')
from   pg_class
where  oid = 'public.historical_sync_jobs'::regclass;
-- Without "select", a count over 100,000 jobs calls the helper 100,000 times.
select matches(pg_get_expr(polqual, polrelid), '\( SELECT private\.current_agency_id\(\)', 'The policy calls its helper once per query')
from   pg_policy
where  polrelid = 'public.historical_sync_jobs'::regclass;

-- A user of agency One.
select pg_temp.sign_in('Ann');
select results_eq($$select agency_id from public.users where id = pg_temp.id('Ann')$$, $$values (pg_temp.id('One'))$$, 'A user reads their own agency_id');
select results_eq('select distinct agency_id from public.historical_sync_jobs', $$values (pg_temp.id('One'))$$, 'A user reads the jobs of their own agency, no other');
select is_empty($$select * from public.historical_sync_jobs where agency_id = pg_temp.id('Two')$$, 'Asking for the other agency''s jobs shows none');
select throws_ok($$insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (pg_temp.id('One'), now(), now())$$, '42501', null, 'A user makes no job');
select throws_ok('update public.historical_sync_jobs set processed_calls = 1', '42501', null, 'A user changes no job');
select throws_ok('delete from public.historical_sync_jobs', '42501', null, 'A user deletes no job');

-- A user without an agency.
select pg_temp.sign_in('Cleo');
select is_empty('select * from public.historical_sync_jobs', 'A user without an agency reads no job');

-- Without a sign-in.
select pg_temp.sign_in('anon');
select throws_ok('select * from public.historical_sync_jobs', '42501', null, 'anon reads no job');
select throws_ok('select * from public.get_active_sync_job()', '42501', null, 'anon may not call the RPC');

-- The back end.
select pg_temp.sign_in('service_role');
select lives_ok($$insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (pg_temp.id('Two'), now(), now())$$, 'The back end makes a job');
select lives_ok($$update public.historical_sync_jobs set processed_calls = 1$$, 'The back end changes jobs');
select isnt_empty($$select * from public.historical_sync_jobs where agency_id = pg_temp.id('Two')$$, 'The back end reads every agency''s jobs');
select lives_ok($$delete from public.historical_sync_jobs where agency_id = pg_temp.id('Two')$$, 'The back end deletes jobs');

reset role;
select * from finish();
rollback;
