-- The jobs' policy and the RPC find the caller's agency in public.users
-- (id, agency_id), a table or a view, by the helper below.

-- Helpers live in a schema that the API does not expose, and that the API roles
-- may not look into. A project may have it already; its rights stay its own.
create schema if not exists private;

-- SECURITY DEFINER: the policies of other tables ask for the agency without passing
-- through the policy on users once more. It returns only the caller's own agency.
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

comment on function private.current_agency_id()
is 'The agency of the caller of the API; null for a user without one and outside a request.';

revoke all on function private.current_agency_id() from public, anon, authenticated, service_role;
grant execute on function private.current_agency_id() to authenticated, service_role;
