-- The RPC, the fallback query's order, and what deletions take with them.
begin;
select plan(27);

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
insert into public.historical_sync_jobs (id, agency_id, status, date_from, date_to, created_at)
values ('c1000000-0000-4000-8000-000000000001', 'a1000000-0000-4000-8000-000000000001', 'pending', '2025-01-01', '2025-02-01', '2025-03-01'),
       ('c1000000-0000-4000-8000-000000000003', 'a1000000-0000-4000-8000-000000000001', 'failed', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000004', 'a1000000-0000-4000-8000-000000000001', 'completed', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000002', 'a1000000-0000-4000-8000-000000000001', 'cancelled', '2025-01-01', '2025-02-01', '2025-02-01'),
       ('c1000000-0000-4000-8000-000000000005', 'a1000000-0000-4000-8000-000000000002', 'completed', '2025-01-01', '2025-02-01', '2025-02-01');

create function pg_temp.sign_in(role text, sub text default null)
returns text
language sql
as $$
  select set_config('request.jwt.claims', json_build_object('role', role, 'sub', sub)::text, true),
         set_config('role', role, true);
  select 'signed in as ' || role;
$$;
grant execute on function pg_temp.sign_in(text, text) to public;

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

select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000001');
select is(private.current_agency_id(), 'a1000000-0000-4000-8000-000000000001', 'The helper knows the caller''s agency');
select results_eq('select id from public.get_active_sync_job()', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'Without an argument: the pending job of the caller''s agency');
select results_eq($$select id from public.get_active_sync_job('a1000000-0000-4000-8000-000000000001')$$, $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'With the own agency: the same job');
select results_eq('select id from public.get_active_sync_job(null)', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'With null: the same job');
select results_eq(
  $$select id from public.historical_sync_jobs
    where agency_id = 'a1000000-0000-4000-8000-000000000001' and status in ('completed', 'failed', 'cancelled')
    order by created_at desc, id desc$$,
  $$values ('c1000000-0000-4000-8000-000000000004'::uuid), ('c1000000-0000-4000-8000-000000000003'), ('c1000000-0000-4000-8000-000000000002')$$,
  'Finished jobs that tie on created_at come in the order of their ids');

reset role;
update public.historical_sync_jobs set status = 'in_progress' where status = 'pending';
select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000001');
select results_eq('select id from public.get_active_sync_job()', $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'An in-progress job is active too');

select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000002');
select is_empty('select * from public.get_active_sync_job()', 'An agency with finished jobs alone has no active one');
select is_empty($$select * from public.get_active_sync_job('a1000000-0000-4000-8000-000000000001')$$, 'With another agency: no row, active job or not');

select pg_temp.sign_in('authenticated', 'b1000000-0000-4000-8000-000000000003');
select is(private.current_agency_id(), null, 'The helper knows no agency of a user without one');
select is_empty('select * from public.get_active_sync_job()', 'A user without an agency has no active job');

select pg_temp.sign_in('service_role');
select results_eq($$select id from public.get_active_sync_job('a1000000-0000-4000-8000-000000000001')$$, $$values ('c1000000-0000-4000-8000-000000000001'::uuid)$$, 'The back end names the agency');
select is_empty('select * from public.get_active_sync_job()', 'The back end is of no agency itself');
reset role;

-- Deletions.
delete from auth.users where id = 'b1000000-0000-4000-8000-000000000002';
select is_empty($$select * from public.users where id = 'b1000000-0000-4000-8000-000000000002'$$, 'When Auth deletes a user, the row in users goes too');
select isnt_empty($$select * from public.agencies where id = 'a1000000-0000-4000-8000-000000000002'$$, 'The agency of a deleted user stays');
select isnt_empty($$select * from public.historical_sync_jobs where agency_id = 'a1000000-0000-4000-8000-000000000002'$$, 'The jobs of a deleted user''s agency stay');
delete from public.agencies where id = 'a1000000-0000-4000-8000-000000000001';
select is_empty($$select * from public.historical_sync_jobs where agency_id = 'a1000000-0000-4000-8000-000000000001'$$, 'When an agency is deleted, its jobs go too');
select results_eq($$select agency_id from public.users where id = 'b1000000-0000-4000-8000-000000000001'$$, $$values (null::uuid)$$, 'When an agency is deleted, its users belong to none');

-- Every object says what it is for.
select is_empty(
  $$select c.oid::regclass::text, a.attname
    from   pg_class c
    left   join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind = 'r'
    where  c.oid in ('public.agencies'::regclass, 'public.users'::regclass, 'public.historical_sync_jobs'::regclass,
                     'public.users_agency_id_idx'::regclass, 'public.historical_sync_jobs_active_idx'::regclass, 'public.historical_sync_jobs_recent_idx'::regclass)
    and    (obj_description(c.oid, 'pg_class') is null or (a.attnum is not null and col_description(c.oid, a.attnum) is null))
    union all
    select p.polname, null from pg_policy p
    where  p.polrelid::regclass::text not like 'pg%' and p.polrelid in ('public.agencies'::regclass, 'public.users'::regclass, 'public.historical_sync_jobs'::regclass)
    and    obj_description(p.oid, 'pg_policy') is null
    union all
    select p.proname, null from pg_proc p
    where  p.oid in ('public.get_active_sync_job(uuid)'::regprocedure, 'private.current_agency_id()'::regprocedure)
    and    obj_description(p.oid, 'pg_proc') is null
    union all
    select t.typname, null from pg_type t where t.oid = 'public.sync_job_status'::regtype and obj_description(t.oid, 'pg_type') is null$$,
  'Every table, column, index, policy, function and type carries a comment');

select * from finish();
rollback;
