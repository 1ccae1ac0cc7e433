-- What a Supabase project has before its first migration, beside the auth tables.

do $$
begin
  create role anon          nologin noinherit;
  create role authenticated nologin noinherit;
  create role service_role  nologin noinherit bypassrls;
  create role authenticator login   noinherit;
  grant anon, authenticated, service_role to authenticator;
exception
  -- Roles belong to the whole server: they are there already, or somebody else makes them now.
  when duplicate_object or unique_violation then null;
end;
$$;

grant usage on schema public, auth to anon, authenticated, service_role;

-- As older Supabase stacks do: the migrations must revoke what is not due.
alter default privileges in schema public grant all on tables    to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

-- The claims of the caller's token, as PostgREST sets them.
create or replace function auth.uid()
returns uuid
language sql
stable
as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;
$$;

-- Auth looks users up by instance_id; the embedded Auth server does without.
alter table auth.users add column if not exists instance_id uuid;
