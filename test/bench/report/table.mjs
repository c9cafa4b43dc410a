/** Tables for people. */

/** Names to the left, numbers to the right. */
export function table(header, rows) {
  const width = header.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  const numeric = header.map((_, i) => rows.every((r) => /^$|^-?\d/.test(r[i])));
  return [header, ...rows].map((row) =>
    `  ${row.map((cell, i) => (numeric[i] ? cell.padStart(width[i]) : cell.padEnd(width[i]))).join('  ')}`.trimEnd(),
  );
}

export function percent(share) {
  return `${(share * 100).toFixed(0)} %`;
}
