/**
 * Time that passes as fast as the machine can run what happens in it, for
 * hundreds of thousands of timers: a fake clock that looks through all of its
 * timers at each step cannot hold so many.
 *
 * @module
 */

import TinyQueue from "tinyqueue";

interface Timer {
  id: number;
  at: number;
  /** Milliseconds between two calls; undefined where there is one call. */
  every?: number | undefined;
  call: () => void;
}

/** Lets what has become due run to where it waits for time or for nothing more. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Virtual time in the place of `setTimeout`, `setInterval`, `Date.now` and `performance.now`. */
export interface VirtualTime {
  /** Milliseconds since 1970, in virtual time. */
  now(): number;
  /** Resolves when virtual time has reached this instant and everything due by then has run. */
  passUntil(instant: number): Promise<void>;
  /** Puts real time back. Timers that are still set are dropped. */
  end(): void;
}

/**
 * Puts virtual time in the place of real time.
 *
 * @param start where it begins, in milliseconds since 1970
 */
export function startVirtualTime(start: number): VirtualTime {
  let now = start;
  let lastId = 0;
  const timers = new Map<number, Timer>();
  const queue = new TinyQueue<Timer>([], (a, b) => a.at - b.at || a.id - b.id);

  const set = (call: () => void, ms = 0, every?: number): number => {
    const timer = { id: ++lastId, at: now + Math.max(ms, 0), every, call };
    timers.set(timer.id, timer);
    queue.push(timer);
    return timer.id;
  };
  const clear = (id?: number) => void timers.delete(id ?? 0);

  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  const realNow = Date.now;
  const realPerformanceNow = performance.now;
  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: clear,
    setInterval: (call: () => void, ms: number) => set(call, ms, ms),
    clearInterval: clear,
  });
  Date.now = () => Math.floor(now);
  performance.now = () => now - start;

  return {
    now: () => now,
    async passUntil(instant) {
      await settled();
      for (let next = queue.peek(); next && next.at <= instant; next = queue.peek()) {
        now = Math.max(now, next.at);
        // All timers of the same millisecond run together: the fewer the turns of the real event loop, the faster.
        const until = Math.min(instant, Math.floor(now) + 1);
        for (; next && next.at < until || next?.at === now; next = queue.peek()) {
          queue.pop();
          if (!timers.has(next.id)) continue;
          now = Math.max(now, next.at);
          if (next.every === undefined) timers.delete(next.id);
          else {
            next.at += next.every;
            queue.push(next);
          }
          next.call();
        }
        await settled();
      }
      now = instant;
    },
    end() {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
      Date.now = realNow;
      performance.now = realPerformanceNow;
    },
  };
}
