-- For a project that has a table public.users: it gains the column agency_id, and
-- nothing else of it changes. Edit the table of your tenants, here organizations.
-- If users.id is not the id in auth.users, take users_view.sql.

-- If a column of yours says it already, for example organization_id, derive it:
-- add column agency_id uuid generated always as (organization_id) stored;
alter table public.users
add column agency_id uuid references public.organizations (id) on delete set null;

comment on column public.users.agency_id is 'The tenant that the user belongs to; null if there is none, or it was deleted.';

create index users_agency_id_idx on public.users (agency_id);

comment on index public.users_agency_id_idx is 'Finds the users of a tenant, for example when it is deleted.';

grant select (id, agency_id) on public.users to authenticated;

create policy "get-sync-status: users read their own row"
on public.users
for select
to authenticated
using (id = (select auth.uid()));

comment on policy "get-sync-status: users read their own row" on public.users is 'The endpoint needs the caller''s own row to find the agency.';
