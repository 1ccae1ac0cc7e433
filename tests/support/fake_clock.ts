import FakeTimers, { type Clock } from "@sinonjs/fake-timers";
import { test } from "./helpers.ts";

/** As in the package abort-controller 3, which React Native uses. */
class BareController {
  signal = Object.assign(new EventTarget(), { aborted: false });
  abort() {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.dispatchEvent(new Event("abort"));
  }
}

const REACT_NATIVE = {
  AbortController: BareController,
  AbortSignal: undefined,
  DOMException: undefined,
  addEventListener: undefined,
  removeEventListener: undefined,
};

/** Fails once the signal is aborted. */
export const never = (signal?: AbortSignal | null): Promise<Response> =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));

const OWN = { fetch, AbortController, AbortSignal, DOMException, addEventListener, removeEventListener };
const { random } = Math;

/** Registers a test on a clock at `now`, in milliseconds since 1970, and once more as on React Native. */
export function testOnFakeClock(sentence: string, now: number, task: (clock: Clock) => Promise<void>): void {
  for (const [runtime, classes] of Object.entries({ "": {}, " (React Native)": REACT_NATIVE })) {
    test(sentence + runtime, async () => {
      const clock = FakeTimers.install({ now });
      Object.assign(globalThis, classes);
      try {
        await task(clock);
      } finally {
        Object.assign(globalThis, OWN, { document: undefined });
        Math.random = random;
        clock.uninstall();
      }
    });
  }
}
