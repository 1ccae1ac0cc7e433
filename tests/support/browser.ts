import { type Browser, chromium } from "playwright-core";
import { reportSkipped } from "./helpers.ts";

/**
 * Starts the browser that CHROMIUM names, or else Debian's Chromium, Chrome or Edge, whichever there is.
 * Debian's shell is the same Chromium without a window system: it takes half of the CPU.
 *
 * @param what the tests that are skipped if there is none: the summary says so
 * @throws {Error} if the browser that CHROMIUM names does not start
 */
export async function launch(what: string): Promise<Browser | undefined> {
  const named = Deno.env.get("CHROMIUM");
  const browsers = named ? [{ executablePath: named }] : [
    { executablePath: "/usr/bin/chromium-headless-shell" },
    { executablePath: "/usr/bin/chromium" },
    { channel: "chrome" },
    { channel: "msedge" },
  ];
  for (const browser of browsers) {
    try {
      return await chromium.launch({
        ...browser,
        // With these, Playwright would only close the browser, and the process would go on.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      });
    } catch (error) {
      if (named) throw error;
    }
  }
  reportSkipped(what, "there is no Chromium, Chrome or Edge: CHROMIUM=<path> names one");
}
