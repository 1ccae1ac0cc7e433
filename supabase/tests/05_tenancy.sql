-- Tries to move between agencies, as a user could who knows every uuid column of schema public. It tries no
-- functions, no text columns, no two steps in a row, and inserts no column that has a default.
begin;
select plan(4);
\ir helpers.psql
insert into public.historical_sync_jobs (id, agency_id, date_from, date_to)
values ('c1000000-0000-4000-8000-000000000005', pg_temp.id('Two'), now(), now());
create temporary table tables as
select format('public.%I', table_name) as name,
       string_agg(quote_ident(column_name), ', ') filter (where udt_name = 'uuid') as ids,
       string_agg(quote_ident(column_name), ', ')
         filter (where column_default is null and is_identity = 'NO' and is_generated = 'NEVER') as columns
from   information_schema.columns where table_schema = 'public' group by table_name;
create temporary table found (id uuid, name text, row text);
grant all on tables, found to public;
create function pg_temp.try(statement text) returns void language plpgsql as $$
begin execute statement;
exception when others then null; end;
$$;
create function pg_temp.find(id uuid) returns bigint language sql as $$
  select count(pg_temp.try(format('insert into found select %1$L, %2$L, to_json(t) from %2$s as t where %1$L in (%3$s)',
                                  id, name, ids))) from tables;
$$;
create function pg_temp.insert_rows_of_ann(old text, new text) returns bigint language sql as $$
  select count(pg_temp.try(format('insert into %1$s (%2$s) select %2$s from json_populate_record(null::%1$s, %3$L)',
                                  name, columns, replace(row, pg_temp.id(old)::text, pg_temp.id(new)::text))))
  from   found join tables using (name) where id = pg_temp.id('Ann');
$$;
select pg_temp.find(pg_temp.id('Ann'));
select pg_temp.sign_in('Ann');
select pg_temp.find('c1000000-0000-4000-8000-000000000005');
select pg_temp.try(format('update %1$s set %2$s = %3$L where %2$s = %4$L',
                          name, id, pg_temp.id('Two'), pg_temp.id('One')))
from   tables, string_to_table(ids, ', ') as id;
reset role;
select is_empty($$select name from found where id <> pg_temp.id('Ann')$$, 'Ann sees no job of agency Two anywhere');
select is(private.current_agency_id(), pg_temp.id('One'), 'Ann writes Two wherever One stands, and stays in One');
select pg_temp.sign_in('Cleo');
select pg_temp.insert_rows_of_ann('Ann', 'Cleo');
reset role;
select is(private.current_agency_id(), null, 'Cleo inserts what makes Ann a member, and is in no agency');
select pg_temp.insert_rows_of_ann('One', 'Two');
select is_empty('select id from public.users group by id having count(*) > 1', 'Of two memberships, one counts');
select * from finish();
rollback;
