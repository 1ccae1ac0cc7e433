-- The demo's users and agencies, and what find_tenancy_holes finds on them. A
-- project that has such tables of its own does not get this file.
begin;
select plan(51);
\ir helpers.psql

insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
values (pg_temp.id('One'), 'completed', '2025-01-01', '2025-02-01'),
       (pg_temp.id('Two'), 'completed', '2025-01-01', '2025-02-01');

-- Constraints.
select lives_ok($$insert into public.agencies (name) values ('A')$$, 'A name of one letter is accepted');
select throws_ok($$insert into public.agencies (name) values ('')$$, '23514', null, 'An empty name is refused');
select throws_ok($$insert into public.agencies (name) values (null)$$, '23502', null, 'An agency has a name');
select throws_ok($$insert into public.users (id) values (gen_random_uuid())$$, '23503', null, 'A user whom Auth does not know is refused');
select has_index('public', 'users', 'users_agency_id_idx', array['agency_id'], 'An agency''s users are found by index');

-- Grants and policies, whatever the platform grants by default.
select table_privs_are('public', tab, role, privileges, role || ' on ' || tab || ': ' || coalesce(nullif(array_to_string(privileges, ', '), ''), 'nothing'))
from   unnest(array['agencies', 'users']::name[]) as tab,
       (values ('anon'::name, array[]::text[]),
               ('authenticated', array['SELECT']),
               ('service_role', array['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) as granted (role, privileges);
select schema_privs_are('private', role, array[]::text[], role || ' in schema private: nothing')
from   unnest(array['anon', 'authenticated', 'service_role']::name[]) as role;
select policies_are('public', tab, array[policy], tab || ' has one policy')
from   (values ('agencies'::name, 'Users read their own agency'::name), ('users', 'Users read their own row')) as one (tab, policy);
select policy_cmd_is('public', tab, policy, 'select', 'The policy on ' || tab || ' is for reading')
from   (values ('agencies'::name, 'Users read their own agency'::name), ('users', 'Users read their own row')) as one (tab, policy);
select policy_roles_are('public', tab, policy, array['authenticated'], 'The policy on ' || tab || ' is for authenticated')
from   (values ('agencies'::name, 'Users read their own agency'::name), ('users', 'Users read their own row')) as one (tab, policy);
select is((select relrowsecurity from pg_class where oid = 'public.agencies'::regclass), true, 'Row-level security is on for agencies');

select pg_temp.sign_in('Ann');
select results_eq('select id from public.users', $$values (pg_temp.id('Ann'))$$, 'A user reads their own row in users, no other');
select results_eq('select id from public.agencies', $$values (pg_temp.id('One'))$$, 'A user reads their own agency, no other');
select throws_ok($$insert into public.users (id) values (pg_temp.id('Ann'))$$, '42501', null, 'A user makes no user');
select throws_ok($$update public.users set agency_id = pg_temp.id('Two')$$, '42501', null, 'A user joins no other agency');
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

-- Holes: each is found, and its remedy closes it.
create function pg_temp.remedied(change text)
returns text
language plpgsql
as $$
declare
  found record;
  names text := '';
begin
  execute change;
  for found in select * from private.find_tenancy_holes() order by hole loop
    names := names || found.hole;
    execute found.remedy;
  end loop;
  return names || ' left: ' || (select count(*) from private.find_tenancy_holes());
end;
$$;
create policy "Own row" on public.users for update to authenticated using (id = auth.uid());
select is_empty('select * from private.find_tenancy_holes()', 'A policy without the right to write is no hole');
select is(pg_temp.remedied('grant update (agency_id) on public.users to authenticated'),
  'Policy "Own row" on public.users: authenticated may update what decides a user''s agency. left: 0', 'A right to update that column and no other is a hole');
select is(pg_temp.remedied('grant update on public.users to authenticated'),
  'Policy "Own row" on public.users: authenticated may update what decides a user''s agency. left: 0', 'An update policy with the right to update is a hole');
select is(has_column_privilege('authenticated', 'public.users', 'created_at', 'update'), true, 'Its remedy leaves the other columns');
select matches(pg_temp.remedied('create policy everything on public.users; grant insert, update on public.users to anon, authenticated'),
  '^(Policy \S+ on public.users: (anon|authenticated) may (insert|update) [^.]*\.|Policy "Own row" [^.]*\.[^.]*\.){5} left: 0$', 'A policy for all commands and roles is four holes');
select is(has_column_privilege('authenticated', 'public.users', 'id', 'insert'), true, 'A user may still insert a row without an agency');
select is(pg_temp.remedied('alter table public.users disable row level security'),
  'Row-level security is off on public.users. left: 0', 'A table without row-level security is a hole');
select is(pg_temp.remedied('grant update (agency_id) on public.users to public; alter policy "Own row" on public.users to public; drop policy everything on public.users'),
  'Policy "Own row" on public.users: anon may update what decides a user''s agency.'
  || 'Policy "Own row" on public.users: authenticated may update what decides a user''s agency. left: 0', 'A right of everyone is a hole');
drop policy "Own row" on public.users;

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
    where  p.polrelid in ('public.agencies'::regclass, 'public.users'::regclass, 'public.historical_sync_jobs'::regclass)
    and    obj_description(p.oid, 'pg_policy') is null
    union all
    select p.proname, null from pg_proc p
    where  p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
    and    p.proname in ('get_active_sync_job', 'current_agency_id', 'find_tenancy_holes', 'reviewed_policies')
    and    obj_description(p.oid, 'pg_proc') is null
    union all
    select t.typname, null from pg_type t where t.oid = 'public.sync_job_status'::regtype and obj_description(t.oid, 'pg_type') is null$$,
  'Every table, column, index, policy, function and type carries a comment');

-- Behind a view and a generated column, the holes are the same.
alter table public.users rename to members;
alter table public.members rename agency_id to office_id;
create policy "Own row" on public.members for all to authenticated using (id = auth.uid());
alter table public.members add column agency_id uuid generated always as (office_id) stored;
select is(pg_temp.remedied('create view public.users as select id, agency_id from public.members'),
  'The view public.users reads with the rights of its owner. left: 0', 'A view that passes by row-level security is a hole');
select is(pg_temp.remedied('grant insert, update on public.members to authenticated'),
  'Policy "Own row" on public.members: authenticated may insert what decides a user''s agency.'
  || 'Policy "Own row" on public.members: authenticated may update what decides a user''s agency. left: 0', 'A view over what users write is a hole');
select is(array_agg(attname || ' ' || privilege order by attname), array['created_at insert', 'created_at update', 'id insert'], 'Its remedy leaves the other columns, and the user''s own id in a new row')
from   pg_attribute, unnest(array['insert', 'update']) as privilege
where  attrelid = 'public.members'::regclass
and    attnum > 0
and    has_column_privilege('authenticated', attrelid, attnum, privilege);

alter table public.members add foreign key (office_id) references auth.users (id);
select matches(pg_temp.remedied('grant insert (id, office_id) on public.members to authenticated'),
  'authenticated may insert .* left: 0$', 'A tenant that is a user of Auth is not taken for the user''s own id');
create or replace function private.reviewed_policies() returns text[] language sql as $$ select array['"Own row" on public.members'] $$;
select is(pg_temp.remedied('grant update on public.members to authenticated'), ' left: 0', 'A policy that was read is passed over');

select * from finish();
rollback;
