const WIDTH = 120;
const HEIGHT = 28;
/** Ten minutes, measured every ten seconds. */
const MOMENTS = 61;

/** The course of a figure without axes; the figure itself stands beside it. */
export function Sparkline({ values, top }: { values: readonly (number | null)[]; top?: number }) {
  const highest = Math.max(top ?? 0, ...values.map((value) => value ?? 0)) || 1;
  const step = WIDTH / (Math.max(MOMENTS, values.length) - 1);
  const start = WIDTH - (values.length - 1) * step;
  let path = "";
  let drawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      drawing = false;
      continue;
    }
    const y = HEIGHT - 1 - (value / highest) * (HEIGHT - 2);
    path += `${drawing ? "L" : "M"}${(start + index * step).toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  }
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
