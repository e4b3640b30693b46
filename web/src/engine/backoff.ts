const STEPS = [1_000, 2_000, 4_000, 8_000, 16_000];
const LONGEST = 30_000;

/** Milliseconds to wait before try number `attempt` (from 0) to connect again. */
export function reconnectDelay(attempt: number): number {
  return STEPS[attempt] ?? LONGEST;
}
