// Times as text.

import { signal } from "@preact/signals";

/** The present, once a second, so that ages go on. */
export const now = signal(Date.now());
setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1000);

export const ms = (time: string): number => Date.parse(time);

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const clock = (at: number): string => clockFormat.format(at);

/** The time of day, with the date where it is not today. */
export function moment(time: string): string {
  const at = ms(time);
  const today = new Date(now.value).toDateString() === new Date(at).toDateString();
  return today ? clock(at) : `${dateFormat.format(at)} ${clock(at)}`;
}

export function ago(time: string): string {
  return `${span(Math.max(0, now.value - ms(time)))} ago`;
}

/** A duration with its one or two largest units. */
export function span(duration: number): string {
  const seconds = Math.round(duration / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 && minutes < 10 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

export const number = (n: number): string => n.toLocaleString("en-GB");
export const plural = (n: number, one: string): string => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
