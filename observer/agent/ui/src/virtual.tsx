// A list of which only the visible rows exist, so that 5,000 rows scroll as smoothly as 50.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props<T> {
  rows: T[];
  height: number;
  label: string;
  head?: ComponentChildren;
  kind: string;
  columns: number;
  row: (one: T, index: number) => ComponentChildren;
}

const AROUND = 8;

export function VirtualTable<T>({ rows, height, label, head, kind, columns, row }: Props<T>) {
  const ref = useRef<HTMLDivElement>(null);
  const [window, setWindow] = useState({ top: 0, room: 600 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const look = (): void => setWindow({ top: element.scrollTop, room: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => { observer.disconnect(); element.removeEventListener("scroll", look); };
  }, []);
  const first = Math.max(0, Math.floor(window.top / height) - AROUND);
  const last = Math.min(rows.length, Math.ceil((window.top + window.room) / height) + AROUND);
  const spacer = (count: number) => count > 0 && <tr class="spacer" aria-hidden="true"><td colSpan={columns} style={{ height: `${count * height}px` }} /></tr>;
  return (
    <div ref={ref} class={`virtual ${kind}`} tabIndex={0} role="region" aria-label={label}>
      <table aria-rowcount={rows.length}>
        {head && <thead>{head}</thead>}
        <tbody>
          {spacer(first)}
          {rows.slice(first, last).map((one, n) => row(one, first + n))}
          {spacer(rows.length - last)}
        </tbody>
      </table>
    </div>
  );
}
