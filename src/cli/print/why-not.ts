/** What would make a deny an allow, printed for people. */
import type { WhyNot } from '../../author/why-not/why-not.js';
import type { Remedy } from '../../model/remedies.js';
import { printable } from '../command.js';

/** Characters of a change. */
const LONG = 1000;

export function whyNotText(told: WhyNot): string {
  return `\n${lines(told)
    .map((line) => printable(line.length > LONG ? `${line.slice(0, LONG)}…` : line))
    .join('\n')}\n`;
}

function lines(told: WhyNot): string[] {
  switch (told.kind) {
    case 'allowed':
      return ['  why not: it is allowed'];
    case 'inconclusive':
      return [`  why not: that can't be told: ${told.why}`];
    case 'token':
      return [`  why not: the token was refused (${told.code}), so nothing can be decided again`, `    ${told.needs}`];
    case 'changes':
      return [
        told.changes.length === 1 ? '  it would be allowed with this:' : '  it would be allowed with all of these:',
        ...told.changes.map(({ words }) => `    ${words}`),
        ...told.remedies.map(remedyLine),
        ...(told.certain ? [] : ['  (not all relationships could be read: one may stand in the way)']),
        `  (decided again with them; ${told.decisions} decisions were made to find them)`,
      ];
    case 'none':
      return [
        `  nothing is known that would allow it${told.exhausted ? ' (the bound on decisions was met: there may be something)' : ''}`,
        ...(told.changes.length === 0 ? [] : ['  with these:', ...told.changes.map(({ words }) => `    ${words}`)]),
        ...told.remedies.map(remedyLine),
        '  this would still stand in the way:',
        ...told.remaining.map(({ code, message }) => `    ${code}: ${message}`),
      ];
  }
}

function remedyLine({ type, ...argument }: Remedy): string {
  return `  its policies name a remedy: ${[type, ...Object.values(argument)].join(' ')}`;
}
