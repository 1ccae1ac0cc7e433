import { createClient } from "@supabase/supabase-js";
import { z } from "zod";
import { pathOf } from "../../local/commands.ts";

/** A running Supabase project, from the environment; TEST_PROJECT hands it to the tests as JSON. */
export const runningProject = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/$/, "")),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  PROJECT_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  SUPABASE_SECRET_KEY: z.string().optional(),
  TEST_USERS_FILE: z.string().optional(),
});

/** Nobody else's users have addresses that end so (RFC 2606). */
export const EMAIL_END = "@get-sync-status.test";

const HARBOUR_IN_SEED = "a0000000-0000-4000-8000-000000000001";
const LAKESIDE_IN_SEED = "a0000000-0000-4000-8000-000000000002";
const SUPABASE = pathOf("../../supabase/", import.meta.url);
/** The id of the agency that is added for a user. */
const agencyOf = (user: string) => `a0000000-7e57-${user.slice(14)}`;

/** `sql` runs a statement as the owner of the database. */
export function manageTestData(
  project: Omit<z.infer<typeof runningProject>, "PROJECT_DATABASE_URL">,
  sql: (statement: string) => Promise<unknown>,
) {
  const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY, TEST_USERS_FILE } = project;
  const { auth } = createClient(SUPABASE_URL, SUPABASE_SECRET_KEY ?? SUPABASE_PUBLISHABLE_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const password = crypto.randomUUID();

  /** Calls a function of test_users.psql, which lasts as long as its session. */
  async function call(name: string, ...values: (string | null)[]): Promise<void> {
    const functions = await Deno.readTextFile(TEST_USERS_FILE ?? `${SUPABASE}tests/test_users.psql`);
    const literals = values.map((value) => value === null ? "null" : `'${value}'`);
    const statements = `execute $file$${functions}$file$; perform pg_temp.${name}(${literals});`;
    await sql(`do $do$ begin ${statements} end; $do$`);
  }

  async function addUser(name: string) {
    const email = `${name}.${crypto.randomUUID()}${EMAIL_END}`;
    const added = SUPABASE_SECRET_KEY
      ? await auth.admin.createUser({ email, password, email_confirm: true })
      : await auth.signUp({ email, password });
    if (added.error) throw added.error;
    const { data, error } = await auth.signInWithPassword({ email, password });
    if (error) throw error;
    const { id } = data.user;
    return { id, email, agency: agencyOf(id), token: data.session.access_token };
  }

  return {
    password,
    putIntoAgency: (user: string, agency: string | null) => call("put_into_agency", user, agency),
    removeAgency: (id: string) => call("remove_agency", id),
    /** Removes a user and the agency that was added for them. */
    async removeUser(id: string): Promise<void> {
      await call("remove_agency", agencyOf(id));
      await call("remove_user", id);
    },
    /** Adds and signs in users: of an agency that imports, is done, never had a job; of none. */
    async addTestData() {
      const importing = await addUser("importing");
      const finished = await addUser("finished");
      const fresh = await addUser("fresh");
      const nobody = await addUser("nobody");
      for (const { id, agency } of [importing, finished, fresh]) {
        await call("make_agency", agency, `Test ${agency}`, id);
        await call("put_into_agency", id, agency);
      }
      const seed = await Deno.readTextFile(`${SUPABASE}seed_jobs.sql`);
      const jobs = seed.replaceAll(HARBOUR_IN_SEED, importing.agency);
      await sql(jobs.replaceAll(LAKESIDE_IN_SEED, finished.agency));
      return { importing, finished, fresh, nobody };
    },
  };
}
