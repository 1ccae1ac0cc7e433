-- get-sync-status

-- Agencies are the tenants. A user belongs to one agency, or to none yet.

create table public.agencies (
  id         uuid        not null primary key default gen_random_uuid(),
  name       text        not null check (name <> ''),
  created_at timestamptz not null default now()
);

comment on table  public.agencies            is 'The tenants: each agency sees its own rows and nobody else''s.';
comment on column public.agencies.id         is 'Primary key.';
comment on column public.agencies.name       is 'What people call the agency; never empty.';
comment on column public.agencies.created_at is 'When the agency was created.';

create table public.users (
  id         uuid        not null primary key references auth.users (id) on delete cascade,
  agency_id  uuid                             references public.agencies (id) on delete set null,
  created_at timestamptz not null default now()
);

comment on table  public.users            is 'What the application knows of a signed-in user, beside auth.users.';
comment on column public.users.id         is 'The user''s id in auth.users; the row goes when the auth user is deleted.';
comment on column public.users.agency_id  is 'The agency the user belongs to; null where there is none, or it was deleted.';
comment on column public.users.created_at is 'When the row was created.';

create index users_agency_id_idx on public.users (agency_id);

comment on index public.users_agency_id_idx is 'Finds the users of an agency, for example when the agency is deleted.';

-- Helpers for policies live in a schema that the API does not expose, and that
-- the API roles may not look into. A project may have it already; it then keeps
-- its comment and its rights.
create schema if not exists private;

do $$
begin
  if obj_description('private'::regnamespace, 'pg_namespace') is null then
    comment on schema private is 'Helpers for row-level security. Not among the schemas that the API exposes.';
  end if;
end;
$$;

-- SECURITY DEFINER: the policies of other tables ask for the agency without
-- passing through the policy on users once more. It tells a caller nothing but
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

comment on policy "Users read their own row" on public.users is 'The endpoint needs the caller''s own row to find the agency, and no other: colleagues stay invisible.';

create policy "Users read their own agency"
on public.agencies
for select
to authenticated
using (id = (select private.current_agency_id()));

comment on policy "Users read their own agency" on public.agencies is 'A front end may show the name of the user''s agency; the list of all tenants stays invisible.';
