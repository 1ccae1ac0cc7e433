-- Four demo users, each in another situation, with the password sync-status-demo. For `supabase db reset` and
-- the local stack; never for a project that serves people.

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
