/**
 * The agencies and users that tests add to a project: users through Auth,
 * agencies as supabase/tests/people.psql says. Nobody else's look like them.
 */

import { createClient } from "@supabase/supabase-js";
import { z } from "zod";
import { pathOf } from "../../local/commands.ts";

/** A running project: read from the environment, then handed to the tests as JSON in TEST_PROJECT. */
export const runningProject = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/$/, "")),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  /** The owner's direct connection. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  /** Makes users if Auth lets nobody sign up, or wants addresses confirmed. */
  SUPABASE_SECRET_KEY: z.string().optional(),
  /** Signs tokens that Auth accepts. */
  SUPABASE_JWT_SECRET: z.string().optional(),
  /** The path of an adopted project's people.psql. */
  PEOPLE_FILE: z.string().optional(),
});
export type Project = z.infer<typeof runningProject>;

/** What all ids of the tests' agencies begin with, and all addresses of their users end with (RFC 2606), as patterns. */
export const TEST_AGENCIES = "a0000000-7e57-4%";
export const TEST_USERS = "%@get-sync-status.test";

/**
 * What tests do with their people in a project; each method fails with Auth's or the database's own words.
 *
 * @param sql runs one statement as the owner of the database, all in one session
 */
export function managePeople(
  project: Omit<Project, "DATABASE_URL">,
  sql: (statement: string) => Promise<unknown>,
) {
  const password = crypto.randomUUID();
  const key = project.SUPABASE_SECRET_KEY ?? project.SUPABASE_PUBLISHABLE_KEY;
  const { auth } = createClient(project.SUPABASE_URL, key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const inSupabase = (path: string) => pathOf(`../../supabase/${path}`, import.meta.url);
  const peopleFile = project.PEOPLE_FILE ?? inSupabase("tests/people.psql");
  /** Calls a function of people.psql, which exists only in the session that made it. */
  const call = async (call: string) =>
    await sql(`do $do$ begin
      execute $people$${await Deno.readTextFile(peopleFile)}$people$;
      perform pg_temp.${call};
    end; $do$`);

  /** Puts a user into an agency in the place of any other, or into none. */
  const putIntoAgency = (user: string, agency: string | null) =>
    call(`put_into_agency('${user}', ${agency ? `'${agency}'` : "null"})`);
  /** Removes users by a pattern of addresses; from a project's own table first, whose rows need not go with Auth's. */
  const removeUsers = (pattern: string) =>
    sql(`do $do$ begin
      if (select relkind = 'r' from pg_class where oid = 'public.users'::regclass) then
        delete from public.users where id in (select id from auth.users where email like '${pattern}');
      end if;
      delete from auth.users where email like '${pattern}';
    end; $do$`);
  /** Signs a user in and gives the access token. */
  const signIn = async ({ email }: { email: string }) => {
    const { data: { session }, error } = await auth.signInWithPassword({ email, password });
    if (!session) throw error;
    return session.access_token;
  };
  /**
   * Adds the situations of seed.sql once more. The agency harbour imports right
   * now, lakeside is done, freshStart never had a job. One user works for each
   * of them (importing, finished, fresh), and nobody for none.
   */
  const addScene = async () => {
    const tag = crypto.randomUUID().slice(0, 6);
    const prefix = `${TEST_AGENCIES.slice(0, -1)}${tag.slice(0, 3)}-8${tag.slice(3)}-00000000000`;
    const [harbour, lakeside, freshStart] = [`${prefix}1`, `${prefix}2`, `${prefix}3`];
    for (const agency of [harbour, lakeside, freshStart]) {
      await call(`make_agency('${agency}', 'Test ${agency}')`);
    }
    const addPerson = async (name: string, agency: string | null) => {
      const email = `${name}.${tag}${TEST_USERS.slice(1)}`;
      const { data: { user }, error } = project.SUPABASE_SECRET_KEY
        ? await auth.admin.createUser({ email, password, email_confirm: true })
        : await auth.signUp({ email, password });
      if (!user) throw error;
      await putIntoAgency(user.id, agency);
      return { id: user.id, email };
    };
    const importing = await addPerson("importing", harbour);
    const finished = await addPerson("finished", lakeside);
    const fresh = await addPerson("fresh", freshStart);
    const nobody = await addPerson("nobody", null);
    const seed = await Deno.readTextFile(inSupabase("seed.sql"));
    const jobs = seed.slice(seed.indexOf("insert into public.historical_sync_jobs"));
    await sql(jobs.replaceAll("a0000000-0000-4000-8000-00000000000", prefix));
    return { harbour, lakeside, freshStart, importing, finished, fresh, nobody };
  };
  return { password, addScene, putIntoAgency, removeUsers, signIn };
}
