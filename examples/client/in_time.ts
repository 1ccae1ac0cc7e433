/**
 * Gives what a task gives. Rejects after 15 s or once `signal` is aborted; then the task's own signal is aborted
 * too. React Native has neither `AbortSignal.any` nor `AbortSignal.timeout`.
 */
export async function inTime<Result>(
  signal: AbortSignal | null | undefined,
  task: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const abort = () => limit.abort();
  const aborted = new Promise<never>((_, reject) =>
    limit.signal.addEventListener("abort", () => reject(new Error("aborted")))
  );
  const timer = setTimeout(abort, 15_000);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await Promise.race([aborted, task(limit.signal)]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
