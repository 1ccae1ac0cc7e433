-- Policies, jobs and RPC stand on one relation, public.users (id, agency_id),
-- a table or a view, and read it through the helper below.

-- Helpers live in a schema that the API does not expose, and that the API roles
-- may not look into. A project may have it already; its rights stay its own.
create schema if not exists private;

-- Name here the policies that you have read and found right: under them nobody
-- chooses their own agency. Write them as the message does: '"Owners add members" on public.members'.
create function private.reviewed_policies()
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array[]::text[];
$$;

comment on function private.reviewed_policies() is 'Policies that find_tenancy_holes passes over: somebody has read them.';

revoke all on function private.reviewed_policies() from public, anon, authenticated, service_role;

-- A user who may write agency_id could join any agency.
-- This looks at the grants and policies of anon and authenticated, through views
-- and generated columns. It does not see what triggers and SECURITY DEFINER
-- functions write, which functions and claims a view reads, partitions and child
-- tables, and views of your own over this relation: if they read with the rights
-- of their owner, Supabase's advisors name them (lint 0010).
create function private.find_tenancy_holes()
returns table (hole text, remedy text)
language sql
stable
set search_path = ''
as $$
  -- The columns that decide: those of users, and what a view or a generated column reads for them.
  with recursive columns (relation, number) as (
    select attrelid, attnum::integer
    from   pg_attribute
    where  attrelid = 'public.users'::regclass
    and    attname in ('id', 'agency_id')
    union
    select reads.refobjid, reads.refobjsubid
    from   columns
    join   (
             select oid, 'pg_rewrite'::regclass, ev_class, null from pg_rewrite
             union all
             select oid, 'pg_attrdef'::regclass, adrelid, adnum from pg_attrdef
           ) as reader (oid, class, relation, number)
    on     reader.relation = columns.relation
    and    coalesce(reader.number, columns.number) = columns.number
    join   pg_depend as reads
    on     (reads.classid, reads.objid) = (reader.class, reader.oid)
    and    reads.refclassid = 'pg_class'::regclass
    and    reads.refobjsubid > 0
  ),
  relations as (
    select oid, oid::regclass as name, relkind, relrowsecurity,
           coalesce(reloptions::text ~ 'security_invoker=(true|on|yes|t|y|1)[,}]', false) as invoker
    from   pg_class
    where  oid in (select relation from columns)
  ),
  -- Inserting the user's own id, and nothing else, chooses no agency.
  writable as (
    select relation, number, privilege
    from   columns, unnest(array['insert', 'update']) as privilege
    where  privilege = 'update'
    or     not exists (
             select from pg_attribute
             where  attrelid = 'public.users'::regclass
             and    (attrelid, attnum, attname) = (relation, number, 'id')
             union all
             select from pg_constraint
             join   columns as referring on (referring.relation, array[referring.number::smallint]) = (conrelid, conkey)
             where  (conrelid, confrelid) = (columns.relation, 'auth.users'::regclass)
             having array_agg(distinct referring.number) = array[columns.number]
           )
  ),
  -- The permissive policies under which a role of the API writes one of them.
  writers as (
    select distinct writable.relation, writable.relation::regclass as name, polname, role, privilege
    from   writable
    join   pg_policy on polrelid = writable.relation
    cross  join unnest(array['anon', 'authenticated']) as role
    where  polpermissive
    and    polcmd in ('*', case privilege when 'insert' then 'a' else 'w' end)
    and    exists (select from unnest(polroles) as member where member = 0 or pg_has_role(role, member, 'usage'))
    and    has_column_privilege(role, polrelid, number::smallint, privilege)
    and    format('%I on %s', polname, polrelid::regclass) <> all (private.reviewed_policies())
  )
  select format('Row-level security is off on %s.', name),
         format('alter table %s enable row level security;', name)
  from   relations
  where  relkind <> 'v' and not relrowsecurity
  union all
  select format('The view %s reads with the rights of its owner.', name),
         format('alter view %s set (security_invoker = true);', name)
  from   relations
  where  relkind = 'v' and not invoker
  union all
  select format('Policy %I on %s: %s may %s what decides a user''s agency.', polname, name, role, privilege),
         format('revoke %s on %s from public, %s;', privilege, name, role)
           || coalesce((
                select format(' grant %s (%s) on %s to %s;', privilege, string_agg(quote_ident(attname), ', ' order by attnum), name, role)
                from   pg_attribute
                where  attrelid = writers.relation
                and    attnum > 0
                and    not attisdropped
                and    has_column_privilege(role, attrelid, attnum, privilege)
                and    (attrelid, attnum::integer, privilege) not in (table writable)
                having count(*) > 0
              ), '')
  from   writers;
$$;

comment on function private.find_tenancy_holes() is 'How users could choose their own agency, each with the statement that closes it; no row if there is no way.';

revoke all on function private.find_tenancy_holes() from public, anon, authenticated, service_role;

-- The migration stops if users can write their own agency.
do $$
declare
  holes text;
begin
  select string_agg(hole || E'\n  ' || remedy, E'\n') into holes from private.find_tenancy_holes();
  if holes is not null then
    raise exception E'Users could choose their own agency. Put these statements at the top of this migration, then apply it again.\n%\n', holes;
  end if;
end;
$$;

-- SECURITY DEFINER: the policies of other tables ask for the agency without
-- passing through the policy on users once more. It returns only
-- the caller's own agency.
create function private.current_agency_id()
returns uuid
language sql
stable
security definer
set search_path = ''
as $$
  select users.agency_id
  from   public.users
  where  users.id = (select auth.uid());
$$;

comment on function private.current_agency_id() is 'The agency of the caller of the API; null for a user without one and outside a request.';

revoke all on function private.current_agency_id() from public, anon, authenticated, service_role;
grant execute on function private.current_agency_id() to authenticated, service_role;
