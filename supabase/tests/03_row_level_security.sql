-- Who sees and who changes what: every policy and grant, for every API role.
begin;
select plan(54);

insert into auth.users (id, email, is_sso_user)
values ('b1000000-0000-4000-8000-000000000001', 'one@example.test', false),
       ('b1000000-0000-4000-8000-000000000002', 'two@example.test', false),
       ('b1000000-0000-4000-8000-000000000003', 'none@example.test', false);
insert into public.agencies (id, name)
values ('a1000000-0000-4000-8000-000000000001', 'One'),
       ('a1000000-0000-4000-8000-000000000002', 'Two');
insert into public.users (id, agency_id)
values ('b1000000-0000-4000-8000-000000000001', 'a1000000-0000-4000-8000-000000000001'),
       ('b1000000-0000-4000-8000-000000000002', 'a1000000-0000-4000-8000-000000000002'),
       ('b1000000-0000-4000-8000-000000000003', null);
insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
values ('a1000000-0000-4000-8000-000000000001', 'in_progress', '2025-01-01', '2025-02-01'),
       ('a1000000-0000-4000-8000-000000000001', 'completed', '2025-01-01', '2025-02-01'),
       ('a1000000-0000-4000-8000-000000000002', 'failed', '2025-01-01', '2025-02-01');

-- Signs in as PostgREST does: the role, and the claims of the token.
create function pg_temp.sign_in(role text, sub text default null)
returns text
language sql
as $$
  select set_config('request.jwt.claims', json_build_object('role', role, 'sub', sub)::text, true),
         set_config('role', role, true);
  select 'signed in as ' || role;
$$;
grant execute on function pg_temp.sign_in(text, text) to public;

-- What is granted, whatever the platform grants by itself.
select table_privs_are('public', tab, role, privileges, role || ' on ' || tab || ': ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   unnest(array['agencies', 'users', 'historical_sync_jobs']::name[]) as tab,
       (values ('anon'::name, array[]::text[]),
               ('authenticated', array['SELECT']),
               ('service_role', array['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) as granted (role, privileges);
select function_privs_are('public', 'get_active_sync_job', array['uuid'], role, privileges,
  role || ' on get_active_sync_job: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]), ('authenticated', array['EXECUTE']), ('service_role', array['EXECUTE'])) as granted (role, privileges);
select function_privs_are('private', 'current_agency_id', array[]::text[], role, privileges,
  role || ' on private.current_agency_id: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]), ('authenticated', array['EXECUTE']), ('service_role', array['EXECUTE'])) as granted (role, privileges);
select schema_privs_are('private', role, privileges, role || ' in schema private: ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   (values ('anon'::name, array[]::text[]), ('authenticated', array['USAGE']), ('service_role', array['USAGE'])) as granted (role, privileges);
select is(has_function_privilege('public', 'public.get_active_sync_job(uuid)', 'execute'), false, 'The RPC is not executable by everyone');

-- The policies, and no other.
select policies_are('public', 'agencies', array['Users read their own agency'], 'agencies has one policy');
select policies_are('public', 'users', array['Users read their own row'], 'users has one policy');
select policies_are('public', 'historical_sync_jobs', array['Users read the jobs of their own agency'], 'historical_sync_jobs has one policy');
select policy_cmd_is('public', 'agencies', 'Users read their own agency', 'select', 'The policy on agencies is for reading');
select policy_cmd_is('public', 'users', 'Users read their own row', 'select', 'The policy on users is for reading');
select policy_cmd_is('public', 'historical_sync_jobs', 'Users read the jobs of their own agency', 'select', 'The policy on historical_sync_jobs is for reading');
select policy_roles_are('public', 'agencies', 'Users read their own agency', array['authenticated'], 'The policy on agencies is for authenticated');
select policy_roles_are('public', 'users', 'Users read their own row', array['authenticated'], 'The policy on users is for authenticated');
select policy_roles_are('public', 'historical_sync_jobs', 'Users read the jobs of their own agency', array['authenticated'], 'The policy on historical_sync_jobs is for authenticated');
select is(relrowsecurity, true, 'Row-level security is on for ' || relname)
from   pg_class
where  oid in ('public.agencies'::regclass, 'public.users'::regclass, 'public.historical_sync_jobs'::regclass)
order by relname;

-- A user of agency One.
select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000001');
select results_eq('select id from public.users', $$values ('b1000000-0000-4000-8000-000000000001'::uuid)$$, 'A user reads the own row in users, no other');
select results_eq('select id from public.agencies', $$values ('a1000000-0000-4000-8000-000000000001'::uuid)$$, 'A user reads the own agency, no other');
select results_eq('select distinct agency_id from public.historical_sync_jobs', $$values ('a1000000-0000-4000-8000-000000000001'::uuid)$$, 'A user reads the jobs of the own agency, no other');
select is_empty($$select * from public.historical_sync_jobs where agency_id = 'a1000000-0000-4000-8000-000000000002'$$, 'Asking for the other agency''s jobs shows none');
select throws_ok($$insert into public.historical_sync_jobs (agency_id, date_from, date_to) values ('a1000000-0000-4000-8000-000000000001', now(), now())$$, '42501', null, 'A user makes no job');
select throws_ok('update public.historical_sync_jobs set processed_calls = 1', '42501', null, 'A user changes no job');
select throws_ok('delete from public.historical_sync_jobs', '42501', null, 'A user deletes no job');
select throws_ok($$update public.users set agency_id = 'a1000000-0000-4000-8000-000000000002'$$, '42501', null, 'A user joins no other agency');
select throws_ok($$insert into public.users (id) values ('b1000000-0000-4000-8000-000000000001')$$, '42501', null, 'A user makes no user');
select throws_ok('delete from public.users', '42501', null, 'A user deletes no user');
select throws_ok($$insert into public.agencies (name) values ('Mine')$$, '42501', null, 'A user makes no agency');
select throws_ok($$update public.agencies set name = 'Mine'$$, '42501', null, 'A user renames no agency');
select throws_ok('delete from public.agencies', '42501', null, 'A user deletes no agency');

-- A user without an agency.
select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000003');
select is_empty('select * from public.historical_sync_jobs', 'A user without an agency reads no job');
select is_empty('select * from public.agencies', 'A user without an agency reads no agency');

-- Nobody in particular.
select pg_temp.sign_in('anon');
select throws_ok('select * from public.historical_sync_jobs', '42501', null, 'anon reads no job');
select throws_ok('select * from public.users', '42501', null, 'anon reads no user');
select throws_ok('select * from public.agencies', '42501', null, 'anon reads no agency');
select throws_ok('select * from public.get_active_sync_job()', '42501', null, 'anon may not call the RPC');

-- The back end.
select pg_temp.sign_in('service_role');
select lives_ok($$insert into public.historical_sync_jobs (agency_id, date_from, date_to) values ('a1000000-0000-4000-8000-000000000002', now(), now())$$, 'The back end makes a job');
select lives_ok($$update public.historical_sync_jobs set processed_calls = 1$$, 'The back end changes jobs');
select isnt_empty($$select * from public.historical_sync_jobs where agency_id = 'a1000000-0000-4000-8000-000000000002'$$, 'The back end reads every agency''s jobs');
select lives_ok($$delete from public.historical_sync_jobs where agency_id = 'a1000000-0000-4000-8000-000000000002'$$, 'The back end deletes jobs');

reset role;
select * from finish();
rollback;
