/**
 * The Supabase project that the end-to-end tests run against: the local stack,
 * or a running project where `deno task test:project` says so. Tests have
 * agencies and users of their own there, and touch no others.
 *
 * @module
 */

import { jwtVerify } from "jose";
import postgres from "postgres";
import { z } from "zod";
import { seed } from "../../local/platform.ts";
import { DEMO_PASSWORD, FUNCTION_PATH, JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";

/** A user of the tests. */
export interface Person {
  id: string;
  email: string;
}

/** The agencies and users of seed.sql once more, with ids and addresses of their own. */
export interface Scene {
  /** Imports right now. */
  harbour: string;
  /** Is done. */
  lakeside: string;
  /** Never had a job. */
  freshStart: string;
  /** Works for harbour. */
  importing: Person;
  /** Works for lakeside. */
  finished: Person;
  /** Works for freshStart. */
  fresh: Person;
  /** Works for no agency. */
  nobody: Person;
}

/** A project that the tests can use. */
export interface Project {
  /** Its address, for example `https://abc.supabase.co`. */
  url: string;
  /** The function's address behind it. */
  functionUrl: string;
  publishableKey: string;
  /** The password of the tests' users. */
  password: string;
  /** How many polls it bears at once on a machine a quarter as quick as usual. */
  pollsInFlight: number;
  /** All that the function has written, where the log can be read. */
  log?: string[];
  /** The secret that its tokens may be signed with, where one is known. */
  secret?: string;
  /** Runs one statement as the owner of the database. */
  sql<Row extends Record<string, unknown>>(query: string, parameters?: unknown[]): Promise<Row[]>;
  /** Adds agencies, users and jobs to test with. */
  addScene(): Promise<Scene>;
  /** Signs a user in at Auth and gives the access token. */
  signIn(person: Person): Promise<string>;
  stop(): Promise<void>;
}

/** What all ids of the tests' agencies and users have in common, and nobody else's. */
export const TEST_AGENCIES = "a0000000-7e57-4%";
export const TEST_USERS = "b0000000-7e57-4%";
/** The domain of their addresses: reserved, no mail gets there (RFC 2606). */
export const TEST_DOMAIN = "get-sync-status.test";

/** What the names of their agencies end with. */
export const TEST_MARK = " (get-sync-status test)";

/** How `deno task test:project` names the project to the tests. */
export const PROJECT_VARIABLE = "TEST_PROJECT";
export const projectVariable = z.object({
  url: z.url(),
  publishableKey: z.string(),
  databaseUrl: z.url(),
  secret: z.string().optional(),
  /** Of the tests' users, another in each run. */
  password: z.string(),
  /** Its bcrypt hash. */
  passwordHash: z.string(),
});

/** Gives the project to test: the one that is running, or a local stack of one's own. */
export async function startProject(): Promise<Project> {
  const named = Deno.env.get(PROJECT_VARIABLE);
  return named ? runningProject(projectVariable.parse(JSON.parse(named))) : await localProject();
}

async function localProject(): Promise<Project> {
  const stack = await startStack();
  return {
    ...withPeople(stack.url, PUBLISHABLE_KEY, stack.sql, { password: DEMO_PASSWORD }),
    functionUrl: stack.functionUrl,
    pollsInFlight: stack.pollsInFlight,
    log: stack.function.output,
    secret: JWT_SECRET,
    stop: stack.stop,
  };
}

function runningProject(
  { url, publishableKey, databaseUrl, secret, ...credentials }: z.infer<typeof projectVariable>,
): Project {
  const owner = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  const sql: Project["sql"] = async (query, parameters) =>
    await owner.unsafe(query, parameters as string[]) as unknown as never[];
  const project = withPeople(url, publishableKey, sql, credentials);
  return {
    ...project,
    functionUrl: url + FUNCTION_PATH,
    // Its Auth limits requests, and other people may use it.
    pollsInFlight: 10,
    secret,
    stop: () => owner.end({ timeout: 5 }),
  };
}

/** Whether a token was signed with a secret: a project may have changed to keys of its own. */
export async function isSignedWith(secret: string, token: string): Promise<boolean> {
  try {
    await jwtVerify(token, new TextEncoder().encode(secret));
    return true;
  } catch {
    return false;
  }
}

/** The password of the tests' users; its hash where that is not the one of seed.sql. */
interface Credentials {
  password: string;
  passwordHash?: string;
}

/** Adds the tests' people to a project, and signs them in there. */
export function withPeople(
  url: string,
  publishableKey: string,
  sql: Project["sql"],
  { password, passwordHash }: Credentials,
) {
  return {
    url,
    publishableKey,
    password,
    sql,
    async addScene(): Promise<Scene> {
      const random = crypto.randomUUID().slice(0, 6);
      const middle = `7e57-4${random.slice(0, 3)}-8${random.slice(3)}`;
      const script = (await seed()).sql
        .replaceAll("0000-4000-8000", middle)
        .replaceAll("@example.com", `.${random}@${TEST_DOMAIN}`)
        .replaceAll(" Calls')", ` Calls${TEST_MARK}')`)
        .replace(/\$2b\$\S{56}/, passwordHash ?? "$&");
      for (const statement of statementsOf(script)) await sql(statement);
      const id = (kind: string, number: number) => `${kind}0000000-${middle}-00000000000${number}`;
      const person = (name: string, number: number): Person => ({
        id: id("b", number),
        email: `${name}.${random}@${TEST_DOMAIN}`,
      });
      return {
        harbour: id("a", 1),
        lakeside: id("a", 2),
        freshStart: id("a", 3),
        importing: person("importing", 1),
        finished: person("finished", 2),
        fresh: person("new", 3),
        nobody: person("nobody", 4),
      };
    },
    async signIn({ email }: Person): Promise<string> {
      const response = await fetch(`${url}/auth/v1/token?grant_type=password`, {
        method: "POST",
        headers: { "apikey": publishableKey, "Content-Type": "application/json" },
        body: JSON.stringify({ email, password }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${email} could not sign in: ${response.status} ${text}`);
      return z.object({ access_token: z.string() }).parse(JSON.parse(text)).access_token;
    },
  };
}

/** The statements of seed.sql, which ends each with a semicolon at the end of a line. */
function statementsOf(script: string): string[] {
  return script.split(/;$/m).filter((statement) => statement.trim() !== "");
}
