-- Four demo users, each in another situation. All have the password sync-status-demo.
-- For `supabase db reset` and for the local stack; never for a project that serves people.

insert into public.agencies (id, name)
values ('a0000000-0000-4000-8000-000000000001', 'Harbour Calls'),
       ('a0000000-0000-4000-8000-000000000002', 'Lakeside Calls'),
       ('a0000000-0000-4000-8000-000000000003', 'Fresh Start Calls');

-- Auth finds a user by instance_id, lower-cased email and aud, reads the token
-- columns as strings (null there breaks the sign-in), and wants the email confirmed.
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at,
  confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current,
  phone_change, phone_change_token, reauthentication_token,
  raw_app_meta_data, raw_user_meta_data, is_sso_user, created_at, updated_at
)
select '00000000-0000-0000-0000-000000000000', demo.id, 'authenticated', 'authenticated', demo.email,
       -- bcrypt of sync-status-demo
       '$2b$10$1wAXVGRqDQPInrbDSIwC.O/dSRMDI.qLo1pVjltFlixWE0gHFHKJ6', now(),
       '', '', '', '', '',
       '', '', '',
       '{"provider": "email", "providers": ["email"]}', '{}', false, now(), now()
from   (values ('b0000000-0000-4000-8000-000000000001'::uuid, 'importing@example.com'),
               ('b0000000-0000-4000-8000-000000000002'::uuid, 'finished@example.com'),
               ('b0000000-0000-4000-8000-000000000003'::uuid, 'new@example.com'),
               ('b0000000-0000-4000-8000-000000000004'::uuid, 'nobody@example.com')) as demo (id, email);

insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
select gen_random_uuid(), users.id, 'email', users.id::text,
       jsonb_build_object('sub', users.id, 'email', users.email), now(), now(), now()
from   auth.users
where  users.id::text like 'b0000000-0000-4000-8000-%';

insert into public.users (id, agency_id)
values ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001'),
       ('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002'),
       ('b0000000-0000-4000-8000-000000000003', 'a0000000-0000-4000-8000-000000000003'),
       ('b0000000-0000-4000-8000-000000000004', null)
-- A project's own trigger on auth.users may have made the rows already.
on conflict (id) do update set agency_id = excluded.agency_id;

insert into public.historical_sync_jobs (
  agency_id, status, date_from, date_to, total_calls,
  processed_calls, imported_calls, skipped_calls, failed_calls, started_at, last_activity_at, created_at
)
values
  -- Harbour Calls imports right now, and has done so before.
  ('a0000000-0000-4000-8000-000000000001', 'in_progress', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   750, 720, 25, 5, '2025-03-15T10:00:00Z', '2025-03-15T10:05:00Z', '2025-03-15T09:59:58Z'),
  ('a0000000-0000-4000-8000-000000000001', 'completed', '2024-11-01T00:00:00Z', '2025-01-01T00:00:00Z', 1200,
   1200, 1190, 8, 2, '2025-01-02T08:00:01Z', '2025-01-02T08:09:30Z', '2025-01-02T08:00:00Z'),
  -- Lakeside Calls is done: the most recent of its jobs was completed, not the first one inserted here.
  ('a0000000-0000-4000-8000-000000000002', 'failed', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   310, 290, 12, 8, '2025-03-12T10:00:02Z', '2025-03-12T10:02:11Z', '2025-03-12T10:00:00Z'),
  ('a0000000-0000-4000-8000-000000000002', 'completed', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 1500,
   1500, 1450, 40, 10, '2025-03-14T10:00:01Z', '2025-03-14T10:11:45Z', '2025-03-14T10:00:00Z'),
  ('a0000000-0000-4000-8000-000000000002', 'cancelled', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', null,
   0, 0, 0, 0, null, null, '2025-03-13T10:00:00Z');
