// A line of small bars: how a counter grew since the page was opened.

import { SAMPLES } from "./history";

const WIDTH = 94, HEIGHT = 22;

export function Sparkline({ values, kind, label }: { values: number[]; kind: string; label: string }) {
  const most = Math.max(1, ...values), wide = WIDTH / SAMPLES, total = values.reduce((sum, one) => sum + one, 0);
  const text = `${label}: ${total} while the page is open`;
  return (
    <svg class={`spark ${kind}`} width={WIDTH} height={HEIGHT} role="img" aria-label={text}>
      <line x1={0} x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      {values.map((one, n) => {
        const tall = one ? Math.max(2, (one / most) * (HEIGHT - 2)) : 0;
        return one > 0 && <rect key={n} x={(SAMPLES - values.length + n) * wide} y={HEIGHT - tall} width={wide - 0.8} height={tall} />;
      })}
    </svg>
  );
}
