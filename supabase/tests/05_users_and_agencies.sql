-- The demo schema: users and agencies as this project makes them. A project that has
-- such tables does not need this file; `deno task adopt` then leaves it out.
begin;
select plan(43);
\ir helpers.psql

insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
values (pg_temp.id('One'), 'completed', '2025-01-01', '2025-02-01'),
       (pg_temp.id('Two'), 'completed', '2025-01-01', '2025-02-01');

-- Columns.
select columns_are('public', 'agencies', array['id', 'name', 'created_at'], 'An agency has these columns and no other');
select columns_are('public', 'users', array['id', 'agency_id', 'created_at'], 'A user has these columns and no other');
select columns_are('public', 'historical_sync_jobs',
  array['id', 'agency_id', 'status', 'date_from', 'date_to', 'total_calls', 'processed_calls', 'imported_calls',
        'skipped_calls', 'failed_calls', 'started_at', 'last_activity_at', 'created_at'],
  'A job has these columns and no other');
select col_default_is('public', 'agencies', 'id', 'gen_random_uuid()', 'An agency''s id is generated');
select col_is_pk('public', 'users', 'id', 'A user''s primary key is id');
select fk_ok('public', 'users', 'id', 'auth', 'users', 'id', 'A user is a user of Auth');
select has_index('public', 'users', 'users_agency_id_idx', array['agency_id'], 'An agency''s users are found by index');

-- Constraints.
select lives_ok($$insert into public.agencies (name) values ('A')$$, 'A name of one letter is accepted');
select throws_ok($$insert into public.agencies (name) values ('')$$, '23514', null, 'An empty name is refused');
select throws_ok($$insert into public.agencies (name) values (null)$$, '23502', null, 'An agency has a name');
select throws_ok(
  $$insert into public.users (id) values (gen_random_uuid())$$,
  '23503', null, 'A user whom Auth does not know is refused');

-- Grants and policies, whatever the platform grants by default.
select table_privs_are('public', tab, role, privileges, role || ' on ' || tab || ': ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   unnest(array['agencies', 'users']::name[]) as tab,
       (values ('anon'::name, array[]::text[]),
               ('authenticated', array['SELECT']),
               ('service_role', array['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) as granted (role, privileges);
select schema_privs_are('private', role, array[]::text[], role || ' in schema private: nothing')
from   unnest(array['anon', 'authenticated', 'service_role']::name[]) as role;
select policies_are('public', 'agencies', array['Users read their own agency'], 'agencies has one policy');
select policies_are('public', 'users', array['Users read their own row'], 'users has one policy');
select policy_cmd_is('public', 'agencies', 'Users read their own agency', 'select', 'The policy on agencies is for reading');
select policy_cmd_is('public', 'users', 'Users read their own row', 'select', 'The policy on users is for reading');
select policy_roles_are('public', 'agencies', 'Users read their own agency', array['authenticated'], 'The policy on agencies is for authenticated');
select policy_roles_are('public', 'users', 'Users read their own row', array['authenticated'], 'The policy on users is for authenticated');
select is((select relrowsecurity from pg_class where oid = 'public.agencies'::regclass), true, 'Row-level security is on for agencies');

select pg_temp.sign_in('Ann');
select results_eq('select id from public.users', $$values (pg_temp.id('Ann'))$$, 'A user reads their own row in users, no other');
select results_eq('select id from public.agencies', $$values (pg_temp.id('One'))$$, 'A user reads their own agency, no other');
select throws_ok($$insert into public.users (id) values (pg_temp.id('Ann'))$$, '42501', null, 'A user makes no user');
select throws_ok('delete from public.users', '42501', null, 'A user deletes no user');
select throws_ok($$insert into public.agencies (name) values ('Mine')$$, '42501', null, 'A user makes no agency');
select throws_ok($$update public.agencies set name = 'Mine'$$, '42501', null, 'A user renames no agency');
select throws_ok('delete from public.agencies', '42501', null, 'A user deletes no agency');

select pg_temp.sign_in('Cleo');
select is_empty('select * from public.agencies', 'A user without an agency reads no agency');

select pg_temp.sign_in('anon');
select throws_ok('select * from public.users', '42501', null, 'anon reads no user');
select throws_ok('select * from public.agencies', '42501', null, 'anon reads no agency');
reset role;

-- Deletions.
delete from auth.users where id = pg_temp.id('Ben');
select is_empty($$select * from public.users where id = pg_temp.id('Ben')$$, 'When Auth deletes a user, the row in users goes too');
select isnt_empty($$select * from public.agencies where id = pg_temp.id('Two')$$, 'The agency of a deleted user stays');
select isnt_empty($$select * from public.historical_sync_jobs where agency_id = pg_temp.id('Two')$$, 'The jobs of a deleted user''s agency stay');
delete from public.agencies where id = pg_temp.id('One');
select is_empty($$select * from public.historical_sync_jobs where agency_id = pg_temp.id('One')$$, 'When an agency is deleted, its jobs go too');
select results_eq($$select agency_id from public.users where id = pg_temp.id('Ann')$$, $$values (null::uuid)$$, 'When an agency is deleted, its users belong to none');

-- Comments.
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
