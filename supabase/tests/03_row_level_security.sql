-- The grants and policies that the endpoint relies on, for every API role.
begin;
select plan(11);
\ir helpers.psql

insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
values (pg_temp.id('One'), 'in_progress', now(), now()),
       (pg_temp.id('One'), 'completed',   now(), now()),
       (pg_temp.id('Two'), 'failed',      now(), now());

-- Whatever the platform grants by default.
select set_eq(
  $$select pg_temp.rights('public.historical_sync_jobs')$$,
  array['authenticated select',
        'service_role select', 'service_role insert', 'service_role update', 'service_role delete'],
  'Users may read jobs, the back end may write them, anon may do nothing');
select set_eq(
  $$select role
    from   unnest(array['public', 'anon', 'authenticated', 'service_role']) as role
    where  has_function_privilege(role, 'public.get_active_sync_job(uuid)', 'execute')
    or     has_function_privilege(role, 'private.current_agency_id()', 'execute')$$,
  array['authenticated', 'service_role'],
  'Users and the back end may call the RPC and the policies'' helper, nobody else');
-- Without "select", a count over 100,000 jobs calls the helper 100,000 times.
select set_eq(
  $$select cmd, roles::text, qual ~ '\( SELECT private\.current_agency_id\(\)'
    from   pg_policies
    where  tablename = 'historical_sync_jobs'$$,
  $$values ('SELECT', '{authenticated}', true)$$,
  'The jobs have one policy, which calls its helper once per query');

select pg_temp.sign_in('Ann');
select is(agency_id, pg_temp.id('One'), 'A user reads their own agency_id')
from   public.users where id = pg_temp.id('Ann');
select is(array_agg(distinct agency_id), array[pg_temp.id('One')], 'A user reads the jobs of their own agency only')
from   public.historical_sync_jobs;
select throws_ok('update public.historical_sync_jobs set processed_calls = 1', '42501', null, 'A user writes no job');

select pg_temp.sign_in('Cleo');
select is_empty('select from public.historical_sync_jobs', 'A user without an agency reads no job');

select pg_temp.sign_in('anon');
select throws_ok('select from public.historical_sync_jobs', '42501', null, 'anon reads no job');
select throws_ok('select from public.get_active_sync_job()', '42501', null, 'anon may not call the RPC');

select pg_temp.sign_in('service_role');
select lives_ok('update public.historical_sync_jobs set processed_calls = 1', 'The back end writes jobs');
select is(count(distinct agency_id), 2::bigint, 'The back end reads every agency''s jobs')
from   public.historical_sync_jobs;

reset role;
select * from finish();
rollback;
