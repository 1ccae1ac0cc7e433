-- Columns, types, nullability and defaults that the endpoint relies on. More columns do no harm.
begin;
select plan(44);

select has_table('public', 'agencies', 'There are agencies');
select has_table('public', 'users', 'There are users');
select has_table('public', 'historical_sync_jobs', 'There are sync jobs');

select enum_has_labels('public', 'sync_job_status',
  array['pending', 'in_progress', 'completed', 'failed', 'cancelled'], 'A job is in one of five statuses');

select col_is_pk('public', 'agencies', 'id', 'An agency''s primary key is id');
select col_type_is('public', 'agencies', 'id', 'uuid', 'An agency''s id is a uuid');
select isnt_empty(
  $$select from pg_index
    join   pg_attribute on attrelid = indrelid and attname = 'id'
    where  indrelid = 'public.users'::regclass and indisunique and indkey::text = attnum::text$$,
  'A user''s id is unique');
select col_type_is('public', 'users', 'id', 'uuid', 'A user''s id is a uuid, as in auth.users');
select col_type_is('public', 'users', 'agency_id', 'uuid', 'A user''s agency is a uuid');
select col_is_null('public', 'users', 'agency_id', 'A user may belong to no agency');
select fk_ok('public', 'users', 'agency_id', 'public', 'agencies', 'id', 'A user''s agency exists');

select col_is_pk('public', 'historical_sync_jobs', 'id', 'A job''s primary key is id');
select col_default_is('public', 'historical_sync_jobs', 'id', 'gen_random_uuid()', 'A job''s id is generated');
select fk_ok('public', 'historical_sync_jobs', 'agency_id', 'public', 'agencies', 'id', 'A job''s agency exists');
select col_type_is('public', 'historical_sync_jobs', 'agency_id', 'uuid', 'A job''s agency is a uuid');
select col_not_null('public', 'historical_sync_jobs', 'agency_id', 'A job belongs to an agency');
select col_type_is('public', 'historical_sync_jobs', 'status', 'public', 'sync_job_status', 'A job''s status is one of the enum');
select col_not_null('public', 'historical_sync_jobs', 'status', 'A job has a status');
select col_default_is('public', 'historical_sync_jobs', 'status', 'pending', 'A new job is pending');

select col_type_is('public', 'historical_sync_jobs', name, 'timestamp with time zone', name || ' is an instant')
from   unnest(array['date_from', 'date_to', 'started_at', 'last_activity_at', 'created_at']::name[]) as name;
select col_not_null('public', 'historical_sync_jobs', name, name || ' is always known')
from   unnest(array['date_from', 'date_to', 'created_at']::name[]) as name;
select col_is_null('public', 'historical_sync_jobs', name, name || ' may be unknown')
from   unnest(array['started_at', 'last_activity_at', 'total_calls']::name[]) as name;
select col_type_is('public', 'historical_sync_jobs', name, 'integer', name || ' is an integer')
from   unnest(array['total_calls', 'processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']::name[]) as name;
select col_not_null('public', 'historical_sync_jobs', name, name || ' is always known')
from   unnest(array['processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']::name[]) as name;
select col_default_is('public', 'historical_sync_jobs', name, '0', name || ' starts at 0')
from   unnest(array['processed_calls', 'imported_calls', 'skipped_calls', 'failed_calls']::name[]) as name;
select col_default_is('public', 'historical_sync_jobs', 'created_at', 'now()', 'A job is created now');

select * from finish();
rollback;
