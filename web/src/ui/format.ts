const BYTES = ["B", "kB", "MB", "GB", "TB"];
const COUNTS: readonly [number, string][] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];

/** Bytes as a short text with its unit, by thousands. */
export function bytes(value: number): string {
  let rest = value;
  let unit = 0;
  while (Math.round(rest) >= 1000 && unit < BYTES.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${rest.toFixed(unit > 1 && rest < 100 ? 1 : 0)} ${BYTES[unit]}`;
}

/** A count of parameters or tokens as a short text: 7.6 B, 32 K. */
export function short(value: number): string {
  for (const [size, sign] of COUNTS)
    if (value >= size) {
      const part = value / size;
      return `${part.toFixed(part < 10 && part % 1 !== 0 ? 1 : 0)} ${sign}`;
    }
  return String(Math.round(value));
}

/** Made when it is first needed: that takes a browser as long as drawing a page. */
let thousands: Intl.NumberFormat | undefined;

/** A number with its thousands apart. */
export function whole(value: number): string {
  thousands ??= new Intl.NumberFormat("en");
  return thousands.format(Math.round(value));
}

/** Seconds as a short text: 8 s, 2 min, 1 h 5 min, 3 days. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) {
    const minutes = Math.round(seconds / 60);
    const rest = minutes % 60;
    return rest === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
  }
  return `${Math.floor(seconds / 86_400)} days`;
}

/** How long before `now` a moment was: "just now", "5 min ago", "3 days ago". */
export function ago(moment: Date, now: Date): string {
  const seconds = (now.getTime() - moment.getTime()) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < 45) return "just now";
  return `${duration(Math.max(60, seconds))} ago`;
}

/** US dollars: $2.50, $0.075, free; nothing where it is not known. */
export function dollars(value: number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (value === 0) return "free";
  const digits = value < 1 ? Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(value)))) : 2;
  return `$${value.toFixed(digits).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}
