-- The RPC, and the order of the fallback query.
begin;
select plan(12);
\ir helpers.psql

create function pg_temp.job(number integer) returns uuid language sql as $$
  select ('c1000000-0000-4000-8000-00000000000' || number)::uuid;
$$;
insert into public.historical_sync_jobs (id, agency_id, status, date_from, date_to, created_at)
values (pg_temp.job(1), pg_temp.id('One'), 'pending',   now(), now(), '2025-03-01'),
       (pg_temp.job(3), pg_temp.id('One'), 'failed',    now(), now(), '2025-02-01'),
       (pg_temp.job(4), pg_temp.id('One'), 'completed', now(), now(), '2025-02-01'),
       (pg_temp.job(2), pg_temp.id('One'), 'cancelled', now(), now(), '2025-02-01'),
       (pg_temp.job(5), pg_temp.id('Two'), 'completed', now(), now(), '2025-02-01');

select set_eq(
  $$select proname::text, provolatile::text, prosecdef, proconfig
    from   pg_proc
    where  oid in ('public.get_active_sync_job(uuid)'::regprocedure, 'private.current_agency_id()'::regprocedure)$$,
  $$values ('current_agency_id',   's', true,  array['search_path=""']),
           ('get_active_sync_job', 's', false, array['search_path=""'])$$,
  'The RPC runs with the caller''s rights, the policies'' helper with its owner''s; both only read, for GET');

-- The helper goes by the token; only the owner may call it by its name.
select pg_temp.sign_in('Ann');
reset role;
select is(private.current_agency_id(), pg_temp.id('One'), 'The helper knows the caller''s agency');
select pg_temp.sign_in('Cleo');
reset role;
select is(private.current_agency_id(), null, 'The helper knows no agency of a user without one');

select pg_temp.sign_in('Ann');
select is(id, pg_temp.job(1), 'Without an argument: the job of the caller''s agency') from public.get_active_sync_job();
select is(id, pg_temp.job(1), 'With that agency: the same') from public.get_active_sync_job(pg_temp.id('One'));
select results_eq(
  $$select id
    from   public.historical_sync_jobs
    where  status in ('completed', 'failed', 'cancelled')
    order  by created_at desc, id desc$$,
  array[pg_temp.job(4), pg_temp.job(3), pg_temp.job(2)],
  'Finished jobs that tie on created_at come in the order of their ids');

select pg_temp.sign_in('Ben');
select is_empty('select from public.get_active_sync_job()', 'An agency with only finished jobs has no active one');
select is_empty($$select from public.get_active_sync_job(pg_temp.id('One'))$$, 'Of another agency: no row');

select pg_temp.sign_in('Cleo');
select is_empty('select from public.get_active_sync_job()', 'A user without an agency has no active job');

select pg_temp.sign_in('service_role');
select is(id, pg_temp.job(1), 'The back end names the agency') from public.get_active_sync_job(pg_temp.id('One'));
select is_empty('select from public.get_active_sync_job()', 'The back end is of no agency itself');

reset role;
update public.historical_sync_jobs set status = 'in_progress' where status = 'pending';
alter table public.historical_sync_jobs add column added_later text;
select pg_temp.sign_in('Ann');
select is(id, pg_temp.job(1), 'In progress, and with one more column') from public.get_active_sync_job();

reset role;
select * from finish();
rollback;
