-- The RPC, and the order of the fallback query.
begin;
select plan(22);
\ir helpers.psql

insert into public.historical_sync_jobs (id, agency_id, status, date_from, date_to, created_at)
values ('c1000000-0000-4000-8000-000000000001', pg_temp.id('One'), 'pending', '2025-01-01', '2025-02-01', '2025-03-01'),
       ('c1000000-0000-4000-8000-000000000003', pg_temp.id('One'), 'failed', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000004', pg_temp.id('One'), 'completed', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000002', pg_temp.id('One'), 'cancelled', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000005', pg_temp.id('Two'), 'completed', '2025-01-01', '2025-02-01', '2025-02-01');

select has_function('public', 'get_active_sync_job', array['uuid'], 'There is the RPC');
select function_lang_is('public', 'get_active_sync_job', array['uuid'], 'sql', 'The RPC is plain SQL');
select function_returns('public', 'get_active_sync_job', array['uuid'], 'setof historical_sync_jobs', 'The RPC gives jobs');
select volatility_is('public', 'get_active_sync_job', array['uuid'], 'stable', 'The RPC only reads, so that GET may call it');
select isnt_definer('public', 'get_active_sync_job', array['uuid'], 'The RPC runs with the caller''s rights');
select is_definer('private', 'current_agency_id', array[]::text[], 'The policies'' helper does not pass through the policy on users');
select volatility_is('private', 'current_agency_id', array[]::text[], 'stable', 'The policies'' helper runs once per query');
select is(proconfig, array['search_path=""'], proname || ' is immune to the caller''s search_path')
from   pg_proc
where  oid in ('public.get_active_sync_job(uuid)'::regprocedure, 'private.current_agency_id()'::regprocedure)
order by proname;

select pg_temp.sign_in('Ann');
-- The helper goes by the token; only the owner may call it by its name.
reset role;
select is(private.current_agency_id(), pg_temp.id('One'), 'The helper knows the caller''s agency');
select pg_temp.sign_in('Ann');
select results_eq('select id from public.get_active_sync_job()', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'Without an argument: the pending job of the caller''s agency');
select results_eq($$select id from public.get_active_sync_job(pg_temp.id('One'))$$, $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'With the caller''s own agency: the same job');
select results_eq('select id from public.get_active_sync_job(null)', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'With null: the same job');
select results_eq(
  $$select id from public.historical_sync_jobs
    where agency_id = pg_temp.id('One') and status in ('completed', 'failed', 'cancelled')
    order by created_at desc, id desc$$,
  $$values ('c1000000-0000-4000-8000-000000000004'::uuid), ('c1000000-0000-4000-8000-000000000003'), ('c1000000-0000-4000-8000-000000000002')$$,
  'Finished jobs that tie on created_at come in the order of their ids');

reset role;
update public.historical_sync_jobs set status = 'in_progress' where status = 'pending';
select pg_temp.sign_in('Ann');
select results_eq('select id from public.get_active_sync_job()', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'An in-progress job is active too');

select pg_temp.sign_in('Ben');
select is_empty('select * from public.get_active_sync_job()', 'An agency with only finished jobs has no active one');
select is_empty($$select * from public.get_active_sync_job(pg_temp.id('One'))$$, 'With another agency: no row, active job or not');

select pg_temp.sign_in('Cleo');
reset role;
select is(private.current_agency_id(), null, 'The helper knows no agency of a user without one');
select pg_temp.sign_in('Cleo');
select is_empty('select * from public.get_active_sync_job()', 'A user without an agency has no active job');

select pg_temp.sign_in('service_role');
select results_eq($$select id from public.get_active_sync_job(pg_temp.id('One'))$$, $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'The back end names the agency');
select is_empty('select * from public.get_active_sync_job()', 'The back end is of no agency itself');
reset role;

alter table public.historical_sync_jobs add column added_later text;
select pg_temp.sign_in('Ann');
select results_eq('select id from public.get_active_sync_job()', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'The RPC answers also after the table has gained a column');
reset role;

select * from finish();
rollback;
