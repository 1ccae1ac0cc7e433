-- For a project with other names: a view says which user (an id of auth.users)
-- belongs to which tenant. Edit its three lines, here for a table of members.
-- A user has one row: of several memberships, choose one.
create view public.users with (security_invoker = true) as
select   distinct on (user_id) user_id as id, account_id as agency_id
from     public.account_members
order by user_id, account_id;

comment on view public.users is 'For get-sync-status: the tenant of each user, read with the rights of the caller.';

-- A caller needs to read these columns of the table, too, and their own row in it.
revoke all on public.users from public, anon, authenticated, service_role;
grant select on public.users to authenticated, service_role;
