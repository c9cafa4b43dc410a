/**
 * Writes the results of runs/servers.mjs as the tables of docs/performance.md, between its marks: what the document says
 * was measured is what a run has measured.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cellsOf } from './servers.mjs';

const DOCUMENT = new URL('../../../docs/performance.md', import.meta.url);
const MARKS = { begin: '<!-- begin: written by the bench -->', end: '<!-- end -->' };

/** @throws Error where the document has no marks */
export function writeDocument(results) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [begin, end] = [text.indexOf(MARKS.begin), text.indexOf(MARKS.end)];
  if (begin === -1 || end < begin) throw new Error(`docs/performance.md lacks ${MARKS.begin} … ${MARKS.end}`);
  const head = text.slice(0, begin + MARKS.begin.length);
  writeFileSync(DOCUMENT, `${head}\n\n${tablesOf(results).join('\n')}\n\n${text.slice(end)}`);
}

function tablesOf({ node, cpus, cpu, date, seconds, turns, worlds }) {
  const processes = Object.keys(worlds[0].memory);
  return [
    `Measured on ${date.slice(0, 10)} with Node ${node.slice(1)} on ${cpus} cores (${cpu}), ${turns} turns of ${seconds} s; medians.`,
    '',
    ...markdown(
      ['relationships', 'connections', 'what', 'a second', 'p50 ms', 'p99 ms', ...processes.map((p) => `CPU µs: ${p}`), 'CPU of all, of the bare check', 'CPU of SpiceDB'],
      worlds.flatMap(({ relationships, groups }) =>
        groups.flatMap((group) =>
          group.map((row) => {
            const { connections, what, perSecond, p50, p99, cpu: each, ratios } = cellsOf(row, group[0], processes);
            return [grouped(relationships), connections, what, perSecond, p50, p99, ...each, ratios.all, ratios.spicedb];
          }),
        ),
      ),
    ),
    '',
    ...markdown(
      ['relationships', 'list', 'writes', 'ms', 'CPU ms', 'ms, of SpiceDB', 'CPU, of SpiceDB'],
      worlds.flatMap(({ relationships, lists }) =>
        lists.map(({ name, cold, ms, cpu: used }, i) => {
          const bare = i % 2 === 0 ? undefined : lists[i - 1];
          const ratios = bare === undefined ? ['', ''] : [ms / bare.ms, used / bare.cpu].map((n) => n.toFixed(2));
          return [grouped(relationships), name, cold ? '5 a second' : 'none', ms.toFixed(0), (used / 1000).toFixed(0), ...ratios];
        }),
      ),
    ),
    '',
    ...markdown(
      ['relationships', 'connections', ...Object.keys(worlds[0].trips[0].each)],
      worlds.flatMap(({ relationships, trips }) =>
        trips.map(({ connections, each }) => [grouped(relationships), connections, ...Object.values(each).map((n) => n.toFixed(2))]),
      ),
    ),
    '',
    ...worlds.map(
      ({ relationships, memory }) =>
        `Memory at ${grouped(relationships)}, MiB: ${Object.entries(memory).map(([name, bytes]) => `${name} ${(bytes / 2 ** 20).toFixed(0)}`).join(', ')}.`,
    ),
  ]; // prettier-ignore
}

function markdown(header, rows) {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}

function grouped(number) {
  return number.toLocaleString('en');
}
