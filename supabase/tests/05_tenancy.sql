-- The tenant boundary after the migrations: a later policy or grant must not open it.
begin;
select plan(1);

select is_empty('select * from private.find_tenancy_holes()', 'No user chooses their own agency');

select * from finish();
rollback;
