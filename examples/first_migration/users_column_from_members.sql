-- Append this to users_column.sql if a table of members names the tenants: it fills agency_id from it.
-- Whoever can write that table reads the tenant's jobs. A user needs a row in users before.

-- SECURITY DEFINER: the owner of the table may set agency_id.
create function private.copy_agency_id()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- Waits for whoever changes memberships of the same user: the update then sees theirs.
  perform from public.users
  where   users.id in (old.user_id, new.user_id)
  order by users.id
  for update;
  update public.users
  set    agency_id = (
           select   members.organization_id
           from     public.members
           where    members.user_id = users.id
           -- Of several memberships, the first one counts.
           order by members.created_at
           limit    1
         )
  where  users.id in (old.user_id, new.user_id);
  return null;
end;
$$;

comment on function private.copy_agency_id() is 'Keeps agency_id of users as their first membership says.';

revoke all on function private.copy_agency_id() from public, anon, authenticated, service_role;

create trigger copy_agency_id
after insert or update or delete on public.members
for each row execute function private.copy_agency_id();

-- The memberships that are there already.
update public.members set user_id = user_id;
