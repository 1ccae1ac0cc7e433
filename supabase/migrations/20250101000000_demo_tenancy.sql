-- Agencies are the tenants. A user belongs to one agency, or to none yet.
-- A project with tables of its own takes another file in the place of this one:
-- docs/adopting.md.

create table public.agencies (
  id         uuid        not null primary key default gen_random_uuid(),
  name       text        not null check (name <> ''),
  created_at timestamptz not null default now()
);

comment on table  public.agencies      is 'The tenants: each agency sees its own rows and nobody else''s.';
comment on column public.agencies.name is 'What people call the agency; never empty.';

create table public.users (
  id         uuid        not null primary key references auth.users (id) on delete cascade,
  agency_id  uuid                             references public.agencies (id) on delete set null,
  created_at timestamptz not null default now()
);

comment on table  public.users           is 'What the application knows of a signed-in user, beside auth.users.';
comment on column public.users.id        is 'The user''s id in auth.users; the row goes when the auth user is deleted.';
comment on column public.users.agency_id is 'The agency the user belongs to; null if there is none, or it was deleted.';

create index users_agency_id_idx on public.users (agency_id);

comment on index public.users_agency_id_idx is 'Finds the users of an agency, for example when the agency is deleted.';

-- The lock: whoever sets agency_id reads that agency's jobs. Only the back end may set
-- it, whatever policies and grants this table gets later. SECURITY DEFINER functions of
-- the owner may, too: let none copy an agency from user metadata.
create schema if not exists private;

create function private.lock_agency_id()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if current_user = 'service_role'
  or pg_has_role((select relowner from pg_catalog.pg_class where oid = tg_relid), 'usage') then
    return null;
  end if;
  raise insufficient_privilege
  using message = 'Only service_role and the owner of the table may set agency_id.';
end;
$$;

comment on function private.lock_agency_id()
is 'Refuses that users set agency_id; it runs with the rights of whoever writes.';

revoke all on function private.lock_agency_id() from public, anon, authenticated, service_role;

-- After the write: these see the final row, with what other triggers and generated
-- columns have made of it, and judge an upsert by what it does.
create trigger lock_agency_id_on_insert
after insert on public.users
for each row when (new.agency_id is not null)
execute function private.lock_agency_id();

create trigger lock_agency_id_on_update
after update on public.users
for each row when ((new.id, new.agency_id) is distinct from (old.id, old.agency_id))
execute function private.lock_agency_id();

-- Older Supabase stacks grant the API roles everything on a new table, newer
-- ones nothing. Revoking first makes the outcome the same on both.
revoke all on public.agencies, public.users from public, anon, authenticated, service_role;

grant select                         on public.agencies, public.users to authenticated;
grant select, insert, update, delete on public.agencies, public.users to service_role;

alter table public.agencies enable row level security;
alter table public.users    enable row level security;

create policy "Users read their own row"
on public.users
for select
to authenticated
using (id = (select auth.uid()));

comment on policy "Users read their own row" on public.users
is 'The endpoint needs the caller''s own row to find the agency, and no other: colleagues stay invisible.';

create policy "Users read their own agency"
on public.agencies
for select
to authenticated
using (id = (select users.agency_id from public.users where users.id = (select auth.uid())));

comment on policy "Users read their own agency" on public.agencies
is 'A front end may show the name of the user''s agency; the list of all tenants stays invisible.';
