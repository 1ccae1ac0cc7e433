/** The agencies and users that tests add to a Supabase project: users through Auth, agencies as test_users.psql says. */

import { createClient } from "@supabase/supabase-js";
import { z } from "zod";
import { pathOf } from "../../local/commands.ts";

/** A running project: read from the environment, then handed to the tests as JSON in TEST_PROJECT. */
export const runningProject = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/$/, "")),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  /** The owner's direct connection. */
  PROJECT_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  /** Makes users if Auth lets nobody sign up, or wants addresses confirmed. */
  SUPABASE_SECRET_KEY: z.string().optional(),
  /** Signs tokens that Auth accepts. */
  SUPABASE_JWT_SECRET: z.string().optional(),
  /** The path of the project's own test_users.psql. */
  TEST_USERS_FILE: z.string().optional(),
});

/** Nobody else's agencies have ids that begin so, and nobody else's users addresses that end so (RFC 2606). */
export const AGENCY_ID_START = "a0000000-7e57-4";
export const EMAIL_END = "@get-sync-status.test";

const HARBOUR_IN_SEED = "a0000000-0000-4000-8000-000000000001";
const LAKESIDE_IN_SEED = "a0000000-0000-4000-8000-000000000002";
const SUPABASE = pathOf("../../supabase/", import.meta.url);

/**
 * What adds test data to a project and removes it; each fails with Auth's or the database's own words.
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

  /** Calls a function of test_users.psql, which exists only in the session that made it. */
  const call = async (call: string) => {
    const functions = await Deno.readTextFile(TEST_USERS_FILE ?? `${SUPABASE}tests/test_users.psql`);
    await sql(`do $do$ begin execute $file$${functions}$file$; perform pg_temp.${call}; end; $do$`);
  };
  const putIntoAgency = (user: string, agency: string | null) =>
    call(`put_into_agency('${user}', ${agency ? `'${agency}'` : "null"})`);

  const addUser = async (name: string) => {
    const email = `${name}.${crypto.randomUUID()}${EMAIL_END}`;
    const { data: { user }, error } = SUPABASE_SECRET_KEY
      ? await auth.admin.createUser({ email, password, email_confirm: true })
      : await auth.signUp({ email, password });
    if (!user) throw error;
    return { id: user.id, email };
  };
  const addAgency = async (owner: { id: string }) => {
    const id = AGENCY_ID_START + crypto.randomUUID().slice(AGENCY_ID_START.length);
    await call(`make_agency('${id}', 'Test ${id}', '${owner.id}')`);
    await putIntoAgency(owner.id, id);
    return id;
  };

  return {
    password,
    putIntoAgency,
    removeAgency: (id: string) => call(`remove_agency('${id}')`),
    removeUser: (id: string) => call(`remove_user('${id}')`),
    /** Signs a user in and gives the access token. */
    async signIn({ email }: { email: string }): Promise<string> {
      const { data: { session }, error } = await auth.signInWithPassword({ email, password });
      if (!session) throw error;
      return session.access_token;
    },
    /**
     * Adds the situations of the seed once more. The agency harbour imports right now, lakeside is done,
     * freshStart never had a job. One user works for each (importing, finished, fresh), and nobody for none.
     */
    async addTestData() {
      const importing = await addUser("importing");
      const harbour = await addAgency(importing);
      const finished = await addUser("finished");
      const lakeside = await addAgency(finished);
      const fresh = await addUser("fresh");
      const freshStart = await addAgency(fresh);
      const nobody = await addUser("nobody");
      await putIntoAgency(nobody.id, null);
      const jobs = await Deno.readTextFile(`${SUPABASE}seed_jobs.sql`);
      await sql(jobs.replaceAll(HARBOUR_IN_SEED, harbour).replaceAll(LAKESIDE_IN_SEED, lakeside));
      return { harbour, lakeside, freshStart, importing, finished, fresh, nobody };
    },
  };
}
