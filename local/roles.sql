-- The roles of Supabase's API. Roles are of the whole server, and may be there
-- already. The comment marks those that are made here: they alone are dropped again.
do $$
begin
  if to_regrole('anon') is null then
    create role anon nologin noinherit;
    comment on role anon is 'Made by get-sync-status';
  end if;
  if to_regrole('authenticated') is null then
    create role authenticated nologin noinherit;
    comment on role authenticated is 'Made by get-sync-status';
  end if;
  if to_regrole('service_role') is null then
    create role service_role nologin noinherit bypassrls;
    comment on role service_role is 'Made by get-sync-status';
  end if;
  if to_regrole('authenticator') is null then
    create role authenticator login noinherit;
    comment on role authenticator is 'Made by get-sync-status';
    grant anon, authenticated, service_role to authenticator;
  end if;
end;
$$;
