import { bytes } from "../../ui/format";

/** How the values of a chart are named and written. */
export interface Unit {
  label: string;
  /** A value with its unit. */
  say: (value: number | null) => string;
  /** A value on the axis. */
  tick?: (value: number) => string;
}

const number = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : String(+value.toFixed(1)));
const or = (say: (value: number) => string) => (value: number | null) => (value === null ? "–" : say(value));

export const PERCENT: Unit = { label: "%", say: or((value) => `${(value * 100).toFixed(0)} %`) };
export const BYTES: Unit = { label: "bytes", say: or(bytes) };
export const TOKENS: Unit = { label: "tokens/s", say: or((value) => `${number(value)} tok/s`), tick: number };
export const COUNT: Unit = { label: "number", say: or(number), tick: number };

/** A value on the axis of a chart. */
export const tick = (unit: Unit, value: number): string => unit.tick?.(value) ?? unit.say(value);

// Made once: a formatter costs more than all that it formats here.
const format = (options: Intl.DateTimeFormatOptions) => {
  const made = new Intl.DateTimeFormat([], options);
  return (moment: number) => made.format(moment * 1000);
};
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const toMinute = format(clock);
const toSecond = format({ ...clock, second: "2-digit" });
const ofDay = format({ day: "numeric", month: "short" });
const dayToMinute = format({ day: "numeric", month: "short", ...clock });

/** A moment as exactly as a time of that many seconds asks for. */
export const stamp = (moment: number, span: number): string => (span > 86_400 ? dayToMinute : toSecond)(moment);

/** A moment on the time axis, with the day only where there are several. */
export function axisStamp(moment: number, span: number): string {
  if (span > 3 * 86_400) return ofDay(moment);
  return (span <= 120 ? toSecond : toMinute)(moment);
}
