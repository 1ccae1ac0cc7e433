-- What a Supabase project has before its first migration: the roles of its API,
-- default privileges, and the parts of schema auth that migrations, policies and
-- the seed rely on. It runs after the auth tables have been made.

do $$
begin
  create role anon          nologin noinherit;
  create role authenticated nologin noinherit;
  create role service_role  nologin noinherit bypassrls;
  create role authenticator login   noinherit;
  grant anon, authenticated, service_role to authenticator;
exception
  -- Roles belong to the whole server: they are there already, or another test makes them at the same time.
  when duplicate_object or unique_violation then null;
end;
$$;

grant usage on schema public, auth to anon, authenticated, service_role;

-- Older Supabase stacks grant the API roles everything on what migrations make.
-- The migrations must come out the same on those, so this is the harder base.
alter default privileges in schema public grant all on tables    to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

-- The claims of the caller's token, as PostgREST sets them; the first form is the older one.
create or replace function auth.uid()
returns uuid
language sql
stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid;
$$;

-- Auth looks users up by instance_id; the embedded Auth server does without.
alter table auth.users add column if not exists instance_id uuid;
