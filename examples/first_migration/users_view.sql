-- For other names: a view says which user (an id of auth.users) belongs to which tenant. Edit its three lines, here
-- for a table of members. Whoever can write there that they belong to a tenant reads its jobs: 05_tenancy.sql tries
-- it. If a user has one row there, as in a table of profiles, append the part "The lock" of users_column.sql, with
-- the names of that table and its columns.

-- Which membership counts, if a user may have several? Choose it by what only your back end writes, for example
-- "where is_default": with two rows a user may get a 500.
create view public.users with (security_invoker = true) as
select user_id as id, account_id as agency_id
from   public.account_members;

comment on view public.users is 'For get-sync-status: the tenant of each user, read with the rights of the caller.';

-- A caller needs to read these columns of the table, too, and their own row in it.
revoke all on public.users from public, anon, authenticated, service_role;
grant select on public.users to authenticated, service_role;
