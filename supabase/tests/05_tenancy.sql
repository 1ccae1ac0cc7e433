-- The tenant boundary after the migrations: a later policy or grant must not open it.
begin;
select plan(2);

select is_empty('select * from private.find_tenancy_holes()', 'No user chooses their own agency');

select is_empty(
  $$select distinct ev_class::regclass
    from   pg_depend
    join   pg_rewrite on (classid, objid) = ('pg_rewrite'::regclass, pg_rewrite.oid)
    join   pg_class   on pg_class.oid = ev_class and relkind in ('v', 'm')
    cross  join unnest(array['anon', 'authenticated']) as role
    where  refobjid in ('public.users'::regclass, 'public.historical_sync_jobs'::regclass)
    and    refobjid <> ev_class
    and    not coalesce(reloptions::text ~ 'security_invoker=(true|on|yes|t|y|1)[,}]', false)
    and    has_any_column_privilege(role, ev_class, 'select, insert, update')$$,
  'No view gives users or jobs away with the rights of its owner');

select * from finish();
rollback;
