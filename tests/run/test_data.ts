import { createClient } from "@supabase/supabase-js";
import { z } from "zod";
import { pathOf } from "../../local/commands.ts";

/** A running Supabase project: read from the environment, then handed to the tests as JSON in TEST_PROJECT. */
export const runningProject = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/$/, "")),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  PROJECT_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  /** Makes users if Auth lets nobody sign up, or wants addresses confirmed. */
  SUPABASE_SECRET_KEY: z.string().optional(),
  /** The path of the project's own test_users.psql. */
  TEST_USERS_FILE: z.string().optional(),
});

/** Nobody else's users have addresses that end so (RFC 2606). */
export const EMAIL_END = "@get-sync-status.test";

const HARBOUR_IN_SEED = "a0000000-0000-4000-8000-000000000001";
const LAKESIDE_IN_SEED = "a0000000-0000-4000-8000-000000000002";
const SUPABASE = pathOf("../../supabase/", import.meta.url);

/** The id of the agency that is added for a user: one leads to the other. */
const agencyOf = (user: string) => `a0000000-7e57-${user.slice(14)}`;

/**
 * What adds agencies and users to a project and removes them; each fails with Auth's or the database's own words.
 *
 * @param sql runs one statement as the owner of the database
 */
export function manageTestData(
  project: Omit<z.infer<typeof runningProject>, "PROJECT_DATABASE_URL">,
  sql: (statement: string) => Promise<unknown>,
) {
  const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY, TEST_USERS_FILE } = project;
  const { auth } = createClient(SUPABASE_URL, SUPABASE_SECRET_KEY ?? SUPABASE_PUBLISHABLE_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const password = crypto.randomUUID();

  /** Calls a function of test_users.psql: it exists only in the session that made it. */
  async function call(name: string, ...values: (string | null)[]): Promise<void> {
    const functions = await Deno.readTextFile(TEST_USERS_FILE ?? `${SUPABASE}tests/test_users.psql`);
    const literals = values.map((value) => value === null ? "null" : `'${value}'`);
    await sql(
      `do $do$ begin execute $file$${functions}$file$; perform pg_temp.${name}(${literals}); end; $do$`,
    );
  }
  async function addUser(name: string) {
    const email = `${name}.${crypto.randomUUID()}${EMAIL_END}`;
    const { data: { user }, error } = SUPABASE_SECRET_KEY
      ? await auth.admin.createUser({ email, password, email_confirm: true })
      : await auth.signUp({ email, password });
    if (!user) throw error;
    return { id: user.id, email, agency: agencyOf(user.id) };
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
    /** Gives an access token. */
    async signIn({ email }: { email: string }): Promise<string> {
      const { data: { session }, error } = await auth.signInWithPassword({ email, password });
      if (!session) throw error;
      return session.access_token;
    },
    /** Adds users whose agencies import right now, are done, and never had a job, and one without an agency. */
    async addTestData() {
      const importing = await addUser("importing");
      const finished = await addUser("finished");
      const fresh = await addUser("fresh");
      const nobody = await addUser("nobody");
      for (const { id, agency } of [importing, finished, fresh]) {
        await call("make_agency", agency, `Test ${agency}`, id);
        await call("put_into_agency", id, agency);
      }
      await call("put_into_agency", nobody.id, null);
      const jobs = await Deno.readTextFile(`${SUPABASE}seed_jobs.sql`);
      await sql(
        jobs.replaceAll(HARBOUR_IN_SEED, importing.agency).replaceAll(LAKESIDE_IN_SEED, finished.agency),
      );
      return { importing, finished, fresh, nobody };
    },
  };
}
