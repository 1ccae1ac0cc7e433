/**
 * The agencies and users that tests add to a project: users through Auth,
 * agencies as supabase/tests/people.psql says. Nobody else's look like them.
 *
 * @module
 */

import { z } from "zod";
import { pathOf } from "../local/commands.ts";

/** A user of the tests. */
export interface Person {
  id: string;
  email: string;
}

/**
 * The situations of seed.sql once more. The agency harbour imports right now,
 * lakeside is done, freshStart never had a job. One user works for each of
 * them (importing, finished, fresh), and nobody for none.
 */
export type Scene =
  & Record<"harbour" | "lakeside" | "freshStart", string>
  & Record<"importing" | "finished" | "fresh" | "nobody", Person>;

/** What all ids of the tests' agencies begin with, and all addresses of their users end with (RFC 2606), as patterns. */
export const TEST_AGENCIES = "a0000000-7e57-4%";
export const TEST_USERS = "%@get-sync-status.test";

/** Runs one statement as the owner of the database, all in one session. */
export type Sql = <Row extends Record<string, unknown>>(
  query: string,
  parameters?: unknown[],
) => Promise<Row[]>;

/** A running project, as `deno task test:project` hands it to the tests in the variable TEST_PROJECT. */
export const runningProject = z.object({
  /** Its address, for example `https://abc.supabase.co`. */
  url: z.url(),
  publishableKey: z.string(),
  /** Makes users if Auth lets nobody sign up, or wants addresses confirmed. */
  secretKey: z.string().optional(),
  /** The password of the tests' users. */
  password: z.string(),
  /** The owner's connection. */
  databaseUrl: z.url(),
  /** A secret that Auth accepts signatures of, if one is known. */
  jwtSecret: z.string().optional(),
});

/** What opens a project for the tests' people. */
export type Access = Omit<z.infer<typeof runningProject>, "databaseUrl" | "jwtSecret">;

/** What is read of Auth's answers: a user, alone or in a session. */
const answer = z.object({
  access_token: z.string().optional(),
  id: z.uuid().optional(),
  user: z.object({ id: z.uuid() }).optional(),
});

/** What tests do with their people in a project; each method fails with Auth's or the database's own words. */
export function peopleOf({ url, publishableKey, secretKey, password }: Access, sql: Sql) {
  const askAuth = async (path: string, email: string, key = publishableKey) => {
    const response = await fetch(`${url}/auth/v1/${path}`, {
      method: "POST",
      headers: { "apikey": key, "Authorization": `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ email, password, email_confirm: true }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Auth answered ${response.status} to ${path}: ${text}`);
    return answer.parse(JSON.parse(text));
  };
  const addUser = async (email: string): Promise<Person> => {
    const { id, user, access_token: session } = secretKey
      ? await askAuth("admin/users", email, secretKey)
      : await askAuth("signup", email);
    if (!secretKey && !session) throw new Error("Auth wants addresses confirmed: name SUPABASE_SECRET_KEY");
    return { id: z.string().parse(id ?? user?.id), email };
  };
  const read = (path: string) => Deno.readTextFile(pathOf(`../supabase/${path}`, import.meta.url));
  const call = async (statement: string, parameters: (string | null)[]) => {
    // The functions are of this session alone.
    await sql(`do $do$ begin execute $people$${await read("tests/people.psql")}$people$; end; $do$`);
    await sql(statement, parameters);
  };

  /** Puts a user into an agency in the place of any other, or into none. */
  const putIntoAgency = (user: string, agency: string | null) =>
    call("select pg_temp.put_into_agency($1, $2)", [user, agency]);
  /** Signs a user in and gives the access token. */
  const signIn = async ({ email }: Person) =>
    z.string().parse((await askAuth("token?grant_type=password", email)).access_token);
  /** Adds agencies, users and jobs to test with. */
  const addScene = async (): Promise<Scene> => {
    const tag = crypto.randomUUID().slice(0, 6);
    const prefix = `a0000000-7e57-4${tag.slice(0, 3)}-8${tag.slice(3)}-00000000000`;
    const add = async (number: number, name: string, employee: string): Promise<[string, Person]> => {
      const person = await addUser(`${employee}.${tag}${TEST_USERS.slice(1)}`);
      const agency = number ? `${prefix}${number}` : null;
      if (agency) await call("select pg_temp.make_agency($1, $2)", [agency, name]);
      await putIntoAgency(person.id, agency);
      return [agency ?? "", person];
    };
    const [harbour, importing] = await add(1, "Harbour Calls (test)", "importing");
    const [lakeside, finished] = await add(2, "Lakeside Calls (test)", "finished");
    const [freshStart, fresh] = await add(3, "Fresh Start Calls (test)", "fresh");
    const [, nobody] = await add(0, "", "nobody");
    const [, jobs = ""] = (await read("seed.sql")).split(/^(?=insert into public\.historical_sync_jobs)/m);
    await sql(jobs.replaceAll("a0000000-0000-4000-8000-00000000000", prefix));
    return { harbour, lakeside, freshStart, importing, finished, fresh, nobody };
  };
  return { addScene, putIntoAgency, signIn };
}
