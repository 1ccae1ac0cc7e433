import { type Browser, chromium } from "playwright-core";
import { reportSkipped } from "./helpers.ts";

/**
 * Starts the browser that CHROMIUM names, or else Debian's Chromium, Chrome or Edge.
 *
 * @param what the tests that are skipped if there is none
 * @throws {Error} if the named browser does not start
 */
export async function launch(what: string): Promise<Browser | undefined> {
  const named = Deno.env.get("CHROMIUM");
  const browsers = named ? [{ executablePath: named }] : [
    // Debian's Chromium without a window system: it takes half of the CPU.
    { executablePath: "/usr/bin/chromium-headless-shell" },
    { executablePath: "/usr/bin/chromium" },
    { channel: "chrome" },
    { channel: "msedge" },
  ];
  // A signal is to end the process, not only the browser.
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  for (const browser of browsers) {
    try {
      return await chromium.launch({ ...browser, ...signals });
    } catch (error) {
      if (named) throw error;
    }
  }
  reportSkipped(what, "there is no Chromium, Chrome or Edge: CHROMIUM=<path> names one");
}
