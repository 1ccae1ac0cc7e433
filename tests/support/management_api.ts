/**
 * A server in the place of Supabase's Management API, for the real Supabase CLI
 * to deploy to: it keeps what was uploaded.
 *
 * @module
 */

import { join } from "node:path";
import { supabase } from "../../local/commands.ts";

/** The reference of the one project that it knows. */
const PROJECT_REF = "abcdefghijklmnopqrst";

/** What `functions deploy` uploads. */
export interface Upload {
  /** Text by path, as the project's folder has it. */
  files: Map<string, string>;
  /** What the platform is told of them. */
  metadata: { entrypoint_path: string; import_map_path: string; verify_jwt: boolean };
}

/**
 * Deploys a function with the Supabase CLI.
 *
 * @param args the arguments of the CLI, without the project that is meant
 * @param project the folder of the project
 * @returns what the CLI uploaded
 */
export async function deploy(args: string[], project: string): Promise<Upload> {
  let upload: Upload | undefined;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    if (request.method === "POST") {
      const form = await request.formData();
      const files = form.getAll("file").filter((part) => part instanceof File);
      upload = {
        files: new Map(await Promise.all(files.map(async (file) => [file.name, await file.text()] as const))),
        metadata: JSON.parse(String(form.get("metadata"))),
      };
      return Response.json(DEPLOYED, { status: 201 });
    }
    return Response.json(PROJECT);
  });
  const folder = await Deno.makeTempDir();
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    const profile = join(folder, "profile.yaml");
    await Deno.writeTextFile(
      profile,
      `name: test\napi_url: ${url}\ndashboard_url: ${url}\ndocs_url: ${url}\nproject_host: project.test\n`,
    );
    await supabase([...args, `--remote=${PROJECT_REF}`, "--profile", profile, "--yes"], {
      cwd: project,
      // Any token of the right form: nobody but this server is shown it.
      env: { SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}` },
    });
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
  if (!upload) throw new Error("The Supabase CLI uploaded nothing.");
  return upload;
}

const DEPLOYED = {
  id: "1",
  slug: "get-sync-status",
  name: "get-sync-status",
  version: 1,
  status: "ACTIVE",
  created_at: 0,
  updated_at: 0,
};

const PROJECT = {
  id: PROJECT_REF,
  ref: PROJECT_REF,
  name: "test",
  organization_id: "test",
  organization_slug: "test",
  region: "eu-central-1",
  created_at: "2025-01-01T00:00:00Z",
  status: "ACTIVE_HEALTHY",
  database: { host: "db.project.test", version: "17", postgres_engine: "17", release_channel: "ga" },
};
