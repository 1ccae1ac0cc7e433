-- The demo's users and agencies, and the lock. A project with other tables does not get this file.
begin;
select plan(23);
\ir helpers.psql

-- Constraints.
select throws_ok($$insert into public.agencies (name) values ('')$$, '23514', null, 'An empty name is refused');
select throws_ok('insert into public.users values (gen_random_uuid())', '23503', null, 'A user is one of Auth''s');

-- Grants and policies, whatever the platform grants by default.
select set_eq(
  $$select pg_temp.rights(name) from unnest(array['public.agencies', 'public.users']) as name$$,
  array['authenticated select',
        'service_role select', 'service_role insert', 'service_role update', 'service_role delete'],
  'Users may read users and agencies, the back end may write them, anon may do nothing');
select set_eq(
  $$select tablename::text, cmd, roles::text from pg_policies where tablename in ('agencies', 'users')$$,
  $$values ('agencies', 'SELECT', '{authenticated}'), ('users', 'SELECT', '{authenticated}')$$,
  'Users and agencies have policies for reading only');

select pg_temp.sign_in('Ann');
select results_eq('select id from public.users', array[pg_temp.id('Ann')], 'A user reads their own row only');
select results_eq('select id from public.agencies', array[pg_temp.id('One')], 'A user reads their own agency only');
select pg_temp.sign_in('Cleo');
select is_empty('select from public.agencies', 'A user without an agency reads no agency');

-- The lock holds, however far a project opens the table.
reset role;
alter table public.users add column nickname text;
create function pg_temp.join_two() returns trigger language plpgsql
as $$ begin new.agency_id := pg_temp.id('Two'); return new; end; $$;
create trigger join_two before insert on public.users
for each row when (new.nickname = 'Two') execute function pg_temp.join_two();
create view public.profiles as select * from public.users;
create table public.wishes (agency_id uuid);
create rule wish as on insert to public.wishes do also
update public.users set agency_id = new.agency_id where id = auth.uid();
create policy "People edit any row"   on public.users    for all to public using (true);
create policy "People close agencies" on public.agencies for all to public using (true);
create role manager;
grant all on public.users, public.profiles, public.wishes, public.agencies to authenticated, manager;
delete from public.users where id = pg_temp.id('Cleo');

select pg_temp.sign_in('Ann');
select throws_ok(statement, '42501', 'Only service_role and the owner of the table may set agency_id.',
  'A user may not ' || regexp_replace(statement, 'pg_temp.id|\n *', ' ', 'g'))
from   unnest(array[
         $$update public.users set agency_id = pg_temp.id('Two') where id = pg_temp.id('Ann')$$,
         $$update public.users set agency_id = null$$,
         $$update public.users set id = pg_temp.id('Cleo') where id = pg_temp.id('Ben')$$,
         $$update public.profiles set agency_id = pg_temp.id('Two')$$,
         $$insert into public.wishes values (pg_temp.id('Two'))$$,
         $$insert into public.users (id, agency_id) values (pg_temp.id('Cleo'), pg_temp.id('Two'))$$,
         $$insert into public.users (id, nickname) values (pg_temp.id('Cleo'), 'Two')$$,
         $$insert into public.users (id, agency_id) values (pg_temp.id('Ann'), pg_temp.id('One'))
           on conflict (id) do update set agency_id = pg_temp.id('Two')$$,
         $$insert into public.users (id, agency_id) values (pg_temp.id('Ann'), pg_temp.id('Two'))
           on conflict (id) do update set agency_id = excluded.agency_id$$]) as statement;
select lives_ok(
  $$insert into public.users (id, agency_id, nickname) values (pg_temp.id('Ann'), pg_temp.id('One'), 'Annie')
    on conflict (id) do update set (id, agency_id, nickname) = (excluded.id, excluded.agency_id, excluded.nickname)$$,
  'A user upserts their own row as it is, with another nickname');
select pg_temp.sign_in('manager');
select throws_ok('update public.users set agency_id = null', '42501', null, 'Another role of a token is refused, too');
select pg_temp.sign_in('service_role');
select lives_ok($$update public.users set agency_id = pg_temp.id('Two')$$, 'The back end may');

-- Deletions.
reset role;
delete from auth.users where id = pg_temp.id('Ben');
select is_empty($$select from public.users where id = pg_temp.id('Ben')$$, 'The row of a user goes with Auth''s');
insert into public.historical_sync_jobs (agency_id, date_from, date_to) values (pg_temp.id('Two'), now(), now());
select pg_temp.sign_in('Ann');
select lives_ok($$delete from public.agencies where id = pg_temp.id('Two')$$, 'Who may delete an agency, can');
reset role;
select is_empty('select from public.historical_sync_jobs', 'When an agency is deleted, its jobs go too');
select is_empty('select from public.users where agency_id is not null', 'Its users belong to none');

select * from finish();
rollback;
