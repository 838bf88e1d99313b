// Figures as the rest of the product writes them (sentinel/domain/figures.py): shares in percent, times in UTC.

export const precise = (value) => String(Number(value.toPrecision(3)));

export const percent = (share) => `${precise(share * 100)}%`;

export function seconds(value) {
  return value !== 0 && Math.abs(value) < 1 ? `${precise(value * 1000)} ms` : `${precise(value)} s`;
}

export const amount = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const evidence = (logE) => {
  const odds = Math.exp(Math.min(logE, 50));
  if (odds >= 1e6) return "over 1,000,000:1";
  return odds >= 10 ? `${Math.round(odds).toLocaleString("en")}:1` : `${Number(odds.toPrecision(2))}:1`;
};

// A length of time in its two coarsest units: 45s, 7m 10s, 3h 12m, 5d 0h.
export function age(total) {
  const whole = Math.max(0, Math.round(total));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
}

export const at = (text) => Date.parse(text) / 1000;

export const moment = (text) => `${new Date(text).toISOString().slice(0, 19).replace("T", " ")} UTC`;

export const clock = (unix) => new Date(unix * 1000).toISOString().slice(11, 19);
