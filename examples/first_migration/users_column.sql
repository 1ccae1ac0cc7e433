-- For a table public.users whose id is the id in auth.users: it gains the column agency_id. Edit the name of your
-- tenants' table, here organizations. If a column names the tenant already, for example organization_id, look
-- whether people could ever write it, then derive this one:
-- add column agency_id uuid generated always as (organization_id) stored;
alter table public.users
add column agency_id uuid references public.organizations (id) on delete set null;

comment on column public.users.agency_id is 'The user''s tenant; null if there is none, or it was deleted.';

create index users_agency_id_idx on public.users (agency_id);
comment on index public.users_agency_id_idx is 'Finds the users of a tenant, for example when it is deleted.';

grant select (id, agency_id) on public.users to authenticated;

-- If people can read their own row already, delete this policy:
-- select policyname, roles, cmd, qual from pg_policies where tablename = 'users';
create policy "get-sync-status: users read their own row"
on public.users
for select
to authenticated
using (id = (select auth.uid()));

comment on policy "get-sync-status: users read their own row" on public.users is 'The endpoint reads agency_id there.';

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
